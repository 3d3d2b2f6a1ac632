"""`budgets:` of `aie.yaml`."""

from pathlib import Path

import pytest

from aie.config import load_settings
from aie.errors import ConfigError


def settings(folder: Path, budgets: str):
    """Return the budgets of a file."""
    (folder / "aie.yaml").write_text(f"budgets:\n{budgets}")
    return load_settings(folder).budgets


def test_a_tenant_and_its_workflows_have_caps(tmp_path: Path) -> None:
    """Money as an amount, tokens as a number; a budget is for ever and fails unless it says otherwise."""
    read = settings(
        tmp_path,
        "  tenant: {cost: 20.00 USD, per: day, on_exhausted: wait}\n  workflows:\n    claims: {tokens: 2000000}\n",
    )
    assert read.tenant is not None
    assert (read.tenant.cost, read.tenant.per, read.tenant.on_exhausted) == (20_000_000, "day", "wait")
    claims = read.workflows["claims"]
    assert (claims.cost, claims.tokens, claims.per, claims.on_exhausted) == (None, 2_000_000, "total", "fail")


@pytest.mark.parametrize(
    "budgets",
    [
        "  tenant: {per: day}\n",
        "  tenant: {cost: 20.00 EUR}\n",
        "  tenant: {cost: 20.00 USD, per: week}\n",
        "  tenant: {cost: 20.00 USD, on_exhausted: ask}\n",
        "  workflows: {claims: {cost: 1.00 USD, each: day}}\n",
        "  tenant: {cost: -5.00 USD}\n",
        "  tenant: {cost: 9000000000.01 USD}\n",
    ],
)
def test_a_budget_that_bounds_nothing_or_says_something_else_is_refused(tmp_path: Path, budgets: str) -> None:
    """With its place in the file."""
    with pytest.raises(ConfigError) as raised:
        settings(tmp_path, budgets)
    assert raised.value.problems[0].file == "aie.yaml"
