"""Models: text classifiers that are trained and run here, chat models behind endpoints, and routes to either.

A classifier's artefact is data with one canonical form; its inference needs numpy alone. A chat model is reached
through one small port; the most that a call can cost is known before it leaves. Which model is asked is planned by
pure functions over what a release pins and what the catalog says now.
"""

from aie.models.artefact import Artefact, artefact_digest, read_artefact, write_artefact
from aie.models.breaker import Breaker, fails, held_by_breaker
from aie.models.chat import CallFailed, Chat, ChatReply, ChatRequest, Endpoint, Part, input_bound
from aie.models.classifier import Classifier
from aie.models.connect import connect
from aie.models.decisions import Prediction, ten_thousandths
from aie.models.declared import train_model, write_trained
from aie.models.facts import facts_hold, live_facts
from aie.models.ledger import (
    Budget,
    Exhausted,
    Slab,
    Window,
    explained,
    open_window,
    share_out,
    taken,
    window_named,
)
from aie.models.planning import HARMLESS, Call, Facts, Planned, Refused, plan, worst_case
from aie.models.predictors import Kind as PredictorKind
from aie.models.predictors import Predictor, PredictorLoader, Signature, load_predictor
from aie.models.prices import Price, Tier, price_at
from aie.models.retrying import again_after
from aie.models.routes import (
    LOCAL_COMPONENTS,
    Candidate,
    LocalKind,
    PinnedRoute,
    one_classifier,
    pin_model,
    pin_route,
    read_route,
)
from aie.models.tabular import Scored, TabularModel
from aie.models.tabular_training import Row, table_facts, train_tabular_classifier
from aie.models.training import Example, Trained, TrainingReport, recipe_facts, train_text_classifier

__all__ = [
    "HARMLESS",
    "LOCAL_COMPONENTS",
    "Artefact",
    "Breaker",
    "Budget",
    "Call",
    "CallFailed",
    "Candidate",
    "Chat",
    "ChatReply",
    "ChatRequest",
    "Classifier",
    "Endpoint",
    "Example",
    "Exhausted",
    "Facts",
    "LocalKind",
    "Part",
    "PinnedRoute",
    "Planned",
    "Prediction",
    "Predictor",
    "PredictorKind",
    "PredictorLoader",
    "Price",
    "Refused",
    "Row",
    "Scored",
    "Signature",
    "Slab",
    "TabularModel",
    "Tier",
    "Trained",
    "TrainingReport",
    "Window",
    "again_after",
    "artefact_digest",
    "connect",
    "explained",
    "facts_hold",
    "fails",
    "held_by_breaker",
    "input_bound",
    "live_facts",
    "load_predictor",
    "one_classifier",
    "open_window",
    "pin_model",
    "pin_route",
    "plan",
    "price_at",
    "read_artefact",
    "read_route",
    "recipe_facts",
    "share_out",
    "table_facts",
    "taken",
    "ten_thousandths",
    "train_model",
    "train_tabular_classifier",
    "train_text_classifier",
    "window_named",
    "worst_case",
    "write_artefact",
    "write_trained",
]
