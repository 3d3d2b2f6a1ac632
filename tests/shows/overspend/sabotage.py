"""The negative control: admission as it is done in the field, patched into every process from the outside."""

from aie.core import Spend
from aie.errors import LimitReached
from aie.models import open_window
from aie.records import drawn
from aie.runs import ledger, recording

__all__ = ["check_then_increment"]


def check_then_increment() -> None:
    """Compare what was spent so far with the cap, and count a call once it is answered: nothing is reserved."""

    def draws(self: ledger.BudgetLedger, tenant: str, workflow: str, worst: Spend, **_: object) -> ledger.Draws:
        found = {}
        for budget in self.budgets(tenant, workflow):
            window = open_window(budget, self._clock.now())
            rows = drawn(self._store, [window.id])
            free = (budget.cost or 0) - sum(row.spent.cost + row.forfeited.cost for row in rows)
            if free < worst.cost:
                raise LimitReached("exhausted", limit=f"{budget.scope} cost", free=free, needed=worst.cost)
            found[window.id] = f"{window.id}#{self._executor}"
        return ledger.Draws(slabs=found)

    ledger.BudgetLedger.draws = draws  # type: ignore[method-assign]
    vars(recording)["fits"] = lambda _locked, _event: True
