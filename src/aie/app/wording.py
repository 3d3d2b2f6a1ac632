"""Sentences about a run that text and HTML share."""

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby

from aie.app.cataloguing import Moved
from aie.core import JSON, iso, usd
from aie.errors import Failure
from aie.runs import (
    AskedModel,
    ComponentUse,
    Effect,
    Evidence,
    Explanation,
    RefusedModel,
    ReviewStory,
    StepStory,
)

__all__ = [
    "about",
    "asked_lines",
    "circuit_line",
    "cost_line",
    "delivery",
    "duration",
    "headline",
    "last_trouble",
    "limit_lines",
    "moved_line",
    "plain",
    "refused_lines",
    "said",
    "step_line",
    "trouble_line",
    "used_line",
    "versions",
    "ways_on",
    "who_decided",
    "who_moved",
    "why_asked",
]

_HASH = re.compile(r"([0-9a-f]{12})[0-9a-f]{28,}")
"""People compare the beginning of a digest; `--format json` has all of it."""
_LONG = 160
_FEW = 4
_WHY = {"uncertain": "the engine was not sure enough", "always": "a person always decides"}
_DECIDED = {"approve": "approved", "correct": "corrected", "reject": "rejected"}
_EFFECT = {"queued": "owed to", "tried": "being delivered to", "delivered": "delivered to", "failed": "refused by"}
_BEFORE_A_CALL = frozenset({"provider_down", "rate_limited", "limit_reached"})
"""What a model fails with before anything leaves: a breaker that just opened, no room in its rates, no money for it."""
_UNITS = {"tokens": "tokens", "time": "ms", "steps": "steps", "model_calls": "calls"}


def trouble_line(message: str, causes: tuple[str, ...]) -> str:
    """Return why a step failed: its message, and what each model that was tried failed with."""
    own = [] if not message or any(each.endswith(f": {message}") for each in causes) else [message]
    return "; ".join([*own, *causes])


def last_trouble(explanation: Explanation) -> str:
    """Return why the run failed, with what its step failed for."""
    ended = (step for step in explanation.steps if step.path == explanation.failed_at and step.troubles)
    causes = next((step.troubles[-1].causes for step in ended), ())
    return trouble_line(explanation.message, causes)


def headline(explanation: Explanation) -> str:
    """Return the outcome in one sentence."""
    case = f" {explanation.case}" if explanation.case else ""
    what = f"{explanation.workflow}{case}"
    waiting = [review for review in explanation.reviews if not review.decision]
    match explanation.state:
        case "completed":
            people = sorted({review.actor for review in explanation.reviews if review.actor})
            return f"{what}: completed, decided {'by ' + ', '.join(people) if people else 'without a person'}"
        case "waiting" if waiting:
            desks = ", ".join(sorted({review.desk for review in waiting}))
            return f"{what}: waits for a person at {desks}"
        case "waiting" if explanation.holds:
            return f"{what}: waits: {'; '.join(dict.fromkeys(explanation.holds.values()))}"
        case "waiting":
            return f"{what}: waits for a receiver to confirm"
        case "failed":
            return f"{what}: failed at {explanation.failed_at or 'its start'}, {explanation.failure}"
        case "dead":
            return f"{what}: set aside for people at {explanation.failed_at or 'its start'}, {explanation.failure}"
        case "needs_runtime":
            here = f"; this installation has {versions(explanation.installed)}" if explanation.installed else ""
            return f"{what}: needs runtime: a worker that provides {versions(explanation.needs_runtime)}{here}"
        case state:
            return f"{what}: {state}"


def versions(layers: Mapping[str, int]) -> str:
    """Return layer versions as people name them: `check 1, model 2`."""
    return ", ".join(f"{layer} {version}" if version else f"no {layer}" for layer, version in sorted(layers.items()))


def ways_on(explanation: Explanation) -> list[tuple[str, str]]:
    """Return what lets a run go on whose layer versions were missing, each way with what comes of it."""
    if not explanation.needs_runtime:
        return []
    needs = versions(explanation.needs_runtime)
    installed = versions(explanation.installed) or "what this installation has"
    if explanation.needs_runtime == explanation.installed:
        return [("here", f"aie worker: this installation has {needs}; the run ends as it began")]
    return [
        (
            "as it began",
            f"aie worker, of an installation that has {needs}: nothing changes for the run",
        ),
        (
            "migrated",
            f"aie migrate {explanation.run} --reason TEXT: it goes on with {installed}, recorded under your name",
        ),
    ]


def who_moved(explanation: Explanation) -> Iterator[str]:
    """Yield a line for each time the run was moved to another runtime."""
    for each in explanation.migrations:
        layers = ", ".join(f"{name} {before} → {after}" for name, (before, after) in sorted(each.layers.items()))
        moved = f"moved to other layer versions by {each.actor} on {_minute(each.at)}"
        yield f"{moved}, {layers or 'none that it uses'}: {each.reason}"


def step_line(step: StepStory) -> str:
    """Return what became of a step."""
    match step.status:
        case "finished":
            return _checked(step) or said(step.output) + _features(step)
        case "skipped":
            return f"skipped: {step.why}"
        case "failed":
            return f"failed: {step.troubles[-1].failure}" if step.troubles else "failed"
        case "review":
            return "waits for a person"
        case "effect":
            return "waits for the receiver"
        case status:
            return status


def _features(step: StepStory) -> str:
    """Return which features spoke for an answer, and how much of it each; empty for what has no features."""
    evidence = step.report.get("evidence") if isinstance(step.report, dict) else None
    told = [
        f"{plain(each['feature'])} {plain(each['share'])}"
        for listed in (evidence.values() if isinstance(evidence, dict) else ())
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict) and {"feature", "share"} <= each.keys()
    ]
    return f"; for it spoke {', '.join(told)}" if told else ""


def _checked(step: StepStory) -> str:
    """Return what a check said, with its rules as they are written; empty for what is no check of these."""
    rules = step.report.get("checked") if isinstance(step.report, dict) else None
    if step.layer != "check" or not isinstance(rules, dict) or not isinstance(step.output, dict):
        return ""
    failed = step.output.get("failed")
    if isinstance(failed, list) and failed:
        broken = [each for each in failed if isinstance(each, dict)]
        told = "; ".join(f"{each.get('rule')}: {each.get('why')}" for each in broken)
        repaired = step.output.get("repaired")
        mended = f"; repaired: {plain(repaired)}" if step.output.get("outcome") == "repair" else ""
        return f"{plain(step.output.get('outcome'))}: {told}{mended}"
    named: dict[str, list[str]] = {}
    for rule, text in rules.items():
        named.setdefault(plain(text), []).append(rule)
    return f"passed: {'; '.join(_listed(alike, text) for text, alike in named.items())}"


def _listed(rules: list[str], text: str) -> str:
    return f"{', '.join(rules)}: {text}"


def said(value: JSON) -> str:
    """Return a step's value in few words: what it answers and how sure it is, not its bulk."""
    if isinstance(value, list) and len(value) > _FEW and any(isinstance(each, dict | list) for each in value):
        return f"{len(value)} items"
    if not isinstance(value, dict):
        return plain(value)
    return _prediction(value) or _fields(value) or _shortened(value)


def _prediction(value: dict[str, JSON]) -> str:
    confidence = value.get("confidence")
    named = value.get("label", value.get("labels"))
    if named is None or not isinstance(confidence, str):
        return ""
    told = plain(named)
    accepted = {True: ", accepted", False: ", not accepted"}.get(value.get("accepted"), "")  # type: ignore[call-overload]
    others = value.get("alternatives")
    listed = [each for each in others if isinstance(each, dict)] if isinstance(others, list) else []
    rest = ", ".join(f"{plain(each.get('label'))} {plain(each.get('confidence'))}" for each in listed)
    return f"{told} with confidence {confidence}{accepted}{f'; next: {rest}' if rest else ''}"


def _fields(value: dict[str, JSON]) -> str:
    """Return the fields that were found of a document, and which of them are missing or doubtful; else nothing."""
    values = value.get("values")
    if not isinstance(values, dict) or not {"found", "missing", "doubtful", "conflicts"} <= value.keys():
        return ""
    told = ", ".join(f"{name} {plain(each)}" for name, each in values.items() if each not in (None, []))
    lacks = [(name, value[name]) for name in ("missing", "doubtful", "conflicts") if value[name]]
    return "; ".join([told or "nothing", *(f"{name}: {plain(each)}" for name, each in lacks)])


def _shortened(value: dict[str, JSON]) -> str:
    parts = []
    for name, each in value.items():
        if each in (None, [], {}):
            continue
        if isinstance(each, list):
            small = len(each) <= _FEW and not any(isinstance(item, dict | list) for item in each)
            parts.append(f"{name} {plain(each)}" if small else _counted(len(each), name))
        elif isinstance(each, str) and len(each) > _LONG // 2:
            parts.append(f"{name} of {len(each)} characters")
        elif isinstance(each, dict):
            parts.append(f"{name} ({_shortened(each)})")
        else:
            parts.append(f"{name} {plain(each)}")
    text = ", ".join(parts)
    return text if len(text) <= 2 * _LONG else f"{text[: 2 * _LONG]}…"


def _counted(count: int, name: str) -> str:
    return f"1 {name.removesuffix('s')}" if count == 1 else f"{count} {name}"


def plain(value: JSON) -> str:
    """Return a value as people write it."""
    match value:
        case None:
            return "–"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{name} {plain(each)}" for name, each in value.items())
        case list():
            text = ", ".join(plain(each) for each in value) or "none"
            return text if len(text) <= 2 * _LONG else f"{len(value)}: {text[:_LONG]}…"
        case _:
            text = _HASH.sub(r"\1…", " ".join(str(value).split()))
            return text if len(text) <= _LONG else f"{text[:_LONG]}…"


def about(evidence: Evidence) -> str:
    """Return what a quote speaks for; a place in a list says nothing to people."""
    parts = [part for part in evidence.about.split("/") if part and not part.isdigit()]
    return ".".join([evidence.step, *(part for part in parts if part != evidence.step)])


def why_asked(why: str) -> str:
    """Return in words why a person is asked."""
    return _WHY.get(why, why.replace("escalated:", "the step failed with "))


def who_decided(review: ReviewStory) -> Iterator[str]:
    """Yield lines on one task for a person: why it was asked, who answered what, when."""
    yield f"{review.path}: {review.desk} was asked on {_minute(review.opened_at)}, because: {why_asked(review.why)}"
    if review.decided_at is None:
        due = f", due {_minute(review.due)}" if review.due is not None else ""
        yield f"  open{due}; decide with: aie review decide {review.review}"
        return
    reason = f": {review.reason}" if review.reason else ""
    waited = duration(review.decided_at - review.opened_at)
    yield f"  {review.actor} {_DECIDED.get(review.decision, review.decision)} it after {waited}{reason}"
    for name, (before, after) in review.changed.items():
        yield f"  {name}: {plain(before)} → {plain(after)}"
    yield f"  bound to what was shown: {review.shown_hash.removeprefix('sha256:')[:12]}"


def moved_line(moved: Moved) -> str:
    """Return the alert of a name that came to mean another model."""
    return (
        f"alert: {moved.model} ({moved.snapshot}) answers as {moved.after} since {iso(moved.at)[:16]}Z, "
        f"before as {moved.before}; first in {moved.release}"
    )


def asked_lines(asked: Iterable[AskedModel]) -> Iterator[str]:
    """Yield for each step which models it asked, what came of each, who answered."""
    for step, models in groupby(asked, key=lambda each: each.step):
        yield f"{step}: {', '.join(_came(each) for each in models)}"


def _came(asked: AskedModel) -> str:
    name = asked.model
    paid = [usd(asked.spend.cost)] if asked.calls else []
    match asked.outcome:
        case "answered":
            before = f"failed {_times(asked.failed)}, then " if asked.failed else ""
            calls = asked.calls - asked.failed
            facts = [asked.resolved or asked.snapshot, *asked.regions, *paid]
            repaired = [f"repaired {_times(asked.repairs)}"] if asked.repairs else []
            many = [f"{calls} calls"] if calls > 1 and not repaired else []
            told = ", ".join(each for each in [*facts, *many, *repaired] if each)
            return f"{name} {before}answered{f' ({told})' if told else ''}"
        case "unsure":
            return f"{name} was not sure ({asked.confidence})"
        case "failed" if not asked.calls and asked.failure in _BEFORE_A_CALL:
            return f"{name} was not asked ({asked.failure})"
        case "failed":
            lost = [f"{usd(asked.forfeited.cost)} may have been billed"] if asked.forfeited.cost else []
            told = ", ".join([asked.failure or "its process died", *lost])
            return f"{name} failed{f' {_times(asked.failed)}' if asked.failed > 1 else ''} ({told})"
        case "open":
            return f"{name} has not answered yet"


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


def used_line(used: ComponentUse) -> str:
    """Return what a component is and its name, as people wrote it: a step that names a model has no route."""
    return f"{'model' if used.alone else used.kind} {used.name}"


def circuit_line(left: int, why: str = "") -> str:
    """Return for how long nothing is asked of a model whose circuit breaker is open, in microseconds, and why."""
    said = f"circuit open for another {duration(left)}" if left > 0 else "circuit half open: the next call tries it"
    return f"{said} ({why})" if why else said


def refused_lines(explanation: Explanation) -> Iterator[str]:
    """Yield which models steps were not allowed to ask, and why; then which limit or budget made them ask another."""
    answered = {each.step for each in explanation.asked_models if each.outcome == "answered"}
    # Of a step that nobody answered the failure says it.
    dear = (each for each in explanation.asked_models if each.failure == "limit_reached" and each.step in answered)
    left: list[RefusedModel | AskedModel] = [*explanation.refused_models, *dear]
    for each in left:
        route = f" of {each.route}" if each.route else ""
        if each.why:
            yield f"{each.step}: {each.model}{route} was not asked, {each.why}"


def delivery(effect: Effect) -> str:
    """Return where an effect stands with its receiver, and why where a try failed."""
    kept = effect.state == "failed" and effect.failure == Failure.NOT_PERMITTED.value
    why = ": ".join(each for each in (effect.failure, effect.why) if each)
    return f"{'kept from' if kept else _EFFECT[effect.state]} {effect.receiver}{f' ({why})' if why else ''}"


def limit_lines(explanation: Explanation) -> list[tuple[str, str]]:
    """Return what the run used of each kind, with its limit; nothing used of what has no limit is not told."""
    lines = []
    for each in explanation.limits:
        if each.name == "cost":
            used, bound = usd(each.used), None if each.at_most is None else usd(each.at_most)
        else:
            unit = _UNITS[each.name]
            used, bound = f"{each.used} {unit}", None if each.at_most is None else f"{each.at_most} {unit}"
        if each.used == 0 and each.at_most is None:
            continue
        lines.append((each.name.replace("_", " "), f"{used}, no limit" if bound is None else f"{used} of {bound}"))
    return lines


def cost_line(explanation: Explanation) -> str:
    """Return what the run cost: paid calls by their price, local models by their CPU time."""
    cpu = f"{explanation.cpu_us / 1000:.1f} ms of CPU"
    calls = len(explanation.calls)
    if not calls:
        return f"0 USD: nothing left this machine; {cpu}"
    made = _counted(calls, "calls")
    return f"{usd(explanation.spend.cost)} for {made}, {explanation.spend.tokens} tokens; {cpu}"


def duration(microseconds: int) -> str:
    """Return a length of time in the unit that fits."""
    for unit, size in (("days", 86_400), ("h", 3_600), ("min", 60)):
        if microseconds >= 2 * size * 1_000_000:
            return f"{microseconds // (size * 1_000_000)} {unit}"
    if microseconds >= 1_000_000:
        return f"{microseconds / 1_000_000:.1f} s"
    return f"{microseconds // 1000} ms"


def _minute(at: int) -> str:
    return iso(at)[:16].replace("T", " ") + " UTC"
