"""Performs one step: from the state and a path to the event that says what came of it."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from aie.core import JSON, UNTRUSTED, Labels, Value, digest_json, fibers, join
from aie.errors import AieError, ConfigError, Failure, Held, InputError, StepFailure, Unavailable
from aie.layers import Attempts, EffectRequest, Keys, NoOtherRuns, Result, ReviewRequest, Task, Tools
from aie.records import EffectFilter, Event, check_event
from aie.records.events import EffectQueued, MapExpanded, ReviewOpened, StepFailed, StepFinished, StepHeld, StepSkipped
from aie.runs.attempts import past_calls
from aie.runs.keys import RunKeys
from aie.runs.paths import item_path
from aie.runs.resolving import Watched
from aie.runs.scope import Scope, labels_read, made_labels, scope_of
from aie.runs.services import Loaded, Services
from aie.runs.state import State

__all__ = [
    "RunContext",
    "default_value",
    "effect_value",
    "expand_map",
    "failed",
    "gather_map",
    "perform",
    "result_of",
    "tools_for",
    "value_event",
    "waiting",
]


_LOOK: Final = 0.2
"""Seconds between two looks at kill switches while a step waits."""
_LONGEST_KEY: Final = 1_000
"""Characters of the key of a map's item: it is part of the path of each step of the item."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """One run, as far as its steps need it."""

    services: Services
    loaded: Loaded
    run: str
    tenant: str
    workflow: str
    effect_scope: str
    """What effect keys are made from: the keyed hash of the case, and the run as well when it supersedes another."""
    mode: str
    duplicate: bool = False
    """The run repeats another of its case: an effect that one has delivered is not delivered again."""

    def ref(self, data: JSON) -> str:
        """Return the reference of a value of this run's tenant."""
        return self.services.store.ref(self.tenant, data)


class _BlobFiles:
    """Documents of one tenant."""

    def __init__(self, context: RunContext) -> None:
        self._context = context

    def read(self, ref: str) -> bytes:
        """Return the bytes stored under a document's reference."""
        return fibers.blocking(lambda: self._context.services.store.get_blob(self._context.tenant, ref))


def perform(context: RunContext, state: State, path: str, attempts: Attempts, time_left_ms: int | None) -> Event:
    """Run a step's layer on what the state holds; every failure is an event, never an exception, and can be recorded.

    Blocks for as long as the layer does. Nothing is shared but the journal behind `attempts`.
    """
    began = time.monotonic_ns()
    event = _performed(context, state, path, attempts, time_left_ms)
    if isinstance(event, StepFinished) and event.report is None and not event.cites:
        return event  # its output was digested, so it can be recorded
    try:
        check_event(event)
    except InputError as error:
        return failed(path, Failure.INTERNAL, f"what the step made cannot be recorded: {error.message}", began)
    return event


def _performed(context: RunContext, state: State, path: str, attempts: Attempts, time_left_ms: int | None) -> Event:
    began, cpu = time.monotonic_ns(), fibers.cpu_ns()
    place = context.loaded.index.place(path)
    node = place.node
    try:
        scope = scope_of(context.loaded, state, place)
        if node.condition is not None and not scope.truth(node.condition):
            return StepSkipped(path=path, why="its condition was false")
        inputs = {name: scope.evaluate(text) for name, text in node.inputs.items()}
        task = Task(
            path=path,
            config=node.config,
            inputs=inputs,
            workflow=context.workflow,
            time_left_ms=time_left_ms,
            mode=context.mode,
            past=past_calls(state, path),
        )
        read = labels_read(scope, place, state, inputs.values())
        left = partial(_time_left, began, time_left_ms)
        tools = tools_for(
            context,
            attempts,
            labels=read,
            case=_case(state),
            began=state.submitted_at,
            keys=_keys(context, state),
            time_left=left,
        )
        outcome = context.services.layers[node.layer].run(task, tools)
        match outcome:
            case Result():
                return _finished(context, path, scope, outcome, read, began, cpu)
            case ReviewRequest():
                return _review(context, path, outcome)
            case EffectRequest():
                return _effect(context, path, outcome)
    except StepFailure as error:
        # Its traceback keeps all that the step has read and made, and may keep the failure itself by some frame.
        error.__traceback__ = None
        held = None if error.hold is None else _wait(context, state, path, error.hold, began)
        if held is not None:
            return held
        limit = str(error.fields.get("limit", ""))
        return failed(path, error.failure, error.message, began, limit=limit, report=error.report)
    except Held as held:
        return waiting(path, held, began)
    except Unavailable as error:  # a secret or an extra that is missing here: no call was made
        return failed(path, Failure.PROVIDER_REFUSED, error.message, began)
    except ConfigError as error:  # the live facts of a file that this process never read without a mistake
        return failed(path, Failure.INTERNAL, f"{error.message}: {error.problems[0]}", began)
    except AieError as error:
        return failed(path, Failure.INTERNAL, error.message, began)
    except Exception as error:  # noqa: BLE001 — a bug in a layer is a recorded failure of its run, not of the worker
        return failed(path, Failure.INTERNAL, f"{type(error).__name__} in the {node.layer} layer: {error}", began)


def failed(
    path: str, failure: Failure, message: str, began: int | None = None, *, limit: str = "", report: JSON = None
) -> StepFailed:
    """Return the event of a failed try; `began` in monotonic nanoseconds."""
    ms = 0 if began is None else (time.monotonic_ns() - began) // 1_000_000
    return StepFailed(path=path, failure=failure.value, message=message, limit=limit, ms=ms, report=report)


def waiting(path: str, held: Held, began: int | None = None, *, until: int = 0) -> StepHeld:
    """Return the event of a step that waits; `began` in monotonic nanoseconds."""
    ms = 0 if began is None else (time.monotonic_ns() - began) // 1_000_000
    return StepHeld(path=path, on=held.on, cost=held.cost, tokens=held.tokens, why=held.why, ms=ms, until=until)


def _wait(context: RunContext, state: State, path: str, held: Held, began: int) -> StepHeld | None:
    """Return the event of a step that waits instead of failing; None when this try of it has waited long enough."""
    now, until = context.services.clock.now(), 0
    if held.on == "later":
        held.on = f"until:{now + held.wait}"
    if held.at_most:
        before = state.holds.get(path)
        until = now + held.at_most if before is None or not before.until else before.until
        if now + held.wait >= until:
            return None
    return waiting(path, held, began, until=until)


def expand_map(context: RunContext, state: State, path: str) -> Event:
    """Return the items of a map with their keys."""
    place = context.loaded.index.place(path)
    node, body = place.node, place.node.map
    try:
        scope = scope_of(context.loaded, state, place)
        if node.condition is not None and not scope.truth(node.condition):
            return StepSkipped(path=path, why="its condition was false")
        if body is None:
            raise StepFailure(Failure.INTERNAL, f"{path} is not a map")
        over = scope.evaluate(body.over)
        if not isinstance(over.data, list):
            raise StepFailure(Failure.INVALID_INPUT, f"{body.over} is not a list")
        if len(over.data) > body.at_most:
            raise StepFailure(
                Failure.TOO_LARGE, f"{body.over} has {len(over.data)} items, at most {body.at_most} are allowed"
            )
        keys = [_key(context.loaded, body.key, body.as_, item, index) for index, item in enumerate(over.data)]
        if len(set(keys)) < len(keys):
            raise StepFailure(Failure.INVALID_INPUT, "two items of the map have the same key")
    except StepFailure as error:
        return failed(path, error.failure, error.message)
    labels = join((over.labels, scope.labels(() if node.condition is None else (node.condition,))))
    return MapExpanded(path=path, keys=keys, items=over.data, labels=labels.to_json())


def gather_map(context: RunContext, state: State, path: str) -> StepFinished:
    """Return the value of a map: for each item its key and the values of its steps."""
    body = context.loaded.index.bodies[path]
    items: list[JSON] = []
    labels = [Labels.from_json(state.maps[path].labels)]
    for key in state.maps[path].keys:
        item: dict[str, JSON] = {"key": key}
        for name in body:
            finished = state.outputs.get(item_path(path, key, name))
            item[name] = None if finished is None else finished.output
            if finished is not None:
                labels.append(Labels.from_json(finished.labels))
        items.append(item)
    return value_event(context, path, items, join(labels))


def default_value(context: RunContext, state: State, path: str, failure: str) -> StepFinished:
    """Return the value that a handler gives in place of a failed step's: that it failed tells of what it read."""
    place = context.loaded.index.place(path)
    handler = place.node.handler(Failure(failure))
    labels = labels_read(scope_of(context.loaded, state, place), place, state)
    while handler.then is not None:
        handler = handler.then
    report: JSON = {"default": True, "failure": failure}
    return value_event(context, path, handler.value, made_labels(context.loaded, place, labels), report=report)


def effect_value(context: RunContext, state: State, path: str) -> StepFinished:
    """Return the value of an effect that its receiver confirmed: the receipt, which may tell what was sent."""
    delivered, place = state.receipts[path], context.loaded.index.place(path)
    labels = join((UNTRUSTED, labels_read(scope_of(context.loaded, state, place), place, state)))
    return value_event(context, path, delivered.receipt, labels, report={"key": delivered.key})


def result_of(context: RunContext, state: State) -> dict[str, JSON]:
    """Return the output of a completed run; a skipped step reads as null.

    Raises:
        StepFailure: EXPRESSION.
    """
    scope = scope_of(context.loaded, state, None)
    return {name: scope.evaluate(text).data for name, text in context.loaded.index.plan.result.items()}


def _finished(
    context: RunContext, path: str, scope: Scope, result: Result, read: Labels, began: int, cpu: int
) -> StepFinished:
    place = context.loaded.index.place(path)
    node = place.node
    texts = [*node.inputs.values(), *([node.condition] if node.condition is not None else [])]
    return StepFinished(
        path=path,
        ref=context.ref(result.data),
        # A layer may only add; what lowers a label stands in the release.
        labels=made_labels(context.loaded, place, join((read, result.labels or Labels()))).to_json(),
        reads=scope.reads(texts),
        ms=(time.monotonic_ns() - began) // 1_000_000,
        cpu_us=(fibers.cpu_ns() - cpu) // 1000,
        output=result.data,
        cites=[cite.to_json() for cite in result.cites],
        report=result.report,
    )


def value_event(context: RunContext, path: str, data: JSON, labels: Labels, report: JSON = None) -> StepFinished:
    """Return the event of a value that no layer made."""
    return StepFinished(
        path=path,
        ref=context.ref(data),
        labels=labels.to_json(),
        reads={},
        ms=0,
        cpu_us=0,
        output=data,
        cites=[],
        report=report,
    )


def _review(context: RunContext, path: str, request: ReviewRequest) -> ReviewOpened:
    services = context.services
    due = None if request.due_in is None else services.clock.now() + request.due_in
    return ReviewOpened(
        review=services.ids.new("rev"),
        path=path,
        desk=request.desk,
        shown_hash=digest_json(request.shown),
        why=request.why,
        due=due,
        shown=request.shown,
    )


def _effect(context: RunContext, path: str, request: EffectRequest) -> EffectQueued:
    if context.mode != "live":
        raise StepFailure(Failure.INTERNAL, f"an effect is impossible in mode {context.mode}")
    identity: JSON = {
        "workflow": context.workflow,
        "case": context.effect_scope,
        "path": path,
        "fields": request.identity,
    }
    key = context.services.store.mac(context.tenant, "effect", identity)
    _check_owed(context, key, request.semantics)
    return EffectQueued(
        key=key,
        path=path,
        receiver=request.receiver,
        semantics=request.semantics,
        body_hash=context.ref(request.body),
        request=request.body,
    )


def _check_owed(context: RunContext, key: str, semantics: str) -> None:
    """Refuse an effect that is owed or done already: each has one key, whichever run of the case asks for it.

    Raises:
        StepFailure: RECEIVER_REFUSED when another run of the case asked for it and this one is not its duplicate;
            DELIVERY_UNKNOWN when nobody knows whether a receiver has it that must not get it twice.
    """
    rows = context.services.store.effects(EffectFilter(tenant=context.tenant, key=key))
    if not rows:
        return
    row = rows[0]
    if row.run != context.run and not context.duplicate:
        raise StepFailure(
            Failure.RECEIVER_REFUSED,
            f"run {row.run} of the same case asked for this effect before, it is {row.state}; "
            "a later run says what it is to the first: `--relation supersede` or `--relation duplicate`",
        )
    if row.run == context.run and row.state == "unknown" and semantics == "at_most_once":
        raise StepFailure(
            Failure.DELIVERY_UNKNOWN, "nobody knows whether the receiver has it, and it takes each effect at most once"
        )


def tools_for(
    context: RunContext,
    attempts: Attempts,
    *,
    labels: Labels,
    case: str = "",
    began: int = 0,
    keys: Keys | None = None,
    time_left: Callable[[], int | None] = lambda: None,
) -> Tools:
    """Return the ports of one step of this run.

    Args:
        context: the run.
        attempts: admission of its calls.
        labels: join of the labels of everything that the step reads.
        case: keyed hash of the business case.
        began: when the run was accepted, microseconds since the epoch; 0 for what is no step of a run.
        keys: keys that other runs may have, too; None: there are no other runs.
        time_left: microseconds that the run may still take; None without a limit.
    """
    told = (context.tenant, context.run, context.loaded.release.id)
    return Tools(
        files=_BlobFiles(context),
        attempts=Watched(attempts, context.services, context.loaded.seen, run=told),
        components=context.loaded.component,
        live=lambda component: context.services.ledger.live(context.tenant, component),
        secret=context.services.secret,
        cache=context.loaded.cached,
        labels=labels,
        case=case,
        began=began,
        keys=keys or NoOtherRuns(),
        pause=partial(_pause, context),
        time_left=time_left,
    )


def _pause(context: RunContext, microseconds: int) -> None:
    """Wait, for as long as the run may go on.

    Raises:
        Held: its workflow or tenant was stopped meanwhile.
    """
    until = time.monotonic_ns() + microseconds * 1000
    while (left := until - time.monotonic_ns()) > 0:
        context.services.ledger.check_step(context.tenant, context.workflow)
        fibers.pause(min(left / 1_000_000_000, _LOOK))


def _time_left(began: int, time_left_ms: int | None) -> int | None:
    """Return the microseconds that are left of the run's time; `began` in monotonic nanoseconds."""
    if time_left_ms is None:
        return None
    return max(time_left_ms * 1000 - (time.monotonic_ns() - began) // 1000, 0)


def _keys(context: RunContext, state: State) -> Keys | None:
    """Return the keys of a live run: any other one must not be what a live run is a duplicate of."""
    if context.mode != "live" or state.submitted is None:
        return None
    return RunKeys(context.services, context.tenant, context.run, state)


def _case(state: State) -> str:
    return "" if state.submitted is None else state.submitted.case


def _key(loaded: Loaded, text: str | None, name: str, item: JSON, index: int) -> str:
    if text is None:
        return str(index)
    scope = Scope(loaded=loaded, values={name: Value(data=item, ref="")})
    key = scope.evaluate(text).data
    if isinstance(key, int) and not isinstance(key, bool):
        return str(key)
    if isinstance(key, str) and 0 < len(key) <= _LONGEST_KEY and "\0" not in key:
        return key
    raise StepFailure(
        Failure.INVALID_INPUT,
        f"the key of a map's item must be an integer or a text of 1 to {_LONGEST_KEY} characters without NUL",
    )
