"""From a `lookup` step and its entry in `aie.yaml` to what a release pins of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import assert_never, cast

from aie.config import (
    BoolType,
    HttpLookup,
    ListType,
    Lookup,
    LookupStep,
    NullType,
    ObjectType,
    SchemaError,
    Settings,
    Site,
    SqlLookup,
    TableLookup,
    TextType,
    Type,
    nullable,
    read_schema,
    type_of,
)
from aie.core import JSON, canonical
from aie.errors import Failure
from aie.layers.clearance import clearance_facts
from aie.layers.lookup.rows import BadTable, Loader
from aie.layers.port import Compiled, Component

__all__ = ["compile_lookup", "lookup_facts"]


def lookup_facts(name: str, settings: Settings, root: Path) -> dict[str, JSON]:
    """Return what is not pinned of a lookup: where it is and how to reach it, as the settings say now."""
    lookup = settings.lookups[name]
    allow: JSON = list(settings.network.allow)
    match lookup:
        case TableLookup():
            return {"file": str(root.resolve() / lookup.file)}
        case HttpLookup():
            away: dict[str, JSON] = {"clearance": clearance_facts(lookup.clearance), "allow": allow}
            return {**away, "url": lookup.url, "headers": dict(lookup.headers), "timeout": lookup.timeout}
        case SqlLookup():
            away = {"clearance": clearance_facts(lookup.clearance), "allow": allow}
            return {**away, "url": lookup.url, "root": str(root.resolve()), "timeout": lookup.timeout}
        case _:
            assert_never(lookup)


def compile_lookup(step: LookupStep, site: Site) -> Compiled | None:
    """Compile a `lookup` step."""
    lookup = site.workspace.settings.lookups.get(step.lookup)
    given = {name: site.expression(f"by.{name}", text) for name, text in step.by.items()}
    if lookup is None:
        site.unknown("lookup", step.lookup, site.workspace.settings.lookups, "lookup")
        return None
    asks_right = _asks_right(step, lookup, given, site)
    # What is wrong with the entry itself is told where it is written.
    there = site.inside(site.workspace.sources["aie.yaml"])
    schema = _schema(step.lookup, lookup, there)
    components = None if schema is None else _components(step.lookup, lookup, schema[0], there)
    if schema is None or components is None or not asks_right:
        return None
    pinned = {each.kind for each in components}
    return Compiled(
        conduct="slow",  # it changes nothing and costs nothing that a limit counts, but tomorrow's answer differs
        inputs={f"by.{name}": text for name, text in step.by.items()},
        config={
            "lookup": f"lookup:{step.lookup}",
            "row": f"row:{step.lookup}",
            "table": f"table:{step.lookup}" if "table" in pinned else None,
            "fixtures": f"fixtures:{step.lookup}" if "fixtures" in pinned else None,
            "missing": step.missing,
        },
        components=components,
        output=_output(schema[1], step),
        failures=_failures(step, lookup, guarded=site.is_labelled),
    )


def _asks_right(step: LookupStep, lookup: Lookup, given: Mapping[str, Type | None], site: Site) -> bool:
    right = None not in given.values()
    for name, type_ in given.items():
        if name not in lookup.by:
            site.unknown(f"by.{name}", name, lookup.by, "parameter")
            right = False
        elif isinstance(type_, ObjectType | ListType | NullType):
            site.problem("bad-type", f"by.{name}", f"a plain value expected, this is {type_}", "name one field")
            right = False
    missing = [name for name in lookup.by if name not in step.by]
    if missing:
        site.problem("missing-key", "by", f"`{step.lookup}` is asked by `{missing[0]}`, too", f"add {missing[0]}: …")
    return right and not missing


def _schema(name: str, lookup: Lookup, site: Site) -> tuple[bytes, ObjectType] | None:
    key = f"lookups.{name}.row"
    content = site.file(key, lookup.row, base="workspace")
    if content is None:
        return None
    try:
        found = type_of(read_schema(content))
    except SchemaError as error:
        site.problem("bad-schema", key, f"`{lookup.row}`: {error.message}", error.hint)
        return None
    if not isinstance(found, ObjectType) or not found.fields:
        site.problem("bad-schema", key, f"`{lookup.row}` describes no row", "an object with properties")
        return None
    if _is_pinned(lookup) and lookup.freshness is not None and lookup.as_of is None:
        hint = "name the field that says since when a row holds with `as_of`, or say `read: run`"
        site.problem("bad-value", f"lookups.{name}.freshness", "the release has the table: nothing says its age", hint)
        return None
    if lookup.as_of is not None and lookup.as_of not in found.fields:
        site.unknown(f"lookups.{name}.as_of", lookup.as_of, found.fields, "field")
        return None
    return content, found


def _components(name: str, lookup: Lookup, schema: bytes, site: Site) -> tuple[Component, ...] | None:
    live = lookup_facts(name, site.workspace.settings, site.workspace.root)
    made = [
        Component(kind="lookup", name=name, content=canonical(_pinned(lookup)), live=live),
        Component(kind="row", name=name, content=schema),
    ]
    files = {}
    if isinstance(lookup, TableLookup) and _is_pinned(lookup):
        files["table"] = ("file", lookup.file, _form(lookup))
    if lookup.fixtures is not None:
        files["fixtures"] = ("fixtures", lookup.fixtures, "fixtures")
    for kind, (key, path, form) in files.items():
        content = site.file(f"lookups.{name}.{key}", path, base="workspace")
        if content is None:
            return None
        try:
            Loader(form=form, by=lookup.by, schema=schema)(content)
        except BadTable as error:
            site.problem("bad-table", f"lookups.{name}.{key}", f"`{path}`: {error}")
            return None
        made.append(Component(kind=kind, name=name, content=content))
    return tuple(made)


def _pinned(lookup: Lookup) -> dict[str, JSON]:
    shared: dict[str, JSON] = {
        "kind": lookup.kind,
        "by": cast("JSON", lookup.by),
        "classes": cast("JSON", sorted(lookup.classes)),
        "regions": None if lookup.regions is None else cast("JSON", sorted(lookup.regions)),
        "integrity": lookup.integrity,
        "as_of": lookup.as_of,
        "freshness": lookup.freshness,
    }
    match lookup:
        case TableLookup():
            return {**shared, "form": _form(lookup)}
        case HttpLookup():
            asked: dict[str, JSON] = {"path": lookup.path, "method": lookup.method, "row_at": lookup.row_at}
            return {**shared, **asked, "at_most": lookup.at_most}
        case SqlLookup():
            return {**shared, "select": lookup.select}
        case _:
            assert_never(lookup)


def _is_pinned(lookup: Lookup) -> bool:
    return isinstance(lookup, TableLookup) and lookup.read == "release"


def _form(lookup: TableLookup) -> str:
    return lookup.file.rpartition(".")[2]


def _output(row: ObjectType, step: LookupStep) -> ObjectType:
    fields: dict[str, Type] = {
        "found": BoolType(),
        "row": row if step.missing == "fail" else nullable(row),
        "as_of": nullable(TextType()),
        "source": TextType(),
    }
    return ObjectType(fields, frozenset(fields))


def _failures(step: LookupStep, lookup: Lookup, *, guarded: bool) -> frozenset[Failure]:
    failures = {Failure.LOOKUP_MISSING} if step.missing == "fail" else set()
    pinned = _is_pinned(lookup)
    if not pinned or lookup.as_of is not None:
        failures |= {Failure.PROVIDER_DOWN, Failure.INVALID_OUTPUT}
    if not pinned:
        failures |= {Failure.PROVIDER_REFUSED}
    if not isinstance(lookup, TableLookup):
        failures |= {Failure.TIMEOUT} | ({Failure.NOT_PERMITTED} if guarded else set())
    if isinstance(lookup, HttpLookup):
        failures |= {Failure.RATE_LIMITED}
    return frozenset(failures)
