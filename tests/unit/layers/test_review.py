"""The review layer: what a person is shown, and what an answer may be."""

import pytest

from aie.core import Cite, Value, digest_json
from aie.errors import Failure, InputError, StepFailure
from aie.layers import LAYERS, Result, ReviewRequest

CONFIG = {
    "desk": "claims-desk",
    "due_in": 60_000_000,
    "fields": [
        {"name": "label", "of": 0, "part": "", "text": "desk.label"},
        {"name": "amount", "of": 1, "part": "amount", "text": "fields"},
    ],
    "show": ["input.text"],
    "answer": {
        "type": "object",
        "properties": {
            "label": {"type": "string", "enum": ["motor", "home"]},
            "amount": {"type": "string", "format": "money"},
        },
        "required": ["amount", "label"],
        "additionalProperties": False,
    },
}
CITE = Cite(path="/amount", source="doc", start=3, end=11, quote="5.00 USD")


def run(world, task, **more):
    fields = Value(data={"amount": "5.00 USD", "other": 1}, ref="f", cites=(CITE,))
    inputs = {"of__0": "home", "of__1": fields, "show__0": "a letter", "evidence__fields": fields, **more}
    return LAYERS["review"].run(task(CONFIG, **inputs), world.tools())


def asked(world, task):
    made = run(world, task, unless=False, confidence__0="0.41", accepted__0=False)
    assert isinstance(made, ReviewRequest)
    return made


def test_nobody_is_asked_where_unless_holds(world, task):
    """The fields are taken as they are, and the report says that no person saw them."""
    made = run(world, task, unless=True)
    assert made == Result(data={"label": "home", "amount": "5.00 USD"}, report={"auto": True})


@pytest.mark.parametrize("unless", [False, None, "true", 1])
def test_a_person_is_asked_unless_it_is_true(world, task, unless):
    """Truthy is not true: doubt asks."""
    assert isinstance(run(world, task, unless=unless), ReviewRequest)


def test_the_task_shows_values_with_doubt_and_evidence(world, task):
    """All a person needs to decide, digestible so that a decision binds to it."""
    request = asked(world, task)
    assert (request.desk, request.why, request.due_in) == ("claims-desk", "uncertain", 60_000_000)
    label, amount = request.shown["fields"]["label"], request.shown["fields"]["amount"]
    assert (label["value"], label["step"], label["confidence"]) == ("home", "desk", "0.41")
    assert label["why"]
    assert (amount["value"], amount["step"], amount["cites"]) == ("5.00 USD", "fields", [CITE.to_json()])
    assert request.shown["show"] == {"input.text": "a letter"}
    assert request.shown["evidence"] == [{"step": "fields", **CITE.to_json()}]
    assert digest_json(request.shown).startswith("sha256:")


def test_a_desk_that_always_decides_says_so(world, task):
    """Without `unless` doubt is not the reason."""
    assert run(world, task).why == "always"


def resolve(world, task, decision, values=None):
    return LAYERS["review"].resolve(asked(world, task).shown, decision, values).data


def test_an_approval_takes_what_was_shown(world, task):
    """Exactly that."""
    assert resolve(world, task, "approve") == {"label": "home", "amount": "5.00 USD"}


def test_a_correction_replaces_the_fields_it_names(world, task):
    """The others stay."""
    assert resolve(world, task, "correct", {"label": "motor"}) == {"label": "motor", "amount": "5.00 USD"}


def test_a_rejection_is_a_failure_with_a_handler(world, task):
    """Not a value."""
    with pytest.raises(StepFailure) as caught:
        resolve(world, task, "reject")
    assert caught.value.failure is Failure.REVIEW_REJECTED


@pytest.mark.parametrize(
    ("decision", "values", "place"),
    [
        ("correct", {"label": "boat"}, "label"),
        ("correct", {"amount": "5"}, "amount"),
        ("correct", {"amount": None}, "amount"),
        ("correct", {"unknown": 1}, "unknown"),
        ("correct", ["home"], "object"),
        ("correct", {"amount": 5.5}, "float"),
        ("approve", {"label": "motor"}, "approval"),
    ],
)
def test_an_answer_that_may_not_be_names_its_field(world, task, decision, values, place):
    """So that a form can mark it."""
    with pytest.raises(InputError, match=place):
        resolve(world, task, decision, values)


def test_an_escalated_step_needs_a_whole_answer():
    """There is nothing to begin from."""
    shown = {"step": "agrees", "failure": "check_failed", "answer": CONFIG["answer"]}
    layer = LAYERS["review"]
    with pytest.raises(InputError, match="amount"):
        layer.resolve(shown, "correct", {"label": "home"})
    assert layer.resolve(shown, "correct", {"label": "home", "amount": "1.00 EUR"}).data["label"] == "home"
