"""Why a run ended as it did: a fold over its events beside the release it is pinned to."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import cast

from aie.core import JSON, Cite, Limits, Spend
from aie.models import read_route
from aie.records import Recorded
from aie.records.events import (
    EffectDelivered,
    EffectQueued,
    ReviewDecided,
    ReviewOpened,
    RunFinished,
    RunMigrated,
    RunSubmitted,
    SegmentStarted,
    StepFinished,
    StepSkipped,
)
from aie.releases import POLICY, Node, Release, policy_in_words, read_policy
from aie.runs.asked import asked_models
from aie.runs.explanation import (
    Call,
    ComponentUse,
    Dropped,
    Effect,
    Evidence,
    Explanation,
    LimitUse,
    Migration,
    ReviewStory,
    Segment,
    Source,
    StepStatus,
    StepStory,
)
from aie.runs.heart import fold
from aie.runs.paths import Index, index_plan
from aie.runs.refusing import refused_models
from aie.runs.state import State
from aie.runs.story import Story, read_story
from aie.runs.timeline import tell

__all__ = ["explain"]


def explain(
    run: str, records: Sequence[Recorded], release: Release, *, installed: Mapping[str, int] | None = None
) -> Explanation:
    """Return why the run ended as it did, or where it stands.

    Args:
        run: Its id.
        records: All events of its stream, in order.
        release: The release it is pinned to.
        installed: Layer versions of this installation, to tell from those that the run needs.
    """
    story = read_story(records)
    assert story.submitted is not None, "a run's stream begins with its submission"
    submitted = cast("RunSubmitted", story.submitted.event)
    finished = cast("RunFinished | None", story.finished.event if story.finished else None)
    index = index_plan(release.plan)
    # The same fold that ran it counts what it used.
    state, _ = fold(index, ((record.event, record.at) for record in records))
    spend = state.spent + state.reserved
    steps = tuple(_steps(story, index, release))
    sources = _sources(story)
    calls = tuple(_calls(story))
    return Explanation(
        run=run,
        workflow=submitted.workflow,
        release=submitted.release,
        environment=submitted.environment,
        mode=submitted.mode,
        case=submitted.case_text or "",
        actor=submitted.actor,
        submitted_at=story.submitted.at,
        finished_at=story.finished.at if story.finished else None,
        state=finished.state if finished else story.phase,
        failure=finished.failure if finished else "",
        failed_at=finished.path if finished else "",
        message=(finished.message or "") if finished else "",
        input=submitted.input,
        output=finished.output if finished else None,
        relation=submitted.relation,
        erased=story.erased,
        steps=steps,
        evidence=tuple(_evidence(story, sources)),
        dropped=tuple(_dropped(steps, sources)),
        sources=tuple(sources.values()),
        reviews=tuple(_reviews(story)),
        effects=tuple(_effects(story)),
        calls=calls,
        asked_models=tuple(asked_models(steps, calls)),
        refused_models=tuple(refused_models(steps)),
        limits=tuple(_limits(release.plan.limits, state, spend)),
        spend=spend,
        cpu_us=sum(step.cpu_us for step in steps),
        segments=tuple(_segments(story)),
        holds=dict(story.held) if finished is None else {},
        policy=policy_in_words(read_policy(release.components[POLICY])) if POLICY in release.components else (),
        needs_runtime=story.needs.needs if story.needs else {},
        installed=_installed(story, installed),
        migrations=tuple(_migrations(story, release)),
        timeline=tuple(tell(records)),
    )


# ---------------------------------------------------------------- steps


def _steps(story: Story, index: Index, release: Release) -> Iterator[StepStory]:
    uses = {f"{entry['kind']}:{entry['name']}": _use(release, entry) for entry in release.behaviour["components"]}
    paths = dict.fromkeys([*story.steps, *story.troubles, *_open_paths(story)])
    order = {name: place for place, name in enumerate(index.nodes)}
    for name in index.nodes:
        paths.setdefault(name)
    for path in sorted(paths, key=lambda each: (order[each.partition("[")[0]], "[" in each)):
        yield _step(story, path, index.place(path).node, uses)


def _step(story: Story, path: str, node: Node, uses: Mapping[str, ComponentUse]) -> StepStory:
    record = story.steps.get(path)
    event = record.event if record is not None else None
    done = event if isinstance(event, StepFinished) else None
    started = story.started.get(record.epoch) if record is not None else None
    runtime = cast("SegmentStarted", started.event).runtime if started is not None else {}
    report = done.report if done is not None else None
    return StepStory(
        path=path,
        layer=node.layer,
        version=runtime.get(node.layer) if done is not None else None,
        status=_status(story, path),
        output=done.output if done is not None else None,
        report=report,
        components=tuple(_used(node, uses)),
        reads=done.reads if done is not None else {},
        labels=_label_names(done),
        why=event.why if isinstance(event, StepSkipped) else "",
        troubles=tuple(story.troubles.get(path, ())),
        ms=done.ms if done is not None else 0,
        cpu_us=done.cpu_us if done is not None else 0,
        at=record.at if record is not None else None,
    )


def _status(story: Story, path: str) -> StepStatus:
    if path in story.steps:
        return "skipped" if isinstance(story.steps[path].event, StepSkipped) else "finished"
    if path in _open_paths(story):
        return "review" if any(_path(record) == path for record in story.opened.values()) else "effect"
    if story.finished is not None:
        # Nobody tries again, also where the run ended at another step.
        ended = cast("RunFinished", story.finished.event).path
        return "failed" if path == ended or path in story.troubles else "not reached"
    return "running" if path in story.troubles else "not reached"


def _open_paths(story: Story) -> list[str]:
    reviews = [_path(record) for key, record in story.opened.items() if key not in story.decided]
    return reviews + [_path(record) for key, record in story.queued.items() if key not in story.delivered]


def _path(record: Recorded) -> str:
    return cast("ReviewOpened | EffectQueued", record.event).path


def _label_names(done: StepFinished | None) -> tuple[str, ...]:
    if done is None:
        return ()
    untrusted = ("untrusted",) if done.labels["integrity"] == "untrusted" else ()
    return (*done.labels["classes"], *untrusted)


def _use(release: Release, entry: Mapping[str, str]) -> ComponentUse:
    kind, name = entry["kind"], entry["name"]
    alone = kind == "route" and read_route(release.components[f"{kind}:{name}"]).alone
    return ComponentUse(kind=kind, name=name, digest=entry["digest"], alone=alone)


def _used(node: Node, uses: Mapping[str, ComponentUse]) -> Iterator[ComponentUse]:
    """Yield the components that the step's configuration names, anywhere in it."""
    for text in dict.fromkeys(_texts(cast("JSON", node.config))):
        if text in uses:
            yield uses[text]


def _texts(value: JSON) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


# ---------------------------------------------------------------- evidence, people, effects


def _sources(story: Story) -> dict[str, Source]:
    """Return every text that a step read from a document, by the reference of the step's value."""
    found = {}
    for path, record in story.steps.items():
        done = record.event if isinstance(record.event, StepFinished) else None
        if done is not None and isinstance(done.output, dict):
            name, text = done.output.get("name"), done.output.get("text")
            if isinstance(name, str) and isinstance(text, str):
                found[done.ref] = Source(step=path, name=name or path, text=text)
    return found


def _evidence(story: Story, sources: Mapping[str, Source]) -> Iterator[Evidence]:
    for path, record in story.steps.items():
        cites = record.event.cites if isinstance(record.event, StepFinished) else None
        for cite in (Cite.from_json(cast("dict[str, JSON]", each)) for each in cites or ()):
            source = sources.get(cite.source)
            yield Evidence(
                step=path,
                about=cite.path,
                quote=cite.quote,
                document=source.name if source is not None else cite.source,
                page=cite.page,
                start=cite.start,
                end=cite.end,
            )


def _dropped(steps: Iterable[StepStory], sources: Mapping[str, Source]) -> Iterator[Dropped]:
    for step in steps:
        dropped = step.report.get("dropped") if isinstance(step.report, dict) else None
        source = next((sources[ref] for ref in step.reads.values() if ref in sources), None)
        for what in dropped if isinstance(dropped, list) else []:
            quote, page = "", None
            match what:
                case {"start": int(start), "end": int(end), "page": int() | None as found} if source is not None:
                    quote, page = source.text[start:end], found
                case _:
                    pass
            yield Dropped(
                step=step.path,
                what=what,
                quote=quote,
                document=source.name if source is not None else "",
                page=page,
            )


def _reviews(story: Story) -> Iterator[ReviewStory]:
    for review, record in story.opened.items():
        opened = cast("ReviewOpened", record.event)
        answer = story.decided.get(review)
        decided = cast("ReviewDecided | None", answer.event if answer else None)
        yield ReviewStory(
            review=review,
            path=opened.path,
            desk=opened.desk,
            why=opened.why,
            opened_at=record.at,
            due=opened.due,
            shown=opened.shown,
            shown_hash=opened.shown_hash,
            actor=decided.actor if decided else "",
            decision=decided.decision if decided else "",
            decided_at=answer.at if answer else None,
            values=decided.values if decided else None,
            changed=_changed(opened.shown, decided.values if decided else None),
            reason=(decided.reason or "") if decided else "",
        )


def _changed(shown: JSON, values: JSON) -> dict[str, tuple[JSON, JSON]]:
    asked = shown.get("fields") if isinstance(shown, dict) else None
    if not isinstance(asked, dict) or not isinstance(values, dict):
        return {}
    before = {name: each.get("value") if isinstance(each, dict) else each for name, each in asked.items()}
    return {name: (before.get(name), value) for name, value in values.items() if before.get(name) != value}


def _effects(story: Story) -> Iterator[Effect]:
    for key, record in story.queued.items():
        owed = cast("EffectQueued", record.event)
        done, refused = story.delivered.get(key), story.refused.get(key)
        final = done is None and refused is not None and refused.final
        tried = story.tried.get(key, 0)
        yield Effect(
            key=key,
            path=owed.path,
            receiver=owed.receiver.removeprefix("receiver:"),
            semantics=owed.semantics,
            state="delivered" if done else "failed" if final else "tried" if tried else "queued",
            attempts=tried,
            request=owed.request,
            receipt=cast("EffectDelivered", done.event).receipt if done else None,
            failure=refused.failure if refused is not None and done is None else "",
            at=record.at,
            delivered_at=done.at if done else None,
            why=(refused.message or "") if refused is not None and done is None else "",
        )


# ---------------------------------------------------------------- money and time


def _calls(story: Story) -> Iterator[Call]:
    for attempt, intended in story.intended.items():
        settled = story.settled.get(attempt)
        yield Call(
            attempt=attempt,
            path=intended.path,
            model=intended.model,
            resolved=settled.resolved if settled else "",
            outcome=settled.outcome if settled else "open",
            spend=Spend.from_json(settled.spend if settled else intended.worst),
            failure=settled.failure if settled else "",
            ms=settled.ms if settled else 0,
            snapshot=intended.snapshot,
            fingerprint=settled.fingerprint if settled else "",
            route=intended.route,
        )


def _limits(limits: Limits, state: State, spend: Spend) -> Iterator[LimitUse]:
    used = {
        "cost": spend.cost,
        "tokens": spend.tokens,
        "time": state.executed_ms,
        "steps": state.steps,
        "model_calls": spend.calls,
    }
    for each in fields(limits):
        yield LimitUse(name=each.name, used=used[each.name], at_most=getattr(limits, each.name))


def _installed(story: Story, installed: Mapping[str, int] | None) -> Mapping[str, int]:
    if story.needs is None or installed is None:
        return {}
    return {name: installed.get(name, 0) for name in story.needs.needs}


def _migrations(story: Story, release: Release) -> Iterator[Migration]:
    versions = dict(release.runtime)
    for record in story.moved:
        moved = cast("RunMigrated", record.event)
        after = {name: moved.runtime.get(name, 0) for name in versions}
        layers = {name: (versions[name], version) for name, version in after.items() if versions[name] != version}
        yield Migration(at=record.at, actor=moved.actor, reason=moved.reason, layers=layers)
        versions = after


def _segments(story: Story) -> Iterator[Segment]:
    for epoch, record in story.started.items():
        started = cast("SegmentStarted", record.event)
        closed = story.closed.get(epoch)
        yield Segment(
            segment=started.segment,
            epoch=epoch,
            executor=started.executor,
            engine=started.engine,
            runtime=started.runtime,
            began_at=record.at,
            executing_ms=closed.executing_ms if closed else None,
        )
