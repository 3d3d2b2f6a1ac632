"""The check layer: what passes, and what a failure may say."""

import json

import pytest

from aie.errors import Failure, StepFailure
from aie.layers import LAYERS

SCHEMA = {
    "type": "object",
    "properties": {
        "amount": {"type": "string", "format": "money"},
        "desk": {"type": "string", "enum": ["motor", "home"]},
    },
    "required": ["amount", "desk"],
    "additionalProperties": False,
}


def check(world, task, config, **inputs):
    return LAYERS["check"].run(task(config, **inputs), world.tools())


def test_rules_that_all_hold_pass(world, task):
    """And the report names what was checked."""
    rules = {"small": "input.n < 10", "known": "input.id != ''"}
    made = check(world, task, {"kind": "rules", "rules": rules}, of={"a": 1}, rules__small=True, rules__known=True)
    assert made.data == {"passed": True, "outcome": "pass", "failed": []}
    assert made.report == {"checked": rules}


def test_rules_that_do_not_hold_are_named(world, task):
    """Names only: the value may be personal."""
    with pytest.raises(StepFailure) as caught:
        check(
            world, task, {"kind": "rules"}, of={"name": "Ann"}, rules__small=True, rules__known=False, rules__odd=False
        )
    assert caught.value.failure is Failure.CHECK_FAILED
    assert [each["rule"] for each in caught.value.fields["failed"]] == ["known", "odd"]
    assert "Ann" not in str(caught.value) + str(caught.value.fields)


@pytest.mark.parametrize("value", [None, 1, "true", {}])
def test_a_rule_that_is_not_true_does_not_hold(world, task, value):
    """Truthy is not true."""
    with pytest.raises(StepFailure):
        check(world, task, {"kind": "rules"}, of=1, rules__odd=value)


def test_a_value_of_its_schema_passes(world, task):
    """The schema comes from the release."""
    world.components["schema:s"] = json.dumps(SCHEMA).encode()
    made = check(world, task, {"kind": "schema", "schema": "schema:s"}, of={"amount": "5.00 USD", "desk": "home"})
    assert made.data["passed"] is True


def test_a_value_of_another_shape_names_the_places(world, task):
    """Every place at once, never the value."""
    world.components["schema:s"] = json.dumps(SCHEMA).encode()
    with pytest.raises(StepFailure) as caught:
        check(world, task, {"kind": "schema", "schema": "schema:s"}, of={"desk": "secret", "extra": 1})
    assert [each["rule"] for each in caught.value.fields["failed"]] == ["/amount", "/desk", "/extra"]
    assert "secret" not in str(caught.value) + str(caught.value.fields)
