"""From a YAML tree to a spec.

Every refusal of pydantic becomes a problem with its place, its hint and, where one change mends it, its edit.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from aie.config.documented import documented
from aie.config.handlers import corrected
from aie.config.problems import Problems, did_you_mean, nearest
from aie.config.source import MAX_PROBLEMS, Node, Source
from aie.config.spec import Spec
from aie.config.steps import LAYER_KEYS
from aie.errors import Edit, Problem

__all__ = ["read_spec"]

SpecT = TypeVar("SpecT", bound=Spec)
Place = tuple[str | int, ...]

_EXPECTED: Final = {
    "string_type": "text",
    "int_type": "an integer",
    "bool_type": "true or false",
    "dict_type": "a map",
    "model_type": "a map",
    "model_attributes_type": "a map",
    "tuple_type": "a list",
    "list_type": "a list",
}
_THOUSANDS: Final = re.compile(r"(\d{1,6}(?:\.\d{1,3})?)([kKmM])")
_HOST: Final = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+(:\d{1,5})?(/[^\s@?#]*)?")
"""An address that lacks only what a URL begins with; nothing in it can be a secret."""
_SINGLE: Final = frozenset({"string_type", "int_type", "bool_type", "literal_error", "form", "string_pattern_mismatch"})
"""Refusals of a list where one value belongs."""


def read_spec(kind: type[SpecT], source: Source, problems: Problems) -> SpecT | None:
    """Return the spec that a file holds, or None; every mistake is in `problems`.

    Unknown keys alone do not hide the mistakes below them: the spec without them is returned for the checks to come.
    """
    if source.root.kind != "map":
        problems.add(_problem(source, (), "not-a-map", "a map of keys expected", hint="write `key: value` lines"))
        return None
    data = source.root.data()
    try:
        return kind.model_validate(data)
    except ValidationError as error:
        found = [each for each in error.errors(include_url=False, include_input=False) if not _follows(source, each)]
        for each in found[:MAX_PROBLEMS]:
            problems.add(_translate(kind, source, each))
    if any(each["type"] != "extra_forbidden" for each in found):
        return None
    for each in found:
        _take_out(data, _path(source, each["loc"]))
    try:
        return kind.model_validate(data)
    except ValidationError:
        return None


def _follows(source: Source, error: ErrorDetails) -> bool:
    """Tell whether a list is too short only because pydantic leaves out its members that are refused themselves."""
    least = error.get("ctx", {}).get("min_length")
    return error["type"] == "too_short" and len(source.find(_path(source, error["loc"]))[0].members) >= (least or 0)


def _take_out(data: Any, path: Place) -> None:
    """Remove the key at the end of a path."""
    for part in path[:-1]:
        data = data[part]
    data.pop(path[-1], None)


def _translate(kind: type[Spec], source: Source, error: ErrorDetails) -> Problem:
    path = _path(source, error["loc"])
    code = error["type"]
    node = source.find(path)[0]
    if node.kind == "list" and len(node.members) == 1 and code in _SINGLE and node.members[0].kind == "scalar":
        one = _written(source, node.members[0])
        return _problem(
            source,
            path,
            "wrong-type",
            "one value expected, this is a list",
            hint=f"write `{one}`",
            edit=source.replace(node, one) if node.flow else None,
        )
    for prefix, translate in _TRANSLATORS.items():
        if code.startswith(prefix):
            return translate(kind, source, path, error)
    return _problem(source, path, "bad-value", error["msg"])


def _path(source: Source, loc: Sequence[str | int]) -> Place:
    """Leave out what pydantic put between the keys: union tags, member names, `[key]`."""
    path: list[str | int] = []
    parts = list(loc)
    for i, part in enumerate(parts):
        if part == "[key]":
            break
        depth = source.find([*path, part])[2]
        if depth == len(path) + 1 or (i == len(parts) - 1 and source.find(path)[0].kind == "map" and _is_key(part)):
            path.append(part)
    return tuple(path)


def _is_key(part: str | int) -> bool:
    # Member names of a union look like `function-before[…]`, `dict[str, …]` or a class name.
    return isinstance(part, str) and re.fullmatch(r"[a-z][a-z0-9_]*", part) is not None and part not in {"str", "int"}


def _problem(
    source: Source, path: Place, code: str, message: str, *, hint: str = "", edit: Edit | None = None, key: bool = False
) -> Problem:
    mark = source.mark(path, at_key=key)
    dotted = ".".join(str(each) for each in path)
    return Problem(
        code=code, file=source.file, line=mark.line, col=mark.col, key=dotted, message=message, hint=hint, edit=edit
    )


def _unknown_key(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    given = str(path[-1]) if path else ""
    known = _known_keys(kind, error["loc"][:-1], source, path[:-1])
    present = source.find(path[:-1])[0].items
    free = [each for each in known if each not in present]
    near = nearest(given, free)
    key = source.find(path)[1]
    if near is not None and key is not None:
        return _problem(
            source,
            path,
            "unknown-key",
            f"no key is named `{given}` here",
            key=True,
            hint=f"did you mean `{near}`?",
            edit=source.replace(key, near),
        )
    return _problem(
        source,
        path,
        "unknown-key",
        f"no key is named `{given}` here",
        key=True,
        hint=f"remove it; {did_you_mean(given, free, 'keys')}" if free else "remove it",
        edit=source.remove(path),
    )


def _missing(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    name = str(path[-1]) if path else str(error["loc"][-1])
    parent = source.find(path[:-1])[0]
    known = _known_keys(kind, error["loc"][:-1], source, path[:-1])
    for given, key in parent.keys.items():
        # A required key that is misspelt is one mistake: it is reported where it stands, as an unknown key.
        if given not in known and nearest(given, known) == name:
            mark = source.replace(key, name)
            return _problem(
                source,
                (*path[:-1], given),
                "unknown-key",
                f"no key is named `{given}` here",
                key=True,
                hint=f"did you mean `{name}`?",
                edit=mark,
            )
    field = _field_docs(kind, error["loc"], name)
    return _problem(source, path, "missing-key", f"`{name}` is missing", hint=f"add `{name}:`{field}")


def _wrong_type(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    node = source.find(path)[0]
    expected = _EXPECTED.get(error["type"], "another type")
    edit, hint = None, f"write {expected}{_inside(kind, error)}"
    if node.kind == "scalar":
        shown = node.text
        if error["type"] == "string_type" and node.plain and node.text:
            hint, edit = f'quote it: `"{shown}"`', source.replace(node, f'"{shown}"')
        elif error["type"] == "int_type" and (short := _THOUSANDS.fullmatch(shown)) is not None:
            whole = int(Decimal(short[1]) * (1_000 if short[2] in "kK" else 1_000_000))
            hint, edit = f"write `{whole}`", source.replace(node, str(whole))
        elif error["type"] == "int_type" and re.fullmatch(r"-?\d[\d_, ]{0,17}( \w+)?", shown):
            meant = re.match(r"-?[\d_, ]+", shown)
            number = re.sub(r"[_, ]", "", meant[0]) if meant else ""
            hint, edit = f"write `{int(number)}`", source.replace(node, str(int(number)))
        elif error["type"] == "bool_type" and shown.casefold() in {"yes", "on", "no", "off", "true", "false", "y", "n"}:
            meant_bool = "true" if shown.casefold() in {"yes", "on", "true", "y"} else "false"
            hint, edit = f"write `{meant_bool}`", source.replace(node, meant_bool)
        elif error["type"].startswith("model_") and (meant_kind := nearest(shown, _tags(kind, error["loc"]))):
            hint, edit = f"write `{{kind: {meant_kind}}}`", source.replace(node, f"{{kind: {meant_kind}}}")
        elif error["type"] in {"tuple_type", "list_type"} and shown:
            hint, edit = f"write `[{shown}]`", source.replace(node, f"[{_written(source, node)}]")
        given = f"`{shown}`" if shown else "nothing"
    else:
        given = "a list" if node.kind == "list" else "a map"
    return _problem(source, path, "wrong-type", f"{expected} expected, this is {given}", hint=hint, edit=edit)


def _inside(kind: type[Spec], error: ErrorDetails) -> str:
    """Return which keys a map must have that something else stands for, or may have where it must have none."""
    model = _model_at(kind, error["loc"]) if error["type"].startswith("model_") else None
    if model is None or _tags(kind, error["loc"]):
        return ""
    keys = {info.alias or name: info.is_required() for name, info in model.model_fields.items()}
    shown = [key for key, required in keys.items() if required] or list(keys)
    return f" of {', '.join(f'`{each}`' for each in shown)}"


def _written(source: Source, node: Node) -> str:
    if node.line != node.end_line:
        return node.text
    return source.lines()[node.line - 1][node.col - 1 : node.end_col - 1]


def _form(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    node = source.find(path)[0]
    context = error.get("ctx", {})
    given = f", not `{node.text}`" if node.kind == "scalar" else ""
    example = str(context.get("example", ""))
    edit = None
    if error["loc"] and error["loc"][-1] == "[key]":
        return _problem(source, path, "bad-value", error["msg"], key=True, hint=f"e.g. `{example}`")
    if node.kind == "scalar" and node.plain and example.startswith(node.text) and node.text:
        edit = source.replace(node, example)
    elif node.kind == "scalar" and "on" in path:
        example = corrected(node.text) or example
        edit = source.replace(node, example) if example != context.get("example") else None
    return _problem(
        source,
        path,
        "bad-value",
        f"{context.get('expected', 'another value')} expected{given}",
        hint=f"write it like `{example}`" if example else "",
        edit=edit,
    )


def _literal(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    node = source.find(path)[0]
    known = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
    if not known:
        known = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected_tags", "")))
    return _unknown_value(source, path, node.text, known)


def _unknown_value(source: Source, path: Place, given: str, known: Iterable[str], *, key: bool = False) -> Problem:
    node, key_node, _ = source.find(path)
    known = list(known)
    near = nearest(given, known) or (known[0] if len(known) == 1 else None)
    place = key_node if key and key_node is not None else node
    edit = source.replace(place, near) if near is not None and place.kind == "scalar" else None
    hint = f"did you mean `{near}`?" if near else did_you_mean(given, known)
    expected = "one of " + ", ".join(known) if len(known) > 1 else "".join(known)
    shown = f", not `{given}`" if given else ""
    return _problem(source, path, "bad-value", f"{expected} expected{shown}", hint=hint, edit=edit, key=key)


def _tag(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    return _literal(kind, source, (*path, "kind"), error)


def _tag_missing(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    node = source.find(path)[0]
    tags = _tags(kind, error["loc"])
    if node.kind != "map":
        return _problem(source, path, "wrong-type", "a map expected", hint=f"write `kind: …`{_one_of(tags)}")
    for given, key in node.keys.items():
        if nearest(given, ["kind"]):
            return _problem(
                source,
                (*path, given),
                "unknown-key",
                f"no key is named `{given}` here",
                key=True,
                hint="did you mean `kind`?",
                edit=source.replace(key, "kind"),
            )
    return _problem(source, (*path, "kind"), "missing-key", "`kind` is missing", hint=f"add `kind:`{_one_of(tags)}")


def _one_of(tags: Sequence[str]) -> str:
    return f", one of {', '.join(tags)}" if tags else ""


def _tags(kind: type[Spec], loc: Sequence[str | int]) -> list[str]:
    """Return the kinds that may stand at a path."""
    models: list[type[BaseModel]] = [kind]
    for part in loc:
        models = list(_step_into(models, part)) or models
    return sorted({tag for model in models if (tag := _kind_of(model)) is not None})


def _no_layer(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    node = source.find(path)[0]
    if node.kind == "map":
        for given, key in node.keys.items():
            near = nearest(given, LAYER_KEYS)
            if near is not None and given not in {"of", "on", "as"}:
                return _problem(
                    source,
                    (*path, given),
                    "unknown-key",
                    f"no layer is named `{given}`",
                    key=True,
                    hint=f"did you mean `{near}`?",
                    edit=source.replace(key, near),
                )
    return _problem(
        source,
        path,
        "no-layer",
        "a step has exactly one of the keys " + ", ".join(LAYER_KEYS),
        key=True,
        hint="say which layer does the step, e.g. `extract: document`",
    )


def _unknown_name(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    context = error.get("ctx", {})
    loc = error["loc"]
    given = str(context.get("given", ""))
    place = (*path, given) if loc and loc[-1] == "[key]" and (not path or path[-1] != given) else path
    return _unknown_value(source, place, given, context.get("known", ()), key=True)


def _pattern(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    is_key = bool(error["loc"]) and error["loc"][-1] == "[key]"
    node, key, _ = source.find(path)
    place = key if is_key and key is not None else node
    text, pattern = place.text, str(error.get("ctx", {}).get("pattern", ""))
    if "env:" in pattern:
        return _reference(source, path, pattern)
    meant = re.sub(r"[^a-z0-9_-]+", "_", text.casefold()).strip("_-")
    edit, hint = None, f"it must match `{pattern}`"
    if pattern.startswith("^[a-z][a-z0-9_") and not pattern.startswith("^[a-z][a-z0-9_-]*("):
        if "-]" not in pattern:
            meant = meant.replace("-", "_")
        hint = "lower-case letters, digits and `_`" + (" or `-`" if "-]" in pattern else "") + ", first a letter"
        if re.fullmatch(pattern, meant):
            hint, edit = f"write `{meant}`", source.replace(place, meant)
    return _problem(
        source,
        path,
        "bad-name" if edit or is_key else "bad-value",
        f"`{text}` is not of the form expected here",
        hint=hint,
        edit=edit,
        key=is_key,
    )


def _reference(source: Source, path: Place, pattern: str) -> Problem:
    """Tell what may stand where a secret may be: never what does stand there."""
    name = "_".join(str(each) for each in path[-2:]).upper().replace("-", "_")
    forms = [form for form in ("sqlite:///PATH", "postgresql://…", "https://…") if form.split(":")[0] in pattern]
    expected = f"{', '.join(forms)} or `env:NAME`" if forms else "a reference `env:NAME` instead of the value itself"
    hint = f"write `env:{name}` and set {name} in the environment"
    text = source.find(path)[0].text
    if "https" in pattern and _HOST.fullmatch(text):
        hint = f"write `https://{text}`, or `env:{name}` and set {name} in the environment"
    return _problem(source, path, "bad-value", f"{expected} expected", hint=hint)


def _length(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    context = error.get("ctx", {})
    least, most = context.get("min_length"), context.get("max_length")
    node = source.find(path)[0]
    what = "character" if node.kind == "scalar" else "key" if node.kind == "map" else "item"
    bound = least if least is not None else most
    message = f"at {'least' if least is not None else 'most'} {bound} {what}{'' if bound == 1 else 's'} expected"
    hint = "add what is missing" if least is not None else "leave out what is too much"
    return _problem(source, path, "out-of-range", message, hint=hint)


def _range(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    context = error.get("ctx", {})
    node = source.find(path)[0]
    message = error["msg"].replace("Input should", "it must")
    bound = context.get("ge", context.get("le"))
    edit = source.replace(node, str(bound)) if bound is not None and node.kind == "scalar" else None
    hint = f"the bound is {bound}" if bound is not None else "add what is missing"
    return _problem(source, path, "out-of-range", message, hint=hint, edit=edit)


def _price(kind: type[Spec], source: Source, path: Place, error: ErrorDetails) -> Problem:
    there = path[: source.find(path)[2]]  # without the union's tag
    hint = "add `price: {input_per_million: 0.15 USD, output_per_million: 0.60 USD}` as it is billed, or `local: true`"
    return _problem(source, there, "price", error["msg"], key=True, hint=hint)


_TRANSLATORS: Final[Mapping[str, Callable[[type[Spec], Source, Place, ErrorDetails], Problem]]] = {
    "extra_forbidden": _unknown_key,
    "missing": _missing,
    "string_type": _wrong_type,
    "int_type": _wrong_type,
    "bool_type": _wrong_type,
    "dict_type": _wrong_type,
    "model_type": _wrong_type,
    "model_attributes_type": _wrong_type,
    "tuple_type": _wrong_type,
    "list_type": _wrong_type,
    "form": _form,
    "literal_error": _literal,
    "union_tag_invalid": _tag,
    "union_tag_not_found": _tag_missing,
    "no_layer": _no_layer,
    "unknown_name": _unknown_name,
    "string_pattern_mismatch": _pattern,
    "price": _price,
    "too_short": _length,
    "too_long": _length,
    "string_too_short": _length,
    "string_too_long": _length,
    "greater_than": _range,
    "less_than": _range,
}


def _model_at(kind: type[BaseModel], loc: Sequence[str | int]) -> type[BaseModel] | None:
    """Return the class that describes the map at a path of pydantic's, tags and all."""
    models: list[type[BaseModel]] = [kind]
    for part in loc:
        found = list(_step_into(models, part))
        if found:
            models = found
    return models[0] if models else None


def _step_into(models: Iterable[type[BaseModel]], part: str | int) -> Iterable[type[BaseModel]]:
    for model in models:
        tag = str(part).strip("<>").casefold()
        if model.__name__.removesuffix("Step").casefold() == tag or _kind_of(model) == part:
            yield model
        for name, info in model.model_fields.items():
            if part in (name, info.alias):
                yield from _models_in(info.annotation)


def _kind_of(model: type[BaseModel]) -> str | None:
    info = model.model_fields.get("kind")
    values = getattr(info.annotation, "__args__", ()) if info else ()
    return values[0] if values else None


def _models_in(annotation: Any) -> Iterable[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for each in getattr(annotation, "__args__", ()):
        yield from _models_in(each)


def _known_keys(kind: type[BaseModel], loc: Sequence[str | int], source: Source, path: Place) -> list[str]:
    model = _model_at(kind, loc)
    return [] if model is None else [info.alias or name for name, info in model.model_fields.items()]


def _field_docs(kind: type[BaseModel], loc: Sequence[str | int], name: str) -> str:
    model = _model_at(kind, loc[:-1])
    for field, info in model.model_fields.items() if model else ():
        if model and name in (field, info.alias) and (said := documented(model).get(field)):
            return " (" + said.split("\n")[0].rstrip(".").replace("`", "") + ")"
    return ""
