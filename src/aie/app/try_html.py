"""A try as one HTML file: the document with what was read of it marked, and what came of the step."""

import json
from collections.abc import Iterator
from typing import Final

from aie.app.marking import Mark, escape, marked
from aie.app.pages import card, page
from aie.app.trying import Trial
from aie.core import JSON
from aie.runs import Tried

__all__ = ["told", "try_html"]

_TONE: Final = {"finished": "good", "failed": "bad", "skipped": "", "asks": "wait", "acts": "wait"}
_TOLD: Final = {
    "finished": "It gives a value",
    "failed": "It fails",
    "skipped": "It is skipped",
    "asks": "It would ask a person",
    "acts": "It would hand something over",
}


def told(tried: Tried) -> str:
    """Return in one sentence what came of a try."""
    why = ": ".join(each for each in (tried.failure, tried.message) if each)
    return f"{_TOLD[tried.came]}{': ' + why if why else ''}"


def try_html(trial: Trial) -> str:
    """Return the page, whole."""
    tried = trial.tried
    title = f"{tried.path} of {trial.workflow}"
    recorded = (
        "the run recorded nothing of this step" if trial.before is None else "another result than the run recorded"
    )
    recorded = "the same as the run recorded" if trial.same else recorded
    return page(
        title,
        [
            f"<h1>{escape(title)}</h1>",
            f'<p><span class="state {_TONE[tried.came]}">{tried.came}</span> {escape(told(tried))}</p>',
            f"<p class='small soft'>{escape(recorded)}; {tried.ms} ms; run <code>{escape(trial.run)}</code></p>",
            card("Fields", _fields(tried)),
            card("Document", _documents(tried)),
            card("Value", _json(tried.data)),
            card("Report", _json(tried.report)),
        ],
    )


def _fields(tried: Tried) -> Iterator[str]:
    found = tried.data.get("found") if isinstance(tried.data, dict) else None
    if not isinstance(found, dict):
        return
    yield "<table>\n<thead><tr><th>Field<th>Value<th>As written<th class=number>Page<th class=number>Confidence"
    yield "</tr></thead>\n<tbody>"
    for name, places in found.items():
        for place in places if isinstance(places, list) else [places]:
            if not isinstance(place, dict):
                yield f"<tr><th scope=row>{escape(name)}<td class=soft>not found<td><td><td></tr>"
                continue
            tone = "" if place.get("accepted") else ' class="wait"'
            yield (
                f"<tr><th scope=row>{escape(name)}<td{tone}>{escape(str(place['value']))}"
                f"<td>{escape(str(place['quote']))}<td class=number>{escape(str(place['page'] or ''))}"
                f"<td class=number>{escape(str(place['confidence']))}</tr>"
            )
    yield "</tbody>\n</table>"


def _documents(tried: Tried) -> Iterator[str]:
    """Yield each text that the step read or made, with the places that the value rests on."""
    own = _text(tried.data)
    if tried.layer == "extract" and own is not None and not tried.cites:
        yield f"<pre class=letter>{escape(own)}</pre>"
    for name, value in tried.inputs.items():
        text = _text(value.data)
        places = [each for each in tried.cites if each.source == value.ref]
        if text is None or not places:
            continue
        marks = [
            Mark(start=each.start, end=each.end, kind="mark", title=each.path.rpartition("/")[2] or name)
            for each in places
        ]
        yield f"<h3>{escape(name)}</h3>\n<pre class=letter>{marked(text, marks)}</pre>"


def _text(data: JSON) -> str | None:
    if isinstance(data, dict):
        data = data.get("text")
    return data if isinstance(data, str) else None


def _json(data: JSON) -> Iterator[str]:
    if data is not None:
        yield f"<pre class=letter>{escape(json.dumps(data, ensure_ascii=False, indent=2))}</pre>"
