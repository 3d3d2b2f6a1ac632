"""What an extractor file was taught: a trained artefact and a calibration, pinned at release and loaded in a run."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar, cast

from aie.config import ExtractorSpec, Site
from aie.core import JSON
from aie.errors import InputError
from aie.fields import Extractor
from aie.fields.calibration import Calibration, calibration_facts
from aie.fields.trained import TrainedExtractor, recipe_facts
from aie.layers.port import Component, Task, Tools
from aie.models import artefact_digest, read_artefact, write_artefact

__all__ = ["calibration_of", "learnt_components", "trained_extractor"]

TRAINED: Final = "trained"
CALIBRATION: Final = "calibration"


class _Made(Protocol):
    made: JSON


LoadedT = TypeVar("LoadedT", bound=_Made)


def learnt_components(
    spec: ExtractorSpec, step: str, site: Site, *, asked: Mapping[str, JSON] | None
) -> dict[str, Component] | None:
    """Return what was learnt for an extractor, by its key in the step's configuration; None when something is amiss.

    Args:
        spec: The extractor file.
        step: Its path, as the step names it.
        site: Reports in the extractor file.
        asked: What a model is asked and which; None where none is.
    """
    whole = _check_learning(spec, site)
    found: dict[str, Component] = {}
    trained = spec.by.trained
    if trained is not None:
        facts = recipe_facts(spec.finds, trained)
        content = _artefact(
            site, "by.trained.artefact", trained.artefact, lambda data: TrainedExtractor.load(spec.finds, data), facts
        )
        whole &= content is not None
        found |= {} if content is None else {TRAINED: Component(kind="trained_extractor", name=step, content=content)}
    if spec.calibration is not None and whole:
        digest = artefact_digest(found[TRAINED].content) if TRAINED in found else None
        facts = calibration_facts(spec, digest, asked=asked)
        content = _artefact(site, "calibration.artefact", spec.calibration.artefact, Calibration.load, facts)
        whole &= content is not None
        found |= {} if content is None else {CALIBRATION: Component(kind="calibration", name=step, content=content)}
    return found if whole else None


def _check_learning(spec: ExtractorSpec, site: Site) -> bool:
    """Report what an extractor file says wrongly of learning; False when it does."""
    whole = True
    if spec.learns is None and (spec.by.trained is not None or spec.calibration is not None):
        site.problem("missing-key", "", "`learns` expected: the dataset to learn from", "add learns: {dataset: NAME}")
        whole = False
    for name in spec.learns.expected if spec.learns is not None else ():
        if name not in spec.finds:
            site.unknown(f"learns.expected.{name}", name, spec.finds, "field")
            whole = False
    if spec.learns is not None and spec.learns.dataset not in site.workflow.datasets:
        site.unknown("learns.dataset", spec.learns.dataset, site.workflow.datasets, "dataset")
        whole = False
    return whole


def trained_extractor(spec: ExtractorSpec, task: Task, tools: Tools) -> Extractor:
    """Return the trained extractor that the release pins."""
    extractor: Extractor = tools.cache(cast("str", task.config[TRAINED]), _Load(spec.pinned()))
    return extractor


@dataclass(frozen=True, slots=True)
class _Load:
    """Loads a trained extractor for a file; equal for equal files, since what is loaded is kept by what loads it."""

    pinned: bytes

    def __call__(self, content: bytes) -> TrainedExtractor:
        return TrainedExtractor.load(ExtractorSpec.read(self.pinned).finds, content)


def calibration_of(task: Task, tools: Tools) -> Calibration | None:
    """Return the calibration that the release pins; None where there is none."""
    name = task.config.get(CALIBRATION)
    if name is None:
        return None
    loaded: Calibration = tools.cache(cast("str", name), Calibration.load)
    return loaded


def _artefact(
    site: Site, key: str, path: str, load: Callable[[bytes], LoadedT], facts: Mapping[str, JSON]
) -> bytes | None:
    """Return an artefact in its canonical form, whatever wrote the file."""
    train = "run `aie train`"
    if isinstance(site.workspace.read(f"{site.workflow.folder}/{path}"), str):
        site.problem("untrained-model", key, f"there is no artefact at {path}", train)
        return None
    content = site.file(key, path)
    if content is None:
        return None
    try:
        loaded = load(content)
    except InputError as error:
        site.problem("bad-artefact", key, f"{path}: {error.message}", train)
        return None
    if loaded.made != facts:
        site.problem("stale-artefact", key, f"{path} was made for another extractor than this file describes", train)
        return None
    return write_artefact(read_artefact(content))
