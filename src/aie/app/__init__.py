"""The composition root and the verbs of the product: everything a surface does is one function here.

`open_app` opens a workspace's folder; the functions take what it returns. They parse nothing and print nothing.
"""

from aie.app.auditing import ending_of, erase_person, explain_run, hold_of, known_attributes, rebuild_projections
from aie.app.cataloguing import Catalog, Moved, Shown, ShownRoute, moved_models, show_catalog, show_models
from aie.app.context_diff import ContextChange, diff_contexts
from aie.app.controlling import (
    BudgetState,
    StopKind,
    budget_states,
    declared_beneath,
    lift_stop,
    set_budget,
    set_stop,
    stopped,
    unset_budget,
)
from aie.app.examining import Examined, Overview, examine, look_over
from aie.app.explain_html import explain_html
from aie.app.explain_text import explain_text
from aie.app.fixtures import FixtureResult, run_fixtures, save_fixture
from aie.app.inputs import MAX_INPUT, Given, parse_input, read_input
from aie.app.label_form import label_form
from aie.app.labelling import Labelling, labelling, read_given
from aie.app.needs import Need, unmet
from aie.app.opening import App, Executor, executing, open_app
from aie.app.releasing import (
    Locked,
    check_workspace,
    diff_releases,
    export_release,
    import_release,
    lock_release,
    plan_workflow,
    promote_release,
    roll_back,
    workflows,
    workspace_warnings,
)
from aie.app.reviewing import Decision, ShownReview, decide, open_reviews, show_review
from aie.app.running import (
    RESTING,
    Runner,
    cancel_run,
    choose_release,
    migrate_run,
    retry_run,
    retry_runs,
    runner,
)
from aie.app.runtimes import Lack, lack_of, lacks
from aie.app.teaching import Taught, teach, teachable
from aie.app.templates import list_templates, start_workspace
from aie.app.training import train, trainable
from aie.app.try_html import told, try_html
from aie.app.trying import Trial, stamps, trial
from aie.app.verifying import export_for_audit, save_heads, verify_export, verify_records
from aie.app.wording import circuit_line, moved_line, plain, versions, why_asked

__all__ = [
    "MAX_INPUT",
    "RESTING",
    "App",
    "BudgetState",
    "Catalog",
    "ContextChange",
    "Decision",
    "Examined",
    "Executor",
    "FixtureResult",
    "Given",
    "Labelling",
    "Lack",
    "Locked",
    "Moved",
    "Need",
    "Overview",
    "Runner",
    "Shown",
    "ShownReview",
    "ShownRoute",
    "StopKind",
    "Taught",
    "Trial",
    "budget_states",
    "cancel_run",
    "check_workspace",
    "choose_release",
    "circuit_line",
    "decide",
    "declared_beneath",
    "diff_contexts",
    "diff_releases",
    "ending_of",
    "erase_person",
    "examine",
    "executing",
    "explain_html",
    "explain_run",
    "explain_text",
    "export_for_audit",
    "export_release",
    "hold_of",
    "import_release",
    "known_attributes",
    "label_form",
    "labelling",
    "lack_of",
    "lacks",
    "lift_stop",
    "list_templates",
    "lock_release",
    "look_over",
    "migrate_run",
    "moved_line",
    "moved_models",
    "open_app",
    "open_reviews",
    "parse_input",
    "plain",
    "plan_workflow",
    "promote_release",
    "read_given",
    "read_input",
    "rebuild_projections",
    "retry_run",
    "retry_runs",
    "roll_back",
    "run_fixtures",
    "runner",
    "save_fixture",
    "save_heads",
    "set_budget",
    "set_stop",
    "show_catalog",
    "show_models",
    "show_review",
    "stamps",
    "start_workspace",
    "stopped",
    "teach",
    "teachable",
    "told",
    "train",
    "trainable",
    "trial",
    "try_html",
    "unmet",
    "unset_budget",
    "verify_export",
    "verify_records",
    "versions",
    "why_asked",
    "workflows",
    "workspace_warnings",
]
