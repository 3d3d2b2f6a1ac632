"""Budgets and kill switches above runs, as this process sees them: what a call draws on, and what must not begin.

The row of a slab is the judge: an intent and its reservation are one transaction of the journal, on rows that only this
executor writes to. Here is remembered which slabs are ours; a slab that is short is filled again under the lock of its
window.
"""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from aie.core import JSON, Clock, Spend, fibers
from aie.errors import Denied, Failure, Held, LimitReached, StepFailure
from aie.models import (
    LOCAL_COMPONENTS,
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
from aie.records import BudgetRow, SlabRow, StopRow, Store, drawn, locked_windows, set_budgets, stops
from aie.runs.gate import Gate

__all__ = ["BudgetLedger", "Controls", "Draws"]

_MODELS: Final = LOCAL_COMPONENTS | {"model", "route"}
"""Kinds of live facts that a model has, by how a step names it."""
_ENDLESS: Final = 2**63
_FILLS: Final = 60
"""Times that slabs are filled for one call, over about three seconds, before its step waits durably."""
_FRESH: Final = 300_000
"""Microseconds for which what was read of stops and set budgets is taken for what holds now."""


class Controls:
    """What people set above runs, read again when it is older than a third of a second."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._lock = threading.Lock()
        self._until = -1
        self._budgets: dict[tuple[str, str, str], BudgetRow] = {}
        self._stops: dict[tuple[str, str, str], StopRow] = {}
        self._models: dict[str, StopRow] = {}

    def stop(self, tenant: str, kind: str, name: str) -> StopRow | None:
        """Return the kill switch that is thrown for a `model`, `workflow` or `tenant`, or None.

        A model that one tenant stopped is stopped for all: what is wrong with it is wrong for everybody.
        """
        self._read()
        return self._models.get(name) if kind == "model" else self._stops.get((tenant, kind, name))

    def stop_above(self, tenant: str, workflow: str) -> StopRow | None:
        """Return the kill switch that keeps a workflow from going on: its tenant's or its own, or None."""
        self._read()
        return self._stops.get((tenant, "tenant", tenant)) or self._stops.get((tenant, "workflow", workflow))

    def stopped(self) -> list[tuple[str, str]]:
        """Return (tenant, workflow) of everything that must not begin; an empty workflow stands for all."""
        self._read()
        return [
            (tenant, name if kind == "workflow" else "")
            for tenant, kind, name in self._stops
            if kind in {"workflow", "tenant"}
        ]

    def workflows(self, tenant: str) -> set[str]:
        """Return the workflows for which a budget was set."""
        self._read()
        return {row.name for row in self._budgets.values() if row.tenant == tenant and row.scope == "workflow"}

    def budget(self, tenant: str, scope: str, name: str) -> BudgetRow | None:
        """Return the budget that was set over the declared one, or None."""
        self._read()
        found = self._budgets.get((tenant, scope, name))
        return found if found is not None and found.per else None

    def forget(self) -> None:
        """Read again at the next question."""
        self._until = -1

    def _read(self) -> None:
        now = self._clock.monotonic()
        if now < self._until:
            return
        with self._lock:
            if now < self._until:
                return
            self._budgets = {(row.tenant, row.scope, row.name): row for row in set_budgets(self._store)}
            self._stops = {(row.tenant, row.kind, row.name): row for row in stops(self._store)}
            self._models = {row.name: row for row in self._stops.values() if row.kind == "model"}
            self._until = now + _FRESH


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    """Budgets of a workflow with their windows, and what they were made from."""

    declared: Mapping[str, JSON]
    rows: tuple[BudgetRow | None, BudgetRow | None]
    since: int
    until: int
    """Microseconds since the epoch between which the windows are the open ones."""
    windows: Sequence[tuple[Budget, Window]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """What a call is to be reserved on."""

    slabs: dict[str, str]
    """By window; none where no budget is set."""
    filled: tuple[int, ...] = ()
    """How often this executor had filled its slab of each window."""


class BudgetLedger:
    """Admission above the run, for one executor."""

    def __init__(
        self, store: Store, clock: Clock, executor: str, declared: Callable[[str], Mapping[str, JSON]], gate: Gate
    ) -> None:
        """Open the ledger.

        Args:
            store: the records.
            clock: the clock.
            executor: id under which slabs are leased.
            declared: live facts; `declared("budgets:")` returns those of `aie.yaml`.
            gate: knows what room the rates of models leave, and whose circuit breaker is open.
        """
        self._gate = gate
        self._store = store
        self._clock = clock
        self._executor = executor
        self._declared = declared
        self._ours: dict[str, tuple[str, Budget]] = {}
        """Slab by window, and the budget that it was leased under."""
        self._fills: Counter[str] = Counter()
        """How often our slab was filled, by window."""
        self._leasing = threading.Lock()
        self._opened: dict[tuple[str, str], _Opened] = {}
        """By tenant and workflow: the windows that calls drew on last."""
        self.controls = Controls(store, clock)

    # ------------------------------------------------------------ kill switches

    def is_stopped(self, tenant: str, workflow: str) -> bool:
        """Whether nothing of a workflow may begin."""
        return self._stopped(tenant, workflow) is not None

    def check_begin(self, tenant: str, workflow: str) -> None:
        """Let a new run pass.

        Raises:
            Denied: its workflow or tenant was stopped.
        """
        found = self._stopped(tenant, workflow)
        if found is not None:
            raise Denied(_stop_text(found), hints=(f"aie resume {found.kind} {found.name} --reason TEXT",))

    def check_step(self, tenant: str, workflow: str) -> None:
        """Let a step begin, or one of its calls leave.

        Raises:
            Held: its workflow or tenant was stopped.
        """
        found = self._stopped(tenant, workflow)
        if found is not None:
            raise Held(_stop_text(found), on=f"stop:{found.kind}:{found.name}")

    def check_model(self, tenant: str, model: str) -> None:
        """Let a call of a model pass.

        Raises:
            StepFailure: MODEL_RETIRED: it was stopped, or blocked after it billed more than was reserved.
        """
        found = self.controls.stop(tenant, "model", model)
        if found is not None:
            raise StepFailure(
                Failure.MODEL_RETIRED,
                _stop_text(found),
                hints=(f"aie resume model {model} --reason TEXT",),
                stopped=model,
            )

    def live(self, tenant: str, component: str) -> Mapping[str, JSON]:
        """Return the live facts of a component.

        Those of a model that was stopped say so under `blocked`, of one whose circuit breaker is open under `circuit`.
        """
        facts = self._gate.told(component, self._declared(component))
        kind, _, name = component.partition(":")
        found = self.controls.stop(tenant, "model", name) if kind in _MODELS else None
        return facts if found is None else {**facts, "blocked": _stop_text(found)}

    def _stopped(self, tenant: str, workflow: str) -> StopRow | None:
        return self.controls.stop_above(tenant, workflow)

    # ------------------------------------------------------------ budgets

    def budgets(self, tenant: str, workflow: str) -> list[Budget]:
        """Return the budgets that a call of a workflow draws on, as they apply now: the workflow's, the tenant's."""
        found = (self.budget(tenant, "workflow", workflow), self.budget(tenant, "tenant", tenant))
        return [each for each in found if each is not None]

    def budget(self, tenant: str, scope: str, name: str) -> Budget | None:
        """Return a budget as it applies now: the one that was set, else the declared one."""
        row = self.controls.budget(tenant, scope, name)
        if row is not None:
            written: Mapping[str, Any] = {
                "cost": row.cost,
                "tokens": row.tokens,
                "per": row.per,
                "on_exhausted": row.on_exhausted,
            }
            return Budget(tenant=tenant, scope=scope, name=name, origin="set", **written)  # type: ignore[arg-type]
        return self.declared(tenant, scope, name)

    def declared(self, tenant: str, scope: str, name: str) -> Budget | None:
        """Return a budget as `aie.yaml` declares it, whatever was set over it."""
        facts = cast("Mapping[str, Any]", self._declared("budgets:"))
        declared = facts.get("tenant") if scope == "tenant" else facts.get("workflows", {}).get(name)
        return None if declared is None else Budget(tenant=tenant, scope=scope, name=name, **declared)  # type: ignore[arg-type]

    def workflows(self, tenant: str) -> list[str]:
        """Return the workflows for which a budget is declared or was set, in the order of their names."""
        facts = cast("Mapping[str, Any]", self._declared("budgets:"))
        return sorted({*facts.get("workflows", {}), *self.controls.workflows(tenant)})

    def draws(self, tenant: str, workflow: str, worst: Spend, *, tries: int = 0, short: Draws | None = None) -> Draws:
        """Return the slabs that a call is to be reserved on.

        Args:
            tenant: whose call.
            workflow: of the run.
            worst: the most that the call can use.
            tries: how often its reservation did not fit into our slabs.
            short: what it did not fit into last: that is filled again, unless another call had it filled since.

        Raises:
            LimitReached: a budget is exhausted, and says `fail` or `degrade`.
            Held: a budget is exhausted, and says `wait`; or others took whatever our slabs were filled with.
        """
        wanted = self._windows(tenant, workflow)
        if not wanted:
            return Draws(slabs={})
        if tries > _FILLS:
            why = f"others took what was free of the budget {tries} times, while the call waited for its reservation"
            raise Held(why, on=wanted[0][1].id, cost=worst.cost, tokens=worst.tokens)
        if self._is_short(wanted, short):
            refused = fibers.blocking(lambda: self._lease(tenant, wanted, worst, short))
            if refused is not None:
                raise _told(refused, wanted[0][0])
        slabs = {window.id: self._ours[window.id][0] for _, window in wanted}
        return Draws(slabs=slabs, filled=self._filled(wanted))

    def _is_short(self, wanted: Sequence[tuple[Budget, Window]], short: Draws | None) -> bool:
        """Tell whether slabs must be filled: one is not ours yet, or nobody has filled those that were short."""
        if any(self._ours.get(window.id, ("", None))[1] != budget for budget, window in wanted):
            return True
        return short is not None and short.filled == self._filled(wanted)

    def _filled(self, wanted: Sequence[tuple[Budget, Window]]) -> tuple[int, ...]:
        return tuple(self._fills[window.id] for _, window in wanted)

    def _windows(self, tenant: str, workflow: str) -> Sequence[tuple[Budget, Window]]:
        """Return the budgets of a workflow with their windows of now: the same as before, until one of them changes."""
        now, declared = self._clock.now(), self._declared("budgets:")
        rows = (self.controls.budget(tenant, "workflow", workflow), self.controls.budget(tenant, "tenant", tenant))
        known = self._opened.get((tenant, workflow))
        if known is not None and known.declared is declared and known.rows == rows and known.since <= now < known.until:
            return known.windows
        windows = [(each, open_window(each, now)) for each in self.budgets(tenant, workflow)]
        until = min((window.ends for _, window in windows if window.ends is not None), default=_ENDLESS)
        self._opened[tenant, workflow] = _Opened(
            declared=declared, rows=rows, since=now, until=until, windows=tuple(windows)
        )
        return windows

    def _lease(
        self, tenant: str, wanted: Sequence[tuple[Budget, Window]], worst: Spend, short: Draws | None
    ) -> Exhausted | None:
        """Fill our slab of each window, or of none; the first budget that refuses is told, from the run upwards."""
        with self._leasing:
            if not self._is_short(wanted, short):
                return None  # whoever came first filled them
            return self._fill(tenant, wanted, worst)

    def _fill(self, tenant: str, wanted: Sequence[tuple[Budget, Window]], worst: Spend) -> Exhausted | None:
        windows = [window.id for _, window in wanted]
        with locked_windows(self._store, tenant, windows) as shares:
            leased: list[tuple[str, str, Mapping[str, Spend]]] = []
            for budget, window in wanted:
                rows = [row for row in shares.slabs if row.window == window.id]
                mine = _mine(rows, window.id, self._executor)
                granted = share_out(budget, window, [slab_of(row) for row in rows], mine, worst)
                if isinstance(granted, Exhausted):
                    return granted
                leased.append((window.id, mine, granted))
            holders = {row.id: row.executor for row in shares.slabs}
            for window_id, mine, granted in leased:
                for slab, amount in granted.items():
                    holder = self._executor if slab == mine else holders[slab]
                    shares.grant(tenant, window_id, slab, holder, amount)
        for (budget, window), (_, mine, _) in zip(wanted, leased, strict=True):
            self._ours[window.id] = (mine, budget)
            self._fills[window.id] += 1
        return None

    # ------------------------------------------------------------ who waits

    def free(self, budget: Budget, window: Window) -> Spend:
        """Return what is neither spent nor forfeited nor reserved; a dimension without a cap is as good as endless."""
        used = taken([slab_of(row) for row in drawn(self._store, [window.id])])
        cost = (2**53 if budget.cost is None else budget.cost) - used.cost
        tokens = (2**53 if budget.tokens is None else budget.tokens) - used.tokens
        return Spend(cost=cost, tokens=tokens)

    def freed(self, tenant: str, waits: Sequence[Mapping[str, Any]], room: dict[str, Spend]) -> bool:
        """Tell whether one of these waits of a run (as in `run.waiting`) may be over; what it needs leaves `room`.

        Args:
            tenant: of the run.
            waits: what its held steps wait for.
            room: what is free by window, shared by the runs that are looked at together; filled here.
        """
        return any(self._is_over(tenant, each, room) for each in waits)

    def _is_over(self, tenant: str, wait: Mapping[str, Any], room: dict[str, Spend]) -> bool:
        on = str(wait["on"])
        if 0 < wait.get("until", 0) <= self._clock.now():
            return True
        if on.startswith("stop:"):
            _, kind, name = on.split(":", 2)
            return self.controls.stop(tenant, kind, name) is None
        if on.startswith("until:"):
            return self._clock.now() >= int(on.removeprefix("until:"))
        if on.startswith(("rate:", "breaker:")):
            return self._has_turn(on, wait, room)
        _, scope, name, *_ = window_named(on)
        budget = self.budget(tenant, scope, name)
        if budget is None:
            return True
        window = open_window(budget, self._clock.now())
        left = room[window.id] if window.id in room else self.free(budget, window)
        needed = Spend(cost=wait["cost"], tokens=wait["tokens"])
        fits = left.cost >= needed.cost and left.tokens >= needed.tokens
        room[window.id] = left - needed if fits else left
        return fits

    def _has_turn(self, on: str, wait: Mapping[str, Any], room: dict[str, Spend]) -> bool:
        """Tell whether a model takes one more call; of many runs that wait for it only so many go on at a time."""
        left = room[on] if on in room else self._room(*on.split(":", 1))
        fits = left.calls >= 1 and left.tokens >= wait["tokens"]
        room[on] = left - Spend(tokens=wait["tokens"], calls=1) if fits else left
        return fits

    def _room(self, what: str, model: str) -> Spend:
        if what == "rate":
            return self._gate.room(model)
        return Spend(tokens=_ENDLESS, calls=self._gate.tries(model))


def slab_of(row: SlabRow) -> Slab:
    """Return the row in the words of the arithmetic."""
    return Slab(
        id=row.id,
        granted=row.granted,
        reserved=row.reserved,
        spent=row.spent,
        forfeited=row.forfeited,
        overrun=row.overrun,
    )


def _mine(rows: Sequence[SlabRow], window: str, executor: str) -> str:
    """Return our slab of a window, else one whose executor is dead, else a new one."""
    ours = [row.id for row in rows if row.executor == executor]
    left = [row.id for row in rows if not row.live]
    return (ours or left or [f"{window}#{len(rows) + 1}"])[0]


def _told(refused: Exhausted, nearest: Budget) -> LimitReached | Held:
    """Return what a refusal raises: the budget nearest to the run says what becomes of the call."""
    choice, needed = nearest.on_exhausted, refused.needed
    if choice == "wait" and not refused.hopeless:
        return Held(explained(refused), on=refused.window.id, cost=needed.cost, tokens=needed.tokens)
    return LimitReached(
        explained(refused),
        limit=f"{refused.budget.scope} {refused.limit}",
        free=getattr(refused.free, refused.limit),
        needed=getattr(needed, refused.limit),
        on_exhausted="fail" if choice == "wait" else choice,
    )


def _stop_text(stop: StopRow) -> str:
    return f"{stop.kind} {stop.name} was stopped by {stop.actor}: {stop.reason}"
