"""Docstrings under fields, read when somebody asks."""

from aie.config.documented import documented
from aie.config.spec import Spec


class Desk(Spec):
    """A desk."""

    name: str
    """What it is called,
    in one word."""
    room: int
    size: int = 1
    """In metres."""


class Counter(Desk):
    """A desk with another size, which nobody describes."""

    size: int = 2
    open: bool = True
    """To everybody."""


def test_each_field_has_the_docstring_under_it():
    assert documented(Desk) == {"name": "What it is called,\nin one word.", "size": "In metres."}


def test_what_is_inherited_stays_described_and_what_is_declared_anew_is_not():
    assert documented(Counter) == {"name": "What it is called,\nin one word.", "open": "To everybody."}


def test_the_schema_for_editors_says_the_same():
    keys = Counter.model_json_schema()["properties"]
    assert {name: each.get("description") for name, each in keys.items()} == {
        "name": "What it is called,\nin one word.",
        "room": None,
        "size": None,
        "open": "To everybody.",
    }


def test_a_class_without_source_is_not_described():
    made: dict[str, type[Spec]] = {}
    exec(
        "class Made(Spec):\n    'A class.'\n    name: str\n    'Its name.'\n", {"Spec": Spec, "__name__": "made"}, made
    )
    assert documented(made["Made"]) == {}
