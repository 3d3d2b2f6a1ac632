"""Which model really answered: an entry of the catalog that answers as another model than before is told of at once.

Providers let a name stand for a newer model without a word. The first answer to a snapshot is what later ones are
compared with, over all runs and processes of a tenant; each change is an event in the stream of the entry.
"""

from collections.abc import Callable, Sequence

from aie.core import JSON, Spend, fibers
from aie.errors import Conflict, Failure
from aie.layers import Attempt, Attempts
from aie.records import Entry, Event, Locked, Store, model_stream
from aie.records.events import ModelResolved
from aie.runs.services import Seen, Services
from aie.runs.sites import append

__all__ = ["Watched", "resolutions"]

Notice = Callable[[str, str, str, str], None]
"""Takes catalog name, snapshot, resolved model and fingerprint."""


def resolutions(store: Store, tenant: str, model: str) -> list[tuple[int, ModelResolved]]:
    """Return what an entry of the catalog resolved to, with the time of each change, oldest first."""
    found = store.read(model_stream(tenant, model), tenant=tenant)
    return [(each.at, each.event) for each in found if isinstance(each.event, ModelResolved)]


class Watched:
    """Attempts of one step whose answers are looked at for who gave them."""

    def __init__(
        self,
        attempts: Attempts,
        services: Services,
        seen: dict[tuple[str, str, str], Seen],
        *,
        run: tuple[str, str, str],
    ) -> None:
        """Watch attempts.

        Args:
            attempts: admission of the calls.
            services: the ports.
            seen: by tenant, catalog name and snapshot what answered last, as far as this process knows.
            run: tenant, run and release.
        """
        self._attempts = attempts
        self._services = services
        self._seen = seen
        self._tenant, self._run, self._release = run

    def knows(self, request: JSON) -> bool:
        """Tell whether the answer of a call is recorded."""
        return self._attempts.knows(request)

    def open(self, *, model: str, request: JSON, worst: Spend, snapshot: str = "", route: str = "") -> Attempt:
        """Open an attempt whose answer is looked at."""
        attempt = self._attempts.open(model=model, request=request, worst=worst, snapshot=snapshot, route=route)
        return _Watched(attempt, lambda resolved, print_: self._notice(model, snapshot, resolved, print_))

    def _notice(self, model: str, snapshot: str, resolved: str, fingerprint: str) -> None:
        if not resolved or self._seen_of(model, snapshot).resolved == resolved:
            return
        while not self._told(model, snapshot, resolved, fingerprint):
            pass

    def _seen_of(self, model: str, snapshot: str) -> Seen:
        return self._seen.get((self._tenant, model, snapshot), Seen())

    def _told(self, model: str, snapshot: str, resolved: str, fingerprint: str) -> bool:
        """Record the change unless another process did; False when the stream moved on meanwhile.

        Only what is new of the stream is read: where a name stands for two models by turns it grows with every turn.
        """
        store, tenant, seen = self._services.store, self._tenant, self._seen_of(model, snapshot)
        news = fibers.blocking(lambda: store.read(model_stream(tenant, model), tenant=tenant, after=seen.n))
        changes = [each.event for each in news if isinstance(each.event, ModelResolved)]
        answered = [each.after for each in changes if each.snapshot == snapshot]
        last = Seen(resolved=answered[-1] if answered else seen.resolved, n=news[-1].n if news else seen.n)
        self._seen[tenant, model, snapshot] = last
        if last.resolved == resolved:
            return True
        event = ModelResolved(
            model=model,
            snapshot=snapshot,
            before=last.resolved,
            after=resolved,
            fingerprint=fingerprint,
            run=self._run,
            release=self._release,
        )

        def decide(locked: Locked) -> Sequence[Event]:
            if locked.last_n != last.n:
                raise Conflict(f"{model} was told of by another process")
            return (event,)

        try:
            entry = Entry(tenant=tenant, stream=model_stream(tenant, model), decide=decide)
            recorded = append(self._services.journal, "resolution", entry)
        except Conflict:
            return False
        self._seen[tenant, model, snapshot] = Seen(resolved=resolved, n=recorded[-1].n)
        return True


class _Watched:
    """One attempt whose answer is looked at."""

    def __init__(self, attempt: Attempt, notice: Callable[[str, str], None]) -> None:
        self._attempt = attempt
        self._notice = notice
        self.recorded: JSON = attempt.recorded
        self.tries = attempt.tries

    def settle(
        self, spend: Spend, *, response: JSON, resolved: str, ms: int, fingerprint: str = "", measured: bool = True
    ) -> None:
        """Record the answer, then who gave it."""
        self._attempt.settle(
            spend, response=response, resolved=resolved, ms=ms, fingerprint=fingerprint, measured=measured
        )
        self._notice(resolved, fingerprint)

    def release(self, failure: Failure, *, ms: int) -> None:
        """Record that the call surely was not billed."""
        self._attempt.release(failure, ms=ms)

    def forfeit(self, failure: Failure, *, ms: int) -> None:
        """Record that the call may have been billed."""
        self._attempt.forfeit(failure, ms=ms)
