"""Inputs of runs: read, checked against the release's schema, documents put into the store."""

import errno
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from aie.app.opening import App
from aie.config import mismatches
from aie.core import JSON, Document, read_file, read_json
from aie.errors import InputError
from aie.layers import media_type
from aie.runs import Loaded, tell_about

__all__ = ["MAX_INPUT", "Given", "parse_input", "prepare", "read_input"]

MAX_INPUT: Final = 16_000_000
"""Bytes of an input's JSON."""
MAX_DOCUMENT: Final = 256_000_000
"""Bytes of one document."""
_UNREAD: Final = Document(ref="", name="", media_type="", size=0).to_json()


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
        content = read_file(path, at_most=MAX_INPUT)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {(error.strerror or 'error').lower()}") from error
    return Given(name=str(path), folder=path.parent, data=parse_input(content, str(path)))


def parse_input(content: bytes, name: str) -> dict[str, JSON]:
    """Return the JSON object in these bytes.

    Raises:
        InputError: as `read_input`.
    """
    if len(content) > MAX_INPUT:
        raise InputError(f"{name} is larger than {MAX_INPUT} bytes", hints=("give large content as a document",))
    try:
        data = read_json(content.decode())
    except UnicodeDecodeError as error:
        raise InputError(
            f"{name} is not UTF-8", hints=("an input is one JSON object in UTF-8, which names its documents",)
        ) from error
    except InputError as error:
        raise InputError(
            f"{name}{error.fields.get('place', '')}: {error.message}",
            hints=error.hints or ("an input is one JSON object, which names its documents",),
        ) from error
    if not isinstance(data, dict):
        raise InputError(f"{name} is not a JSON object", hints=('an input is one object: {"field": …}',))
    return data


def prepare(app: App, loaded: Loaded, given: Given) -> dict[str, JSON]:
    """Return the input as a run takes it: valid under the schema, each document stored and named by reference.

    Nothing is stored of an input that is refused.

    Raises:
        InputError: naming every field that is not what the schema says, a document that cannot be read, or what the
            input does not tell of its case or subject.
    """
    plan = loaded.index.plan
    schema = cast("dict[str, Any]", json.loads(loaded.component(plan.input_schema)))
    wrong = [str(each) for each in mismatches(schema, _with_documents(schema, dict(given.data), lambda _: _UNREAD))]
    if wrong:
        shown = "; ".join(wrong[:5]) + (f"; and {len(wrong) - 5} more" if len(wrong) > 5 else "")
        raise InputError(
            f"{given.name} is not what {plan.workflow} takes: {shown}",
            hints=("`input:` in its workflow.yaml names the schema",),
        )
    try:
        about = tell_about(plan, given.data)
    except InputError as error:
        raise InputError(f"{given.name}: {error.message}", hints=error.hints) from error
    subject = app.store.mac(app.tenant, "subject", about.subject)
    data = _with_documents(schema, dict(given.data), lambda path: _document(app, subject, path, given))
    return cast("dict[str, JSON]", data)


def _with_documents(schema: Mapping[str, Any], value: JSON, document: Callable[[str], JSON]) -> JSON:
    """Replace the path of each document by what `document` makes of it."""
    if schema.get("format") == "document" and isinstance(value, str):
        return document(value)
    if isinstance(value, dict):
        fields = schema.get("properties", {})
        return {name: _with_documents(fields.get(name, {}), each, document) for name, each in value.items()}
    if isinstance(value, list):
        return [_with_documents(schema.get("items", {}), each, document) for each in value]
    return value


def _document(app: App, subject: str, path: str, given: Given) -> JSON:
    """Store a document. Whoever wrote the input may only name what lies beside it, not what we may read elsewhere."""
    file = given.folder / path
    try:
        if not file.resolve().is_relative_to(given.folder.resolve()):
            raise PermissionError(errno.EPERM, "outside the input's folder")
        content = read_file(file, at_most=MAX_DOCUMENT)
    except (OSError, ValueError, RuntimeError) as error:  # a NUL is a ValueError, a circle of links a RuntimeError
        reason = getattr(error, "strerror", None) or "not a path"
        raise InputError(
            f"{given.name}: the document {path!r} cannot be read: {reason.lower()}",
            hints=("a path starts at the input's folder and stays in it",),
        ) from error
    ref = app.store.put_blob(app.tenant, subject, content)
    return Document(ref=ref, name=file.name, media_type=media_type(content), size=len(content)).to_json()
