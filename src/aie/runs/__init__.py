"""Runs: from a submission to a recorded end. A pure heart decides, thin drivers execute, the records remember."""

from aie.runs.about import About, tell_about
from aie.runs.claims import Claim, claim, claim_of, context_of, requeue, runtime_of
from aie.runs.engine import Engine, Execute
from aie.runs.engines import LocalEngine, dbos_engine
from aie.runs.explaining import explain
from aie.runs.explanation import (
    AskedModel,
    ComponentUse,
    Effect,
    Evidence,
    Explanation,
    RefusedModel,
    ReviewStory,
    Source,
    StepStory,
    Trouble,
)
from aie.runs.heart import advance, fold
from aie.runs.listening import Listener, PostgresListener, listener_for, ring, socket_path
from aie.runs.paths import item_path
from aie.runs.resolving import resolutions
from aie.runs.segment import Segment
from aie.runs.services import Loaded, Releases, Services, models_of
from aie.runs.sites import run_sites
from aie.runs.state import State
from aie.runs.story import read_holds
from aie.runs.submission import (
    Relation,
    Submission,
    Submitted,
    cancel,
    decide_review,
    migrate,
    retry,
    submit,
    submit_all,
)
from aie.runs.trial import TrialCalls
from aie.runs.trying import Came, KnownCalls, Tried, files_of, recorded_values, try_step
from aie.runs.worker import Pace, Worker

__all__ = [
    "About",
    "AskedModel",
    "Came",
    "Claim",
    "ComponentUse",
    "Effect",
    "Engine",
    "Evidence",
    "Execute",
    "Explanation",
    "KnownCalls",
    "Listener",
    "Loaded",
    "LocalEngine",
    "Pace",
    "PostgresListener",
    "RefusedModel",
    "Relation",
    "Releases",
    "ReviewStory",
    "Segment",
    "Services",
    "Source",
    "State",
    "StepStory",
    "Submission",
    "Submitted",
    "TrialCalls",
    "Tried",
    "Trouble",
    "Worker",
    "advance",
    "cancel",
    "claim",
    "claim_of",
    "context_of",
    "dbos_engine",
    "decide_review",
    "explain",
    "files_of",
    "fold",
    "item_path",
    "listener_for",
    "migrate",
    "models_of",
    "read_holds",
    "recorded_values",
    "requeue",
    "resolutions",
    "retry",
    "ring",
    "run_sites",
    "runtime_of",
    "socket_path",
    "submit",
    "submit_all",
    "tell_about",
    "try_step",
]
