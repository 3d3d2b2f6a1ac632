"""Planning: which candidates of a route a call may go to, in which order, and why each other one is refused.

Pure: the same route, call and facts give the same plan. Constraints are hard; what is not known fulfils none of them.
No strategy, failure or budget brings back a candidate that was refused.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from hashlib import sha256
from operator import is_
from types import MappingProxyType
from typing import Any, Final

from aie.core import JSON, Labels, Spend, iso, usd
from aie.models.chat import ChatRequest, input_bound
from aie.models.prices import Price
from aie.models.routes import Candidate, PinnedRoute

__all__ = ["HARMLESS", "Call", "Facts", "Planned", "Refused", "plan", "worst_case"]

Facts = Mapping[str, Any]
"""Live facts of one model, as `aie.models.live_facts` gives them."""

_NONE: Final[Facts] = MappingProxyType({})
_TEXT: Final = frozenset({"text"})
_BYTES_A_TOKEN: Final = 4
"""Of ordinary text. What fits a context window is judged by it; what a call may cost, by one byte a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """What is asked, whoever is asked."""

    request: ChatRequest | None
    """The request but for what each candidate pins; None when only classifiers are asked."""
    labels: Labels = field(default_factory=Labels)
    """Of everything that is shown."""
    case: str = ""
    """Keyed hash of the business case."""
    began: int = 0
    """When the run was accepted that asks, microseconds since the epoch: models that had retired by then are not asked.
    0: no run asks."""

    @property
    def modalities(self) -> frozenset[str]:
        """What the candidate must be able to see; nothing, when only classifiers are asked."""
        if self.request is None:
            return frozenset()
        parts = self.request.parts
        return frozenset({"text", *(each.modality for each in parts)}) if parts else _TEXT


HARMLESS: Final = Call(request=ChatRequest(model="", user="", max_tokens=0))
"""Shows nothing to anybody: who may not be asked this may not be asked anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A candidate that may not be asked."""

    model: str
    reason: str
    """`unknown`, `blocked`, `not_approved`, `circuit_open`, `approvals`, `regions`, `retention`, `data_classes`,
    `modalities`, `features`, `context`, `price`, `max_cost`, `quality`, `retired` or `budget`."""
    why: str
    """In words."""

    def to_json(self) -> dict[str, JSON]:
        """Return the form that stands in a step's report."""
        return {"model": self.model, "reason": self.reason, "why": self.why}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What came of planning."""

    route: PinnedRoute
    order: tuple[Candidate, ...]
    """Who may be asked, first to last."""
    worst: Mapping[str, Spend]
    """The most that a call of each of them can use."""
    refused: tuple[Refused, ...]
    facts: Mapping[str, Facts] = field(default_factory=dict)
    """What was known of each candidate when it was planned."""
    constraints: Facts = field(default_factory=dict)
    """Of the route as they were then, beside the pinned ones."""

    def to_json(self) -> dict[str, JSON]:
        """Return the form that stands in a step's report."""
        return {
            "route": "" if self.route.alone else self.route.name,
            "strategy": self.route.strategy["kind"],
            "candidates": [{"model": each.name, "worst": self.worst[each.name].cost} for each in self.order],
            "refused": [each.to_json() for each in self.refused],
        }


def plan(route: PinnedRoute, call: Call, facts: Mapping[str, Facts], constraints: Facts | None = None) -> Planned:
    """Return who may be asked and who may not.

    Args:
        route: as the release pins it.
        call: what is asked.
        facts: of each candidate, by its name, as they are now; a candidate without any is refused.
        constraints: of the route as they are now; they hold beside the pinned ones.
    """
    lawful: list[Candidate] = []
    refused: list[Refused] = []
    worst: dict[str, Spend] = {}
    now = constraints or _NONE
    for candidate in route.candidates:
        known = facts.get(candidate.name) or _NONE
        most = None if known.get("price") is None and candidate.kind == "chat" else worst_case(candidate, call, known)
        reason = _standing(route, candidate, call, known, now) or next(
            _objections(route, candidate, call, known, now, most), None
        )
        if reason is not None:
            refused.append(Refused(model=candidate.name, reason=reason[0], why=reason[1]))
            continue
        assert most is not None, "a model without a price is refused"
        lawful.append(candidate)
        worst[candidate.name] = most
    return Planned(
        route=route,
        order=tuple(_ordered(route, lawful, worst, call)),
        worst=worst,
        refused=tuple(refused),
        facts=facts,
        constraints=now,
    )


def worst_case(candidate: Candidate, call: Call, facts: Facts) -> Spend:
    """Return the most that one call of a candidate whose price is known can use."""
    if candidate.kind != "chat" or call.request is None:
        return Spend()
    window = candidate.pinned["context_window"]
    tokens_in = input_bound(call.request, window=window, image=facts.get("tokens_per_image"))
    cost = Price.from_json(facts["price"]).worst(tokens_in, candidate.max_tokens)
    return Spend(cost=cost, tokens=tokens_in + candidate.max_tokens, calls=1)


# ---------------------------------------------------------------- constraints

_Objection = tuple[str, str]


def _standing(route: PinnedRoute, candidate: Candidate, call: Call, facts: Facts, now: Facts) -> _Objection | None:
    """Return why a candidate may not be asked whatever the size of the call, or None.

    It is looked for anew only when something else is asked, or known, than by the last call.
    """
    rests_on = (candidate, facts, now, call.labels, call.modalities)
    known = route.standing.get(candidate.name)
    if known is None or not all(map(is_, known[0][:3], rests_on)) or known[0][3:] != rests_on[3:]:
        known = route.standing[candidate.name] = (
            rests_on,
            next(_objections_to(route, candidate, call, facts, now), None),
        )
    return known[1]


def _objections_to(
    route: PinnedRoute, candidate: Candidate, call: Call, facts: Facts, now: Facts
) -> Iterator[_Objection]:
    """Yield why a candidate may not be asked anything of this kind; the first one is told."""
    if not facts:
        yield "unknown", "models.yaml does not name it any more"
        return
    if facts.get("blocked"):
        yield "blocked", str(facts["blocked"])
    if facts.get("approved") is not True:
        yield "not_approved", "it is not approved any more"
    if facts.get("circuit"):
        yield "circuit_open", str(facts["circuit"])
    for constraints in (route.constraints, now):
        yield from _permitted(candidate, constraints, facts)
    yield from _labels(candidate, call.labels, facts)
    yield from _able(candidate, call, facts)


def _objections(
    route: PinnedRoute, candidate: Candidate, call: Call, facts: Facts, now: Facts, worst: Spend | None
) -> Iterator[_Objection]:
    """Yield why a candidate that nothing stands against may not be asked this; the first one is told."""
    yield from _fits(candidate, call)
    yield from _affordable(route, candidate, now, worst)
    floor = route.strategy.get("quality")
    if floor is not None:
        score = candidate.pinned.get("quality")
        if score is None:
            yield "quality", f"it was not measured on {floor['dataset']}"
        elif Decimal(score) < Decimal(floor["at_least"]):
            yield "quality", f"{_percent(score)} of {floor['dataset']} right, {_percent(floor['at_least'])} wanted"
    # Last: whoever is refused for it could be asked but for its calendar.
    retires = facts.get("retires")
    if retires is not None and retires <= call.began:
        yield "retired", f"it retired on {iso(retires)[:10]}{_end(facts)}"


def _end(facts: Facts) -> str:
    owner = f", owner {facts['owner']}" if facts.get("owner") else ", which has no owner"
    instead = f", replaced by {facts['replacement']}" if facts.get("replacement") else ""
    return f"{owner}{instead}"


def _permitted(candidate: Candidate, wanted: Facts, facts: Facts) -> Iterator[_Objection]:
    if wanted.get("regions") is not None:
        yield from _outside(candidate, wanted["regions"], facts, "the route allows")
    most = wanted.get("retention_days")
    if most is not None:
        kept = 0 if _here(candidate, facts, "retention_days") else facts.get("retention_days")
        if kept is None:
            yield "retention", "nobody knows how long its provider keeps what it is sent"
        elif kept > most:
            yield "retention", f"its provider keeps what it is sent for {kept} days, the route allows {most}"
    if facts.get("approvals", 0) < wanted.get("approvals", 0):
        yield "approvals", f"{facts.get('approvals', 0)} people approved it, {wanted['approvals']} are wanted"
    if candidate.kind == "chat" and (wanted.get("modalities") or wanted.get("features")):
        missing = sorted(set(wanted.get("modalities", ())) - set(facts.get("modalities", ())))
        if missing:
            yield "modalities", f"it cannot be shown {', '.join(missing)}"
        features = candidate.pinned.get("features")
        lacking = sorted(set(wanted.get("features", ())) - set(features or ()))
        if lacking:
            yield (
                "features",
                f"{'it lacks' if features is not None else 'nobody knows whether it has'} {', '.join(lacking)}",
            )


def _outside(candidate: Candidate, allowed: Sequence[str], facts: Facts, who: str) -> Iterator[_Objection]:
    """Yield the objection to a model that works anywhere else than in the allowed regions."""
    regions = facts.get("regions")
    if regions is None and _here(candidate, facts, "regions"):
        return
    where = ", ".join(sorted(allowed)) or "none"
    if not regions:
        yield "regions", f"nobody knows where it processes; {who} {where}"
    elif not set(regions) <= set(allowed):
        yield "regions", f"it processes in {', '.join(sorted(regions))}; {who} {where}"


def _labels(candidate: Candidate, labels: Labels, facts: Facts) -> Iterator[_Objection]:
    """Yield the objections of the values themselves, whatever the route allows."""
    if labels.regions is not None:
        yield from _outside(candidate, sorted(labels.regions), facts, "what it would be shown may be processed in")
    seen = facts.get("data_classes")
    if seen is None and _here(candidate, facts, "data_classes"):
        return
    hidden = sorted(labels.classes - set(seen or ()))
    if hidden:
        yield "data_classes", f"it may not be shown data of class {', '.join(hidden)}"


def _able(candidate: Candidate, call: Call, facts: Facts) -> Iterator[_Objection]:
    if candidate.kind != "chat":
        return
    unseen = sorted(call.modalities.difference(facts.get("modalities", ("text",))))
    if unseen:
        yield "modalities", f"it cannot be shown {', '.join(unseen)}"


def _fits(candidate: Candidate, call: Call) -> Iterator[_Objection]:
    if candidate.kind != "chat" or call.request is None:
        return
    request, window = call.request, candidate.pinned["context_window"]
    size = len(request.user.encode()) + len(request.system.encode()) + len(request.schema.encode())
    tokens = size // _BYTES_A_TOKEN + candidate.max_tokens
    if tokens > window:
        yield "context", f"about {tokens} tokens with the answer, its context window has {window}"


def _affordable(route: PinnedRoute, candidate: Candidate, now: Facts, worst: Spend | None) -> Iterator[_Objection]:
    if candidate.kind != "chat":
        return
    if worst is None:
        yield "price", "nobody knows what it costs now"
        return
    bounds = [
        each["max_cost_per_call"] for each in (route.constraints, now) if each.get("max_cost_per_call") is not None
    ]
    if bounds and worst.cost > min(bounds):
        yield "max_cost", f"a call may cost {usd(worst.cost)}, the route allows {usd(min(bounds))}"


def _here(candidate: Candidate, facts: Facts, fact: str) -> bool:
    """True for a model inside this process, of which the catalog says nothing else: nothing leaves."""
    return candidate.kind != "chat" and facts.get(fact) is None


def _percent(share: str) -> str:
    return f"{Decimal(share) * 100:.1f}%"


# ---------------------------------------------------------------- strategies


def _ordered(
    route: PinnedRoute, lawful: Sequence[Candidate], worst: Mapping[str, Spend], call: Call
) -> Sequence[Candidate]:
    match route.strategy["kind"]:
        case "cheapest":
            return sorted(lawful, key=lambda each: worst[each.name].cost)
        case "weighted":
            weights = route.strategy["weights"]
            return sorted(lawful, key=lambda each: _draw(call.case, each.name, weights[each.name]))
        case _:
            return lawful


def _draw(case: str, name: str, weight: int) -> Decimal:
    """Return the key of weighted rendezvous hashing: the least one wins in proportion to the weights.

    A candidate that comes or goes moves only the cases that it wins. The logarithm of a Decimal is the same everywhere.
    """
    drawn = int.from_bytes(sha256(f"{case}\0{name}".encode()).digest()[:16], "big") + 1
    with localcontext(prec=40):
        return -(Decimal(drawn) / (1 << 128)).ln() / weight
