"""Inputs of runs: read, checked against the release's schema, documents put into the store."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from aie.app.opening import App
from aie.config import expression, mismatches
from aie.core import JSON, Document, canonical
from aie.errors import InputError
from aie.layers import media_type
from aie.runs import Loaded

__all__ = ["Given", "parse_input", "prepare", "read_input"]

MAX_INPUT: Final = 16_000_000
"""Bytes of an input's JSON."""
MAX_DOCUMENT: Final = 256_000_000
"""Bytes of one document."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An input as it was given."""

    name: str
    """File it came from, for messages."""
    folder: Path
    """Where its documents' paths start."""
    data: Mapping[str, JSON]


def read_input(path: Path) -> Given:
    """Read one JSON object.

    Raises:
        InputError: unreadable, too large, not UTF-8, not JSON, not an object, or without a canonical form.
    """
    try:
        if path.stat().st_size > MAX_INPUT:
            raise InputError(f"{path} is larger than {MAX_INPUT} bytes", hints=("give large content as a document",))
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or 'error').lower()}") from error
    return Given(name=str(path), folder=path.parent, data=parse_input(content, str(path)))


def parse_input(content: bytes, name: str) -> dict[str, JSON]:
    """Return the JSON object in these bytes.

    Raises:
        InputError: as `read_input`.
    """
    try:
        data = json.loads(content.decode(), object_pairs_hook=_no_twice, parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise InputError(f"{name} is not UTF-8", hints=("save it as UTF-8",)) from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name}:{error.lineno}:{error.colno}: {error.msg.lower()}", hints=("an input is one JSON object",)
        ) from error
    except RecursionError as error:
        raise InputError(f"{name} is nested too deeply") from error
    except ValueError as error:
        raise InputError(f"{name}: {error}") from error
    if not isinstance(data, dict):
        raise InputError(f"{name} is not a JSON object", hints=('an input is one object: {"field": …}',))
    try:
        canonical(data)
    except InputError as error:
        raise InputError(f"{name}: {error.message}", hints=error.hints) from error
    return data


def prepare(app: App, loaded: Loaded, given: Given) -> dict[str, JSON]:
    """Return the input as a run takes it: valid under the schema, each document stored and named by reference.

    Raises:
        InputError: naming every field that is not what the schema says, or a document that cannot be read.
        StepFailure: EXPRESSION, when the subject cannot be told.
    """
    plan = loaded.index.plan
    schema = cast("dict[str, Any]", json.loads(loaded.component(plan.input_schema)))
    about = expression(plan.subject or plan.case).evaluate({"input": dict(given.data)})
    subject = app.store.mac(app.tenant, "subject", str(about))
    data = cast("dict[str, JSON]", _stored(app, subject, schema, dict(given.data), given))
    wrong = [str(each) for each in mismatches(schema, data)]
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise InputError(
            f"{given.name} is not what {plan.workflow} takes: {shown}", hints=("`aie schema` shows the input's schema",)
        )
    return data


def _stored(app: App, subject: str, schema: Mapping[str, Any], value: JSON, given: Given) -> JSON:
    """Replace the path of each document by what the store knows it as."""
    if schema.get("format") == "document" and isinstance(value, str):
        return _document(app, subject, value, given)
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        return {name: _stored(app, subject, fields.get(name, {}), each, given) for name, each in value.items()}
    if isinstance(value, list):
        return [_stored(app, subject, schema.get("items", {}), each, given) for each in value]
    return value


def _document(app: App, subject: str, path: str, given: Given) -> JSON:
    file = given.folder / path
    try:
        if file.stat().st_size > MAX_DOCUMENT:
            raise InputError(f"{given.name}: {path} is larger than {MAX_DOCUMENT} bytes")
        content = file.read_bytes()
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or "not a path").lower()
        raise InputError(
            f"{given.name}: the document {path!r} cannot be read: {reason}",
            hints=("paths start at the input's folder",),
        ) from error
    ref = app.store.put_blob(app.tenant, subject, content)
    return Document(ref=ref, name=file.name, media_type=media_type(content), size=len(content)).to_json()


def _no_twice(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r} stands twice in one object")
        found[key] = value
    return found


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")
