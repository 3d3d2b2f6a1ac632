"""Train the models that `models.yaml` declares; a release never trains."""

import os
from pathlib import Path

from aie.config import LearntHere, load_workspace
from aie.errors import InputError
from aie.models import TrainingReport, train_model, write_trained

__all__ = ["train", "trainable"]


def train(root: Path, model: str) -> tuple[Path, TrainingReport]:
    """Train one model, write its artefact and return the file with the report.

    Raises:
        ConfigError: the workspace's files have mistakes.
        NotFound: no such model, or not one that is trained.
        InputError: its dataset cannot teach it, or its artefact cannot be written.
        Unavailable: the extra `train` is not installed.
    """
    workspace = load_workspace(root)
    trained = train_model(workspace, model, environ=os.environ)
    try:
        return write_trained(workspace, model, trained), trained.report
    except OSError as error:
        raise InputError(f"the artefact of {model} cannot be written: {(error.strerror or 'error').lower()}") from error


def trainable(root: Path) -> tuple[str, ...]:
    """Return the names of the models that can be trained.

    Raises:
        ConfigError: the workspace's files have mistakes.
    """
    models = load_workspace(root).models.models
    return tuple(sorted(name for name, entry in models.items() if isinstance(entry, LearntHere)))
