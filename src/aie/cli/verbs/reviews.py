"""review list, show, decide."""

import json
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, get_args

import typer

from aie.app import Decision, ShownReview, decide, open_reviews, plain, runner, show_review, why_asked
from aie.cli.moments import ago, minute
from aie.cli.opened import opened
from aie.cli.options import ActorOption, FormatOption, TenantOption, WorkspaceOption
from aie.cli.screen import Screen, width
from aie.core import JSON
from aie.errors import InputError

__all__ = ["review"]

review = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

_FEW = 3
"""Places that are shown of one field."""

_Name = Annotated[str, typer.Argument(metavar="REVIEW", help="Its id, or the id of its run.")]
_Verdict = Literal["approve", "correct", "reject"]
assert get_args(_Verdict) == get_args(Decision)


@review.callback()
def _group() -> None:
    """List, show and decide what waits for a person."""


@review.command("list")
def list_(
    desk: Annotated[str, typer.Option("--desk", metavar="NAME", help="Only what waits there.")] = "",
    limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most so many.")] = 50,
    workspace: WorkspaceOption = None,
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """List what waits for a person."""
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        rows = open_reviews(app, desk=desk or None, limit=limit)
        now = app.services.clock.now()
    data: list[JSON] = [
        {
            "review": row.id,
            "run": row.run,
            "step": row.path,
            "desk": row.desk,
            "opened_at": row.opened_at,
            "due": row.due,
        }
        for row in rows
    ]
    shown = [(row.id, row.path, row.desk, ago(now, row.opened_at), row.run) for row in rows]
    screen.show(data, screen.table(("REVIEW", "STEP", "DESK", "WAITS", "RUN"), shown))
    if not rows:
        screen.say("nothing waits for a person")
    else:
        screen.next(f"aie review show {rows[0].id}")


@review.command("show")
def show(
    name: _Name, workspace: WorkspaceOption = None, tenant: TenantOption = "", form: FormatOption = "text"
) -> None:
    """Show what a person is asked, with its evidence."""
    screen = Screen(form)
    with opened(workspace, tenant=tenant) as app:
        found = show_review(app, name)
    row = found.row
    data: dict[str, JSON] = {"review": row.id, "run": row.run, "step": row.path, "desk": row.desk, "state": row.state}
    data |= {"why": found.why, "shown_hash": row.shown_hash, "due": row.due, "shown": found.shown}
    screen.show(data, _page(screen, found))
    if row.state == "open":
        fields = _fields(found.shown)
        given = list(fields)[:1] or [name for name, _ in _to_give(found.shown)] or ["FIELD"]
        sets = " ".join(f"--set {name}=VALUE" for name in given)
        screen.next(
            *([f"aie review decide {row.id} approve"] if fields else []),
            f"aie review decide {row.id} correct {sets} --reason TEXT",
            f"aie review decide {row.id} reject --reason TEXT",
        )


@review.command("decide")
def decide_(
    name: _Name,
    verdict: Annotated[
        _Verdict, typer.Argument(metavar="VERDICT", help="Take what was shown, take it with changes, or refuse it.")
    ],
    changes: Annotated[
        list[str] | None, typer.Option("--set", metavar="FIELD=VALUE", help="A field that differs; repeat for more.")
    ] = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why; needed to reject.")] = "",
    shown: Annotated[
        str,
        typer.Option("--shown", metavar="HASH", help="Hash of the page you saw; refuses when another is shown now."),
    ] = "",
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Let the run go on here until it rests.")] = True,
    workspace: WorkspaceOption = None,
    actor: ActorOption = "",
    tenant: TenantOption = "",
    form: FormatOption = "text",
) -> None:
    """Decide; the decision binds to exactly what was shown, under your name."""
    screen = Screen(form)
    values = _values(changes or ())
    with opened(workspace, actor=actor, tenant=tenant) as app, runner(app, execute=wait) as here:
        row = show_review(app, name).row
        decided = decide(here, name, verdict, values=values, reason=reason, shown_hash=shown)
        state = here.wait(row.run).state if wait else "queued"
    data: dict[str, JSON] = {"review": row.id, "run": row.run, "decision": decided.decision, "actor": decided.actor}
    screen.show(
        data | {"values": decided.values, "state": state}, [f"{row.id}  {decided.decision}  {row.run}  {state}"]
    )
    screen.next(f"aie explain {row.run}" if wait else "aie worker")


def _values(changes: Iterable[str]) -> dict[str, JSON]:
    values: dict[str, JSON] = {}
    for text in changes:
        name, value = _value(text)
        if name in values:
            raise InputError(f"--set names the field {name!r} twice", hints=("give each field once",))
        values[name] = value
    return values


def _value(text: str) -> tuple[str, JSON]:
    """Return field and value of `amount=12.00 USD`; JSON where the value is JSON, else the text as it stands."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise InputError(f"--set {text!r} has no field or no value", hints=("--set FIELD=VALUE",))
    try:
        read = json.loads(value)
    except (ValueError, RecursionError):
        return name, value
    return name, read if not isinstance(read, float) else value


def _fields(shown: JSON) -> dict[str, dict[str, JSON]]:
    fields = shown.get("fields") if isinstance(shown, dict) else None
    return {k: v for k, v in fields.items() if isinstance(v, dict)} if isinstance(fields, dict) else {}


def _page(screen: Screen, found: ShownReview) -> Iterator[str]:
    row, shown = found.row, found.shown
    yield screen.bold(f"{row.path}, for {row.desk}: {row.state}")
    yield row.run
    due = f", due {minute(row.due)}" if row.due is not None else ""
    yield from textwrap.wrap(f"asked {minute(row.opened_at)}{due}, because: {why_asked(found.why)}", width())
    yield ""
    fields = _fields(shown)
    if fields:
        rows = [(name, plain(each.get("value")), _doubt(each)) for name, each in fields.items()]
        yield from screen.table(("FIELD", "VALUE", "HOW SURE"), rows)
        yield from _found(fields)
    elif isinstance(shown, dict):
        asked = list(_to_give(shown))
        yield from screen.table(("FIELD", "TO BE GIVEN"), asked) if asked else _wrapped("answer", shown.get("answer"))
    beside = shown.get("show", shown.get("reads")) if isinstance(shown, dict) else None
    for name, value in beside.items() if isinstance(beside, dict) else ():
        yield ""
        yield from _wrapped(name, value)


def _to_give(shown: JSON) -> Iterator[tuple[str, str]]:
    """Yield each field that a person gives in the place of a failed step, and what it may be."""
    answer = shown.get("answer") if isinstance(shown, dict) else None
    fields = answer.get("properties") if isinstance(answer, dict) else None
    for name, schema in fields.items() if isinstance(fields, dict) else ():
        yield name, _kind(schema if isinstance(schema, dict) else {})


def _kind(schema: dict[str, JSON]) -> str:
    values = schema.get("enum")
    if isinstance(values, list):
        return "one of " + ", ".join(map(plain, values))
    types = schema.get("type", "anything")
    told = [str(each) for each in (types if isinstance(types, list) else [types])]
    said = str(schema.get("format") or ("text" if told[0] == "string" else told[0]))
    return f"{said}, or null" if "null" in told[1:] else said


def _doubt(field: dict[str, JSON]) -> str:
    parts = [f"confidence {field['confidence']}"] if isinstance(field.get("confidence"), str) else []
    parts += [str(field["why"])] if field.get("why") else []
    others = field.get("alternatives")
    listed = [each for each in others if isinstance(each, dict)] if isinstance(others, list) else []
    named = [plain(each["value"] if "value" in each else each.get("label")) for each in listed]
    return ", ".join([*parts, *([f"or {' / '.join(named)}"] if named else [])])


def _found(fields: Mapping[str, dict[str, JSON]]) -> Iterator[str]:
    """Yield where each field stands in its document, in the words of the document."""
    told: list[str] = []
    for name, field in fields.items():
        places = field.get("places")
        listed = [each for each in places if isinstance(each, dict)] if isinstance(places, list) else []
        for each in listed[:_FEW]:
            page = f", page {each['page']}" if each.get("page") is not None else ""
            told.append(f"{name}: “{plain(each.get('quote'))}”{page}, characters {each['start']}–{each['end']}")
        if len(listed) > _FEW:
            told.append(f"{name}: … {len(listed) - _FEW} more; --format json has all")
    if told:
        yield from ("", "found:")
    for line in told:
        yield from textwrap.wrap(line, width() - 2, initial_indent="  ", subsequent_indent="    ")


def _wrapped(name: str, value: JSON) -> Iterable[str]:
    yield f"{name}:"
    for paragraph in _told(value).splitlines():
        yield from textwrap.wrap(paragraph, width() - 2, initial_indent="  ", subsequent_indent="  ") or [""]


def _told(value: JSON) -> str:
    """Return all of a value: nothing on which somebody decides is cut."""
    match value:
        case str():
            return value
        case None | bool() | []:
            return plain(value)
        case [*items] if all(isinstance(each, dict) and each.keys() == {"rule", "why"} for each in items):
            return "\n".join(f"{plain(each['rule'])}: {plain(each['why'])}" for each in items if isinstance(each, dict))
        case dict() if not any(isinstance(each, dict | list) for each in value.values()):
            return "\n".join(
                f"{name}: {each if isinstance(each, str) else plain(each)}" for name, each in sorted(value.items())
            )
        case _:
            return json.dumps(value, ensure_ascii=False)
