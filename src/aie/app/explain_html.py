"""An explanation as one HTML file: no network, no script, readable in a narrow window, in the dark and on paper."""

from collections.abc import Iterable, Iterator
from typing import Final

from aie.app.marking import Mark, escape, marked
from aie.app.pages import card, page
from aie.app.tools_used import tool_lines
from aie.app.wording import (
    about,
    asked_lines,
    cost_line,
    delivery,
    duration,
    headline,
    last_trouble,
    limit_lines,
    plain,
    refused_lines,
    said,
    step_line,
    trouble_line,
    used_line,
    ways_on,
    who_decided,
    who_moved,
)
from aie.core import iso
from aie.releases import short
from aie.runs import Explanation, Source

__all__ = ["explain_html"]

_TONE: Final = {"completed": "good", "failed": "bad", "dead": "bad", "cancelled": "bad"}
_PROOF: Final = "<code>aie verify</code> proves that these records are what was written."
_COLUMNS: Final = "<th>Step<th>What came of it<th>Which version said so<th class=number>Time"


def explain_html(explanation: Explanation) -> str:
    """Return the page, whole."""
    return page(
        headline(explanation),
        [
            _head(explanation),
            card("Ways on", (f"<p><b>{escape(way)}</b>: {escape(how)}</p>" for way, how in ways_on(explanation))),
            card("Decision", _decision(explanation)),
            card("Steps", _steps(explanation)),
            card("Evidence", _evidence(explanation)),
            card("People", _people(explanation)),
            card("Models asked", _lines(asked_lines(explanation.asked_models))),
            card("Models refused", _lines(refused_lines(explanation))),
            card("Tools", _lines(tool_lines(explanation.steps))),
            card("Done outside", _effects(explanation)),
            card("Failures", _failures(explanation)),
            card("Policy", (f"<p>{escape(each)}</p>" for each in explanation.policy)),
            card("Limits and cost", _limits(explanation)),
            card("Timeline", _timeline(explanation)),
            f"<footer>Run <code>{escape(explanation.run)}</code>. {_PROOF}</footer>",
        ],
    )


def _lines(lines: Iterable[str]) -> Iterator[str]:
    """Yield a paragraph for each line, the step that it begins with in bold."""
    for line in lines:
        who, colon, what = line.partition(": ")
        yield f"<p><b>{escape(who)}</b>: {escape(what)}</p>" if colon else f"<p>{escape(line)}</p>"


def _head(explanation: Explanation) -> str:
    tone = _TONE.get(explanation.state, "wait")
    facts = {
        "Workflow": explanation.workflow,
        "Release": short(explanation.release, explanation.workflow).rpartition("@")[2],
        "Through": explanation.environment or "named directly",
        "Submitted": f"{iso(explanation.submitted_at)[:19].replace('T', ' ')} UTC",
        "By": explanation.actor,
        "Took" if explanation.finished_at else "So far": duration(
            (explanation.finished_at or explanation.timeline[-1].at) - explanation.submitted_at
        ),
    }
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in facts.items())
    erased = "<p class=wait>The personal data of this run was erased: its words can no longer be read.</p>"
    told = (*who_moved(explanation), *explanation.alerts)
    moved = "".join(f"<p class=wait>{escape(line)}</p>" for line in told)
    return (
        f"<h1>{escape(headline(explanation))}</h1>\n"
        f'<span class="state {tone}">{escape(explanation.state.replace("_", " "))}</span>\n'
        f"{erased if explanation.erased else ''}{moved}<dl class=facts>{listed}</dl>"
    )


def _decision(explanation: Explanation) -> Iterator[str]:
    if isinstance(explanation.output, dict):
        fields = (f"<div><dt>{escape(k)}</dt><dd>{escape(plain(v))}</dd></div>" for k, v in explanation.output.items())
        yield f"<dl class=answer>{''.join(fields)}</dl>"
    elif explanation.failure:
        where = escape(explanation.failed_at or "the run")
        yield f"<p>Nothing was decided: {where} failed, <b class=bad>{escape(explanation.failure)}</b>.</p>"
        why = last_trouble(explanation)
        yield f"<p>{escape(why)}</p>" if why else ""
    elif explanation.state == "waiting":
        yield "<p class=wait>Nothing is decided yet.</p>"


def _steps(explanation: Explanation) -> Iterator[str]:
    longest = max((step.ms for step in explanation.steps), default=0) or 1
    yield f"<table>\n<thead><tr>{_COLUMNS}</tr></thead>\n<tbody>"
    for step in explanation.steps:
        version = [f"layer {escape(step.layer)}{f' {step.version}' if step.version is not None else ''}"]
        used = [
            f"{escape(used_line(each))} <code>{each.digest.removeprefix('sha256:')[:12]}</code>"
            for each in step.components
        ]
        tone = {"failed": "bad", "review": "wait", "effect": "wait"}.get(step.status, "")
        share = max(round(100 * step.ms / longest), 1) if step.ms else 0
        bar = (
            '<svg class=track viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden=true>'
            f"<rect width=100 height=8 rx=2 /><rect class=used width={share} height=8 rx=2 /></svg>"
        )
        time = f"{bar}{step.ms} ms" if step.status == "finished" else ""
        yield (
            f'<tr><th scope=row>{escape(step.path)}<td class="{tone}">{escape(step_line(step))}'
            f"<td class=small>{'<br>'.join([*version, *used])}<td class=number>{time}</tr>"
        )
    yield "</tbody>\n</table>"


def _evidence(explanation: Explanation) -> Iterator[str]:
    for source in explanation.sources:
        marks = list(_marks(explanation, source))
        left_out = any(mark.kind == "left-out" for mark in marks)
        legend = "<mark>marked</mark>: what the decision rests on"
        legend += "; <span class=left-out>dotted</span>: read, but left out for lack of room" if left_out else ""
        yield f"<h3>{escape(source.name)}</h3>"
        yield f"<p class='small soft'>{legend}</p>" if marks else ""
        yield f"<pre class=letter>{marked(source.text, marks)}</pre>"
    marked_in = {source.name for source in explanation.sources}
    paged = any((each.page or 1) > 1 for each in explanation.evidence)
    for each in explanation.evidence:
        if paged or each.document not in marked_in:
            page = f", page {each.page}" if each.page is not None else ""
            yield f"<p class='small soft'>{escape(about(each))}, {escape(each.document)}{page}</p>"
            yield f"<blockquote>{escape(each.quote)}</blockquote>"
    for lost in explanation.dropped:
        if not lost.quote:
            yield f"<p>{escape(lost.step)} left out: {escape(said(lost.what))}</p>"


def _marks(explanation: Explanation, source: Source) -> Iterator[Mark]:
    for each in explanation.evidence:
        if each.document == source.name:
            yield Mark(start=each.start, end=each.end, kind="mark", title=about(each))
    for lost in explanation.dropped:
        match lost.what:
            case {"start": int(start), "end": int(end)} if lost.document == source.name:
                yield Mark(start=start, end=end, kind="left-out", title=f"left out by {lost.step}")
            case _:
                pass


def _people(explanation: Explanation) -> Iterator[str]:
    for review in explanation.reviews:
        first, *more = who_decided(review)
        tone = "wait" if not review.decision else ""
        yield f"<p>{escape(first)}</p>"
        yield from (f'<p class="{tone}">{escape(line.strip())}</p>' for line in more)


def _effects(explanation: Explanation) -> Iterator[str]:
    for effect in explanation.effects:
        tone = {"delivered": "good", "failed": "bad"}.get(effect.state, "wait")
        yield (
            f"<p><b>{escape(effect.path)}</b> <span class={tone}>{escape(delivery(effect))}</span>: "
            f"{escape(plain(effect.request))}</p>"
        )
        yield (
            f"<p class='small soft'>key <code>{escape(plain(effect.key))}</code>, {escape(effect.semantics)}, "
            f"attempts: {effect.attempts}</p>"
        )


def _failures(explanation: Explanation) -> Iterator[str]:
    for step in explanation.steps:
        for trouble in step.troubles:
            why = trouble_line(trouble.message, trouble.causes)
            yield f"<p><b>{escape(step.path)}</b>: {escape(trouble.failure)}{f': {escape(why)}' if why else ''}</p>"


def _limits(explanation: Explanation) -> Iterator[str]:
    yield "<table>\n<tbody>"
    for name, text in limit_lines(explanation):
        yield f"<tr><th scope=row>{name}<td>{escape(text)}</tr>"
    yield f"<tr><th scope=row>paid<td>{escape(cost_line(explanation))}</tr>\n</tbody>\n</table>"


def _timeline(explanation: Explanation) -> Iterator[str]:
    yield "<ol class=timeline>"
    day = ""
    for moment in explanation.timeline:
        at = iso(moment.at)
        shown = at[11:23] if at[:10] == day else f"{at[:10]} {at[11:19]}"
        day = at[:10]
        yield f'<li><time datetime="{at}">{shown}</time><span><b>{escape(moment.who)}</b> {escape(moment.text)}</span>'
    yield "</ol>"
