"""Models: text classifiers that are trained and run here, and chat models behind endpoints.

A classifier's artefact is data with one canonical form; its inference needs numpy alone. A chat model is reached
through one small port; the most that a call can cost is known before it leaves.
"""

from aie.models.artefact import Artefact, artefact_digest, read_artefact, write_artefact
from aie.models.chat import CallFailed, Chat, ChatReply, ChatRequest, Endpoint, Price, worst_case
from aie.models.classifier import Classifier
from aie.models.connect import connect
from aie.models.decisions import Prediction, ten_thousandths
from aie.models.declared import train_model, write_trained
from aie.models.training import Example, Trained, TrainingReport, recipe_facts, train_text_classifier

__all__ = [
    "Artefact",
    "CallFailed",
    "Chat",
    "ChatReply",
    "ChatRequest",
    "Classifier",
    "Endpoint",
    "Example",
    "Prediction",
    "Price",
    "Trained",
    "TrainingReport",
    "artefact_digest",
    "connect",
    "read_artefact",
    "recipe_facts",
    "ten_thousandths",
    "train_model",
    "train_text_classifier",
    "worst_case",
    "write_artefact",
    "write_trained",
]
