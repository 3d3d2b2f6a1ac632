"""What a workspace's files show that is no mistake and will disappoint: told by `aie check`, refused by nobody."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from ipaddress import ip_address
from itertools import pairwise
from typing import Final
from urllib.parse import urlsplit

from aie.config import ChatModel, ModelsSpec, Workspace, day_start, nearest
from aie.core import JSON, Labels
from aie.models import HARMLESS, Call, live_facts, pin_route, plan, price_at, read_route
from aie.releases.catalog import retiring
from aie.releases.expected import ExpectedLabels
from aie.releases.flow import flow_of
from aie.releases.policy import POLICY, Policy, read_policy
from aie.releases.release import Release

__all__ = ["warnings"]

_WARMEST: Final = {"anthropic": "1"}
"""The largest temperature of protocols that do not take 2."""
_SOON: Final = 90 * 86_400_000_000
"""Before the end of the last price sheet, in microseconds: as early as a retirement that says nothing is warned of."""


def warnings(workspace: Workspace, releases: Iterable[Release], now: int) -> Iterator[str]:
    """Yield a sentence each, with the key that it is about.

    Args:
        workspace: its files, without mistakes.
        releases: what they make of each workflow.
        now: microseconds since the epoch.
    """
    models = workspace.models
    for name, entry in sorted(models.models.items()):
        end = retiring(entry, now)
        if end is not None:
            yield str(end)
        if isinstance(entry, ChatModel):
            yield from (f"models.{name}.{each}" for each in _of_chat_model(entry, now))
    yield from _never_asked(models, now)
    for release in releases:
        yield from _never_shown(models, release, now)


def _of_chat_model(entry: ChatModel, now: int) -> Iterator[str]:
    url = urlsplit("" if entry.endpoint.startswith("env:") else entry.endpoint)
    if url.scheme == "http" and not _is_here(url.hostname or ""):
        yield f"endpoint: plain http to {url.hostname}: the key and what is shown can be read on the way; use https"
    parameters, tpm = entry.parameters, entry.rates.tpm
    answer = min(parameters.max_tokens, entry.max_output or parameters.max_tokens)
    if tpm is not None and tpm <= answer:
        yield f"rates.tpm: a call may need more than the {answer} tokens of its answer, {tpm} a minute never fit it"
    warmest = _WARMEST.get(entry.provider, "2")
    if Decimal(parameters.temperature) > Decimal(warmest):
        yield f"parameters.temperature: {parameters.temperature} is above {warmest}, the most that the protocol has"
    yield from _sheets(entry, now)


def _is_here(host: str) -> bool:
    """Whether a host of a URL is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _sheets(entry: ChatModel, now: int) -> Iterator[str]:
    """Yield what is odd about the days of price sheets: two at a time, and none, the last end only when it is near."""
    sheets = sorted(entry.sheets(), key=lambda each: day_start(each.valid_from) if each.valid_from else -1)
    for sheet, later in pairwise(sheets):
        if later.valid_from is None or later.valid_from == sheet.valid_from:
            when = f"on {later.valid_from}" if later.valid_from else "at the same time"
            yield f"price: two sheets begin {when}: the one written first counts"
        elif sheet.until is not None and sheet.until > later.valid_from:
            both = min(sheet.until, later.until or sheet.until)
            yield f"price: two sheets hold from {later.valid_from} until {both}: the later one counts"
    for end in sorted({each.until for each in sheets if each.until is not None}):
        begins = next(
            (each.valid_from for each in sheets if each.valid_from is not None and each.valid_from > end), None
        )
        if price_at(entry, day_start(end)) is None and (begins is not None or day_start(end) - now <= _SOON):
            yield f"price: nobody knows it from {end}{f' until {begins}' if begins else ''}: no call is made"


def _never_asked(models: ModelsSpec, now: int) -> Iterator[str]:
    """Yield the candidates of routes that nobody could ask anything."""
    for name in sorted(models.routes):
        written = models.route(name)
        assert written is not None, "a route without mistakes has its candidates"
        route = read_route(pin_route(written))
        facts = {each.name: live_facts(models, each.live, now) for each in route.candidates}
        for each in plan(route, HARMLESS, facts).refused:
            how = "cannot be asked" if each.reason == "price" else "can never be asked"
            yield f"routes.{name}: {each.model} {how}: {each.why}"


def _never_shown(models: ModelsSpec, release: Release, now: int) -> Iterator[str]:
    """Yield the steps whose every model is refused for the labels of what the step reads."""
    policy = read_policy(release.components[POLICY]) if POLICY in release.components else Policy()
    flow = flow_of(release.plan)
    expected = ExpectedLabels(flow, policy, release.components)
    for step, node in flow.nodes.items():
        labels = expected.read_by(step)
        call = Call(request=HARMLESS.request, labels=labels)
        for key in sorted(_routes(node.config) & release.components.keys()):
            route = read_route(release.components[key])
            facts = {each.name: live_facts(models, each.live, now) for each in route.candidates}
            planned = plan(route, call, facts)
            if not planned.order:
                why = "; ".join(f"{each.model}: {each.why}" for each in planned.refused)
                yield f"{release.workflow}: {step} can ask nobody: {why}{_meant(models, labels)}"


def _routes(config: JSON | Mapping[str, JSON]) -> set[str]:
    """Return the routes that a step's configuration names, at whatever depth."""
    if isinstance(config, str):
        return {config} if config.startswith("route:") else set()
    inner = config.values() if isinstance(config, Mapping) else config if isinstance(config, list) else ()
    return {name for each in inner for name in _routes(each)}


def _meant(models: ModelsSpec, labels: Labels) -> str:
    """Return the data classes that were probably meant, where no model knows one."""
    known = sorted({each for entry in models.models.values() for each in entry.data_classes or ()})
    strange = ((each, nearest(each, known)) for each in sorted(labels.classes) if each not in known)
    return "".join(f"; did you mean `{near}` by `{each}`?" for each, near in strange if near is not None)
