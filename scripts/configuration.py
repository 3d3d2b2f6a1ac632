"""The reference of the files that people write, from their types: every key, its form, default and meaning."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from aie.config import json_schemas

__all__ = ["configuration_page", "undocumented"]

_HEAD: Final = """<!-- Written by `make docs` from the code; edits here are lost. -->

# Configuration

Every key of every file that people write. Unknown keys are refused, and all mistakes are told at once with their places
(`aie check`). Editors complete and check with the JSON Schemas that `aie schema FILE` prints.

Forms: durations `60 s`, `5 min`, `2 days`, at most 36500 days; amounts `0.10 USD`, from nothing to 9000000000.00 USD;
shares `2%`; expressions are CEL; names are lower case. A handler is `fail`, `dead_letter`, `retry N`, `escalate DESK`,
`retry N then …` or `{default: value}`. Secrets are references `env:NAME`, never values.
"""
_TITLES: Final = {
    "aie.yaml": "The workspace: where runs are stored, who decides, where results go.",
    "models.yaml": "The models that steps may name.",
    "workflow.yaml": "One workflow: `workflows/NAME/workflow.yaml`.",
    "datasets.yaml": "Datasets of a workflow, beside its file; the same may stand under `datasets` there.",
}
_UNITS: Final = ((86_400_000_000, "days"), (3_600_000_000, "h"), (60_000_000, "min"), (1_000_000, "s"), (1_000, "ms"))

_HANDLER: Final = "What happens when the step fails"
"""How a handler is described: `retry 3 then escalate DESK` and its like."""

_PATTERNS: Final = (
    ("^https?", "URL or `env:NAME`"),
    ("days?", "duration"),
    (" ?%", "share"),
    (" USD", "amount"),
    ("^env:", "`env:NAME`"),
)
"""What is meant by a pattern, by a mark in it."""

Schema = Mapping[str, Any]


def configuration_page() -> str:
    """Return the page."""
    parts, told = [_HEAD], set[str]()
    schemas = json_schemas()
    for file, about in _TITLES.items():
        parts.append(f"## {file}\n\n{about}\n\n{_table(schemas[file])}")
        for name, kind in _reached(schemas[file]):
            if name not in told and "properties" in kind:
                told.add(name)
                parts.append(f"### {_heading(name)}\n\n{_line(kind.get('description', ''))}\n\n{_table(kind)}")
    return "\n".join(parts)


def undocumented() -> list[str]:
    """Return every key that says nothing about itself."""
    found = []
    for file, schema in json_schemas().items():
        for name, kind in ((file, schema), *_reached(schema)):
            found += [
                f"{name}.{key}" for key, each in kind.get("properties", {}).items() if not each.get("description")
            ]
    return sorted(set(found))


def _reached(schema: Schema) -> Iterator[tuple[str, Schema]]:
    """Yield the definitions of a schema in the order in which a reader meets them."""
    known, waiting = set[str](), list(_names(schema.get("properties", {})))
    while waiting:
        name = waiting.pop(0)
        if name not in known:
            known.add(name)
            kind = schema["$defs"][name]
            yield name, kind
            waiting = [*_names(kind), *waiting]


def _names(part: object) -> Iterator[str]:
    """Yield the names that a part of a schema refers to."""
    if isinstance(part, dict):
        for key, value in part.items():
            if key == "$ref":
                yield value.removeprefix("#/$defs/")
            elif key != "discriminator":
                yield from _names(value)
    elif isinstance(part, list):
        for each in part:
            yield from _names(each)


def _table(schema: Schema) -> str:
    required = schema.get("required", [])
    rows = [
        f"| `{key}` | {_form(each)} | {'**required**' if key in required else _default(each)} | "
        f"{_line(each.get('description', ''))} |"
        for key, each in schema.get("properties", {}).items()
    ]
    return "| Key | Form | Default | Meaning |\n|---|---|---|---|\n" + "\n".join(rows) + "\n"


def _form(schema: Schema) -> str:
    """Return what may be written, in a few words."""
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return f"[{_heading(name)}](#{_heading(name).replace(' ', '-')})"
    if schema.get("description") == _HANDLER:
        return "handler"
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{each}`" for each in schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            forms = dict.fromkeys(_form(each) for each in schema[several] if each.get("type") != "null")
            return " or ".join(forms)
    return _plain(schema)


def _plain(schema: Schema) -> str:
    kind = schema.get("type")
    pattern = str(schema.get("pattern", ""))
    if kind == "array":
        return f"list of {_form(schema['items'])}"
    if kind == "object":
        values = schema.get("additionalProperties") or next(iter(schema.get("patternProperties", {}).values()), None)
        return f"by name: {_form(values)}" if isinstance(values, dict) else "an object"
    for mark, word in _PATTERNS:
        if mark in pattern:
            return word
    if isinstance(kind, list):
        described = schema.get("description", "")
        return "expression" if "boolean" in kind else "decimal" if "number" in kind else _line(described or "text")
    return {"string": "text", "boolean": "`true`, `false`", "integer": "whole number", None: "anything"}[kind]


def _default(schema: Schema) -> str:
    value = schema.get("default")
    if "$ref" in schema and "default" not in schema:
        return "see there"
    if value is None or value in ([], {}, ""):
        return "none"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int) and _form(schema) == "duration":
        unit, word = next((unit, word) for unit, word in _UNITS if value % unit == 0)
        return f"`{value // unit} {word}`"
    if isinstance(value, list):
        return f"`[{', '.join(map(str, value))}]`"
    return "see there" if isinstance(value, dict) else f"`{value}`"


def _heading(name: str) -> str:
    """Return the words of a class name: `FileReceiver` is "file receiver"."""
    return "".join(f" {each.lower()}" if each.isupper() else each for each in name).strip().removesuffix(" spec")


def _line(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
