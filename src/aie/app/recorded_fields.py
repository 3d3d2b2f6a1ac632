"""What a prompt extractor answered in recorded runs, against what is known of their cases: a calibration's material.

Training asks no model: a model's answers are known only where a run recorded them, and paid for them.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from aie.app.opening import App
from aie.app.reading_cases import expected_fields, known_fields
from aie.config import Case, ExtractorSpec, ExtractStep, Problems, Site, WorkflowSpec, Workspace, read_dataset
from aie.core import JSON
from aie.errors import InputError
from aie.fields.calibration import calibration_facts
from aie.fields.reliability import Found, judged
from aie.layers import asked_components, asked_facts
from aie.records import Recorded, RunFilter
from aie.records.events import ReviewDecided, RunSubmitted, StepFinished
from aie.releases import Node
from aie.runs import Loaded

__all__ = ["LEAST_CASES", "Answers", "recorded_answers"]

LEAST_CASES: Final = 20
"""Cases with something known: fewer say nothing of how far scores can be believed."""
_PAGE: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What recorded runs teach of a prompt."""

    found: Sequence[Mapping[str, Sequence[Found]]]
    """Of each case, the values of its known fields."""
    made: Mapping[str, JSON]
    """What a calibration learnt from them depends on."""


def recorded_answers(
    app: App, workspace: Workspace, workflow: WorkflowSpec, step: ExtractStep, spec: ExtractorSpec
) -> Answers:
    """Return what recorded runs answered with the same question, and whether that was right.

    Of each case its latest run counts whose release asks as the files do now and has no calibration of it: only such a
    run records raw scores. Known is what the dataset says of a case in the calibration's split, or else what a reviewer
    decided in the run; cases of other splits stay unseen.

    Raises:
        ConfigError: the extractor file has mistakes.
        InputError: too few cases, with how many there are.
    """
    asked = _asked_now(workspace, workflow, step, spec)
    labelled, unseen = _labelled(workspace, workflow, spec)
    found: list[Mapping[str, Sequence[Found]]] = []
    runs, seen = 0, set[str]()
    for loaded, records in _runs(app, workflow.workflow):
        nodes = [node for node in loaded.index.nodes.values() if _asks_alike(loaded, node, spec, asked)]
        first = cast("RunSubmitted", records[0].event)
        if not nodes or first.case_text in seen | unseen:
            continue
        answer = _output(records, nodes[0].name)
        if answer is None:
            continue
        runs += 1
        seen.add(first.case_text)
        expected = {**_decided(loaded, records, nodes[0].name, spec), **labelled.get(first.case_text, {})}
        truths = known_fields(spec.finds, expected)
        if truths:
            found.append(judged(answer["found"], truths))
    if len(found) < LEAST_CASES:
        raise InputError(
            f"{len(found)} cases of which something is known in {runs} recorded runs that asked the same, "
            f"{LEAST_CASES} are needed",
            hints=(
                f"release {workflow.workflow} without `calibration` and run cases of the split, or decide on reviews",
                "a case of the dataset is found by its id: the run's `case`",
            ),
        )
    return Answers(found=found, made=calibration_facts(spec, None, asked=asked))


def _asked_now(workspace: Workspace, workflow: WorkflowSpec, step: ExtractStep, spec: ExtractorSpec) -> dict[str, JSON]:
    """Return what the files ask now."""
    problems = Problems()
    site = Site(
        workspace=workspace, workflow=workflow, step=step, scope={}, problems=problems, path=("steps", step.name)
    )
    written = site.written("extract", step.extract, ExtractorSpec)
    components = None if written is None else asked_components(spec, step.extract, site.inside(written.source))
    problems.raise_if_any()
    assert components is not None, "what is not asked has a problem"
    return asked_facts(spec, {key: each.content for key, each in components.items()})


def _labelled(
    workspace: Workspace, workflow: WorkflowSpec, spec: ExtractorSpec
) -> tuple[dict[str, Mapping[str, JSON]], frozenset[str]]:
    """Return what is known of the cases of the calibration's split, and the ids of all other cases."""
    assert spec.learns is not None
    assert spec.calibration is not None
    dataset = workflow.datasets[spec.learns.dataset]
    cases = list(read_dataset(dataset, workspace.root / workflow.folder, environ=os.environ))
    own = {each.id: _expected(each, spec) for each in cases if each.split == spec.calibration.split}
    return own, frozenset(each.id for each in cases if each.id not in own)


def _expected(case: Case, spec: ExtractorSpec) -> Mapping[str, JSON]:
    assert spec.learns is not None
    return {} if case.expected is None else expected_fields(case.expected, spec.finds, spec.learns)


def _runs(app: App, workflow: str) -> Iterator[tuple[Loaded, Sequence[Recorded]]]:
    """Yield the runs of a workflow that were not erased, the latest first."""
    where, after = RunFilter(tenant=app.tenant, workflow=workflow), ""
    while True:
        page = app.store.runs(where, limit=_PAGE, after=after)
        for row in page.rows:
            records = app.store.read(row.id, tenant=app.tenant)
            if records and isinstance(records[0].event, RunSubmitted) and records[0].event.input is not None:
                yield app.services.releases.get(app.tenant, row.release), records
        if not page.after:
            return
        after = page.after


def _asks_alike(loaded: Loaded, node: Node, spec: ExtractorSpec, asked: Mapping[str, JSON]) -> bool:
    """Whether a step of a release asks what the files ask now, and records its answers as they come."""
    config = node.config
    if not {"extractor", "model", "prompt"} <= set(config) or "calibration" in config:
        return False
    theirs = ExtractorSpec.read(loaded.component(cast("str", config["extractor"])))
    contents = {key: loaded.component(cast("str", config[key])) for key in ("model", "prompt")}
    same = ("by", "finds")
    one, other = calibration_facts(spec, None), calibration_facts(theirs, None)
    return asked_facts(theirs, contents) == asked and all(one[key] == other[key] for key in same)


def _output(records: Sequence[Recorded], path: str) -> Mapping[str, Any] | None:
    """Return what a step recorded as its value; None when it has none, or it was erased."""
    ended = [each.event for each in records if isinstance(each.event, StepFinished) and each.event.path == path]
    output = ended[-1].output if ended else None
    return output if isinstance(output, dict) else None


def _decided(loaded: Loaded, records: Sequence[Recorded], step: str, spec: ExtractorSpec) -> dict[str, JSON]:
    """Return the values of the step's fields that people decided on in a run."""
    values: dict[str, JSON] = {}
    for each in records:
        match each.event:
            case ReviewDecided(path=path, values=dict(answers)) if path in loaded.index.nodes:
                config = loaded.index.nodes[path].config
                for field in cast("Sequence[Mapping[str, Any]]", config.get("fields") or ()):
                    whole, _, last = field["text"].rpartition(".")
                    name, whole = (field["part"], field["text"]) if field["part"] else (last, whole)
                    if whole == f"{step}.values" and name in spec.finds and field["name"] in answers:
                        values[name] = answers[field["name"]]
    return values
