"""The calls of a trial: made for one step without a run, drawn on the budgets of its workflow and tenant like a run's.

What is recorded of them is that they were made and what they cost, in a stream of the trial's own; not the answers.
"""

import threading
import time
from dataclasses import replace

from aie.core import JSON, Limits, Spend
from aie.errors import Failure, Held, StepFailure
from aie.layers import Attempt
from aie.records import Entry, Event, trial_stream
from aie.records.events import AttemptIntended, AttemptSettled
from aie.runs.attempts import StepAttempts
from aie.runs.drawing import block, catalog_name, drawn_on, fits, pause_after
from aie.runs.gate import Pass
from aie.runs.heart import admit
from aie.runs.services import Services
from aie.runs.sites import append
from aie.runs.state import State

__all__ = ["TrialCalls"]


class TrialCalls:
    """Admission of a trial's calls: the hard limits of its workflow, budgets, rates and kill switches.

    A trial does not wait: where the step of a run would, its call is refused. One that dies with a call under way
    leaves its reservation taken, as nobody knows whether the call was billed.
    """

    def __init__(self, services: Services, tenant: str, workflow: str, path: str, limits: Limits) -> None:
        """Open a trial.

        Args:
            services: the ports.
            tenant: who pays.
            workflow: whose step is tried.
            path: of the step.
            limits: of one run of the workflow.
        """
        self._services = services
        self._tenant = tenant
        self._workflow = workflow
        self._limits = limits
        self._stream = trial_stream(tenant, services.ids.new("trial"))
        self._lock = threading.Lock()
        self._reserved = Spend()
        self._under_way: dict[str, tuple[str, Spend]] = {}
        """Catalog name and reservation of each call that is not settled."""
        self._calls = StepAttempts(self, State(), path, lambda request: services.store.ref(tenant, request))
        self.spent = Spend()
        """What was settled or forfeited so far."""

    def knows(self, request: JSON) -> bool:
        """Tell whether the answer of a call is recorded: a trial records none."""
        return self._calls.knows(request)

    def open(self, *, model: str, request: JSON, worst: Spend, snapshot: str = "", route: str = "") -> Attempt:
        """Reserve the worst case and make the intent durable, then return.

        Raises:
            LimitReached: the reservation does not fit a run's limits, or a budget.
            StepFailure: the model, the workflow or the tenant was stopped, there is no room, or a run would wait.
        """
        try:
            return self._calls.open(model=model, request=request, worst=worst, snapshot=snapshot, route=route)
        except Held as held:
            failure = Failure.NOT_PERMITTED if held.on.startswith("stop:") else Failure.LIMIT_REACHED
            raise StepFailure(failure, f"{held.why}; a trial does not wait") from None

    # ------------------------------------------------------------ the `Ledger` of its attempts

    def enter(self, model: str, worst: Spend) -> Pass:
        """Wait a moment for a call's turn."""
        name = catalog_name(model)
        return self._services.gate.enter(name, worst, lambda: self._check(name))

    def intend(self, event: AttemptIntended) -> AttemptIntended:
        """Admit and journal an intent."""
        worst, tries, draws = Spend.from_json(event.worst), 0, None
        with self._lock:
            refused = admit(self._limits, State(spent=self.spent, reserved=self._reserved), worst)
            if refused is not None:
                raise refused
            self._reserved += worst
        try:
            while True:
                self._check(catalog_name(event.model))
                ledger = self._services.ledger
                draws = ledger.draws(self._tenant, self._workflow, worst, tries=tries, short=draws)
                drawing = replace(event, draws=draws.slabs)
                if self._append(drawing):
                    self._under_way[event.attempt] = catalog_name(event.model), worst
                    return drawing
                tries += 1
                time.sleep(pause_after(tries))
        except BaseException:
            with self._lock:
                self._reserved -= worst
            raise

    def settle(self, event: AttemptSettled) -> None:
        """Journal what a call cost, and stop a model that billed more than it may."""
        model, worst = self._under_way.pop(event.attempt)
        try:
            if event.overrun:
                block(self._services, self._tenant, "a trial", model, event)
        finally:
            self._append(replace(event, response=None))
            with self._lock:
                self._reserved -= worst
                self.spent += Spend.from_json(event.spend)

    def _check(self, model: str) -> None:
        self._services.ledger.check_step(self._tenant, self._workflow)
        self._services.ledger.check_model(self._tenant, model)

    def _append(self, event: Event) -> bool:
        """Append an event; False for an intent that does not fit into its slabs."""
        intended = event if isinstance(event, AttemptIntended) else None
        entry = Entry(
            tenant=self._tenant,
            stream=self._stream,
            decide=lambda locked: [event] if intended is None or fits(locked, intended) else [],
            slabs=drawn_on([event]),
        )
        return bool(append(self._services.journal, "flush", entry))
