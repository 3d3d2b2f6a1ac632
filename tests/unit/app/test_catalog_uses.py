"""What depends on a model: every kind of step that asks one counts."""

import pytest

from aie.app.catalog_uses import _asked
from aie.config import WorkflowSpec

STEPS = {
    "a": {"model": "desk", "with": {"text": "input.text"}},
    "b": {
        "agent": "reader",
        "prompt": "prompts/a.md",
        "with": {"text": "input.text"},
        "tools": {"sort": {"model": "sorter", "takes": {"text": {"from": ("text",)}}}},
        "returns": "schemas/a.json",
        "limits": {"calls": 3, "cost": "0.10 USD", "time": "5 s"},
    },
    "c": {"map": {"over": "input.lines", "as": "line", "at_most": 5, "steps": {"d": {"model": "lines", "with": {}}}}},
    "e": {"review": "desk", "of": ["a.label"]},
}


@pytest.mark.parametrize(
    ("steps", "names"), [("a", ["desk"]), ("b", ["reader", "sorter"]), ("c", ["lines"]), ("e", [])]
)
def test_whatever_asks_a_model_depends_on_it(steps: str, names: list[str]) -> None:
    """An agent on its own and on those that it may use; a map on what its items ask."""
    spec = WorkflowSpec.model_validate(
        {
            "workflow": "w",
            "owner": "o",
            "case": "input.id",
            "input": "schemas/i.json",
            "output": "schemas/o.json",
            "steps": {steps: STEPS[steps]},
            "result": {},
        }
    )
    assert list(_asked(spec.steps)) == names
