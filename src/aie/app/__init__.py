"""The composition root and the verbs of the product: everything a surface does is one function here.

`open_app` opens a workspace's folder; the functions take what it returns. They parse nothing and print nothing.
"""

from aie.app.auditing import explain_run, rebuild_projections
from aie.app.inputs import Given, parse_input, read_input
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
)
from aie.app.reviewing import Decision, ShownReview, decide, open_reviews, show_review
from aie.app.running import (
    RESTING,
    Runner,
    cancel_run,
    choose_release,
    migrate_run,
    resting,
    retry_runs,
    runner,
)
from aie.app.training import train

__all__ = [
    "RESTING",
    "App",
    "Decision",
    "Executor",
    "Given",
    "Locked",
    "Runner",
    "ShownReview",
    "cancel_run",
    "check_workspace",
    "choose_release",
    "decide",
    "diff_releases",
    "executing",
    "explain_run",
    "export_release",
    "import_release",
    "lock_release",
    "migrate_run",
    "open_app",
    "open_reviews",
    "parse_input",
    "plan_workflow",
    "promote_release",
    "read_input",
    "rebuild_projections",
    "resting",
    "retry_runs",
    "roll_back",
    "runner",
    "show_review",
    "train",
    "workflows",
]
