"""What an extractor file says of a trained extractor."""

from aie.config.scalars import Path
from aie.config.spec import Spec

__all__ = ["TrainedSpec"]


class TrainedSpec(Spec):
    """An extractor that was trained on a dataset."""

    artefact: Path
    """File that training writes, relative to the workflow's folder."""
