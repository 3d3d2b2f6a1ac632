"""Show: thousands of runs against endpoints that misbehave, judged by the endpoints' own logs and bills.

    python -m tests.shows.faults [--runs 2000] [--seed 1] [--store sqlite|postgres] [--control free|hidden]

Each run asks a route of two chat models: the first one's answers come piece by piece, the second one's whole. Of every
ten requests three are served badly, in every way that the server of the test kit knows; for a while the first endpoint
is down altogether. Caps for a run, the workflow and the tenant hold all the while. Exit 1 unless

- every run ended, or waits for a person;
- each request that a server logged for a run is an attempt of it, each attempt that was answered is such a request,
  and each of them is closed;
- no attempt is recorded cheaper than the server billed it, whatever became of its answer: above all no broken one;
- what the servers billed stays within the caps.

`--control free` takes broken answers for free, `--control hidden` sends requests twice, as the retries of a library
would: the same checks must then fail.
"""

import argparse
import contextlib
import json
import os
import re
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any, Final
from unittest import mock

import psycopg

from aie.app import App, Given, executing, lock_release, open_app, runner
from aie.errors import Failure
from aie.models import connect
from aie.models.chat import ChatReply, ChatRequest, Endpoint
from aie.models.providers.direct import Direct
from aie.records.events import AttemptIntended, AttemptSettled, Event, StepFinished, StepHeld
from aie.testing import FAULTS, Fault, OpenAIServer, Served
from tests.shows.servers import postgres_server

MODELS: Final = ("first", "second")
PRICES: Final = {"first": (1, 4), "second": (2, 8)}
"""Micro-USD of a token in and of one out."""
RUN_CAP: Final = 5_000
BROKEN: Final = frozenset({"cut_off", "reset", "truncated", "garbage", "drip", "hang", "hang_up"})
"""Faults after which there is no answer and there is a bill."""
_CASE: Final = re.compile(r"note-\d+")
ANSWER: Final = '{"amount": "12.00 USD", "words": "twelve dollars and not a cent more"}'
ENTRY: Final = """\
  {name}:
    kind: chat
    provider: openai_compatible
    endpoint: env:FAULTS_{url}
    model: {name}-2026-05
    parameters: {{max_tokens: 60}}
    features: [json_schema]
    price: {{input_per_million: {price[0]}.00 USD, output_per_million: {price[1]}.00 USD}}
    context_window: 4000
    timeout: 2 s
    stream: {stream}
    retry: {{rate_limited: 2, provider_down: 2, timeout: 1, invalid_output: 1}}
    breaker: {{failures: 8, within: 5 s, pause: 1 s}}
"""
FILES: Final = {
    "models.yaml": "models:\n"
    + "".join(
        ENTRY.format(name=name, url=name.upper(), price=PRICES[name], stream=str(name == "first").lower())
        for name in MODELS
    )
    + """\
routes:
  reader:
    candidates: [first, second]
    strategy: {kind: fallback, next_on: [provider_down, rate_limited, timeout, invalid_output, model_retired]}
""",
    "workflows/notes/workflow.yaml": """\
workflow: notes
owner: notes@northgate.example
case: input.id
risk: low
limits: {cost: 0.005 USD, tokens: 100000, steps: 10, model_calls: 12}
input: schemas/note.json
output: schemas/fields.json
steps:
  fields: {model: reader, prompt: prompts/fields.md, with: {id: input.id}, returns: schemas/fields.json}
result: {amount: fields.amount}
on: {provider_down: retry 1 then escalate people, "*": escalate people}
""",
    "workflows/notes/prompts/fields.md": "Give the amount of {{ id }}.\n",
    "workflows/notes/schemas/note.json": json.dumps(
        {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}
    ),
    "workflows/notes/schemas/fields.json": json.dumps(
        {"type": "object", "properties": {"amount": {"type": "string", "format": "money"}}, "required": ["amount"]}
    ),
}


def plan(seed: int, runs: int) -> list[Fault]:
    """Return the faults of the first endpoint: three of ten requests, and an outage at a third of its way."""
    drawn = Random(seed)
    mixed = [drawn.choice(FAULTS) if drawn.randrange(10) < 3 else "none" for _ in range(3 * runs)]
    outage: list[Fault] = ["unavailable"] * max(runs // 20, 12)
    return mixed[: runs // 3] + outage + mixed[runs // 3 :]


@dataclass
class Judged:
    """What the servers and the records say of each other."""

    counts: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    billed: int = 0
    """Micro-USD, by the servers."""
    recorded: int = 0
    """Micro-USD, by the attempts."""
    dearest: int = 0
    """Micro-USD that the servers billed for one run at most."""
    broken: Counter[str] = field(default_factory=Counter)


def cost(name: str, served: Served) -> int:
    """Return what a server would charge for a request, in micro-USD."""
    return served.bill.tokens_in * PRICES[name][0] + served.bill.tokens_out * PRICES[name][1]


def by_case(servers: dict[str, OpenAIServer]) -> dict[tuple[str, str], list[Served]]:
    """Return the requests of each case and model, in the order in which they came."""
    found = defaultdict(list)
    for name, server in servers.items():
        for each in server.served:
            found[_CASE.findall(str(each.body["messages"][-1]["content"]))[-1], name].append(each)
    return found


def judge_run(judged: Judged, case: str, events: list[Event], logged: dict[tuple[str, str], list[Served]]) -> None:
    """Hold the attempts of a run against the requests that the servers logged for it."""
    intended = [each for each in events if isinstance(each, AttemptIntended)]
    settled = {each.attempt: each for each in events if isinstance(each, AttemptSettled)}
    judged.counts["attempts"] += len(intended)
    judged.counts["held"] += sum(isinstance(each, StepHeld) for each in events)
    if len(settled) != len(intended):
        judged.broken["attempts that were not closed"] += len(intended) - len(settled)
    billed = 0
    for name in MODELS:
        requests = logged.get((case, name), [])
        attempts = [settled[each.attempt] for each in intended if each.model == name and each.attempt in settled]
        billed += sum(cost(name, each) for each in requests)
        judged.recorded += sum(each.spend["cost"] for each in attempts)
        # A call that could not be put through, or not in time, is an attempt that no server knows of.
        unreached = len(attempts) - len(requests)
        judged.counts["attempts_that_reached_nobody"] += max(unreached, 0)
        if unreached < 0 or unreached > sum(each.failure in {"provider_down", "timeout"} for each in attempts):
            judged.broken["requests without an attempt, or the other way round"] += 1
        elif unreached:
            judge_together(judged, name, requests, attempts)
        else:
            for served, attempt in zip(requests, attempts, strict=True):
                judge_attempt(judged, name, served, attempt)
    judged.billed += billed
    judged.dearest = max(judged.dearest, billed)


def judge_attempt(judged: Judged, name: str, served: Served, attempt: AttemptSettled) -> None:
    """Hold one attempt against the bill for it."""
    charged, said = cost(name, served), attempt.spend["cost"]
    judged.faults[served.bill.fault] += 1
    judged.outcomes[attempt.outcome] += 1
    if served.bill.fault in BROKEN:
        judged.counts["broken_answers"] += 1
        judged.counts["broken_streams"] += bool(served.body.get("stream"))
        judged.counts["broken_answers_for_free"] += said == 0
    if said < charged:
        judged.broken["attempts recorded cheaper than they were billed"] += 1


def judge_together(judged: Judged, name: str, requests: list[Served], attempts: list[AttemptSettled]) -> None:
    """Hold attempts of which nobody can tell which reached the server against the bill for those that did."""
    judged.outcomes.update(each.outcome for each in attempts)
    judged.faults.update(each.bill.fault for each in requests)
    if sum(each.spend["cost"] for each in attempts) < sum(cost(name, each) for each in requests):
        judged.broken["attempts recorded cheaper than they were billed"] += 1


def refusals(events: list[Event]) -> Iterator[str]:
    """Yield why candidates were not asked."""
    for event in events:
        report = event.report if isinstance(event, StepFinished) else None
        route = report.get("route") if isinstance(report, dict) else None
        if isinstance(route, dict):
            yield from (str(each["reason"]) for each in route["refused"])  # type: ignore[union-attr,index,call-overload]


def judge(app: App, runs: dict[str, str], servers: dict[str, OpenAIServer], caps: dict[str, int]) -> Judged:
    """Return what came of the runs (by id, with their cases)."""
    judged, logged = Judged(), by_case(servers)
    for run, case in runs.items():
        row = app.store.run(run)
        events = [each.event for each in app.store.read(run)]
        state = "nowhere" if row is None else row.state
        state = "review" if row is not None and state == "waiting" and row.reviews else state
        judged.states[state] += 1
        if state not in {"completed", "failed", "dead", "review"}:
            judged.broken["runs that neither ended nor wait for a person"] += 1
        judge_run(judged, case, events, logged)
        judged.counts.update(f"refused_{reason}" for reason in refusals(events))
    strangers = {case for case, _ in logged} - set(runs.values())
    judged.broken["requests of no run"] += len(strangers)
    if judged.counts["broken_answers_for_free"]:
        judged.broken["broken answers that were taken for free"] += judged.counts["broken_answers_for_free"]
    for name, billed in (("run", judged.dearest), ("workflow", judged.billed), ("tenant", judged.billed)):
        if billed > caps[name]:
            judged.broken[f"the cap of the {name}: {billed} of {caps[name]} micro-USD"] += 1
    if 2 * judged.states["completed"] < len(runs):
        judged.broken["most runs brought nothing"] += 1
    judged.broken = +judged.broken
    return judged


def workspace(root: Path, caps: dict[str, int], store: str) -> None:
    """Write the workspace."""
    settings = {
        "environments": ["production"],
        "desks": {"people": {}},
        "budgets": {
            "tenant": {"cost": f"{caps['tenant'] / 1_000_000:.6f} USD", "per": "total"},
            "workflows": {"notes": {"cost": f"{caps['workflow'] / 1_000_000:.6f} USD", "per": "total"}},
        },
        **({"store": store} if store else {}),
    }
    for path, text in {**FILES, "aie.yaml": json.dumps(settings)}.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def show(count: int, seed: int, *, store: str = "", workers: int = 1) -> dict[str, Any]:
    """Let so many runs go on and return what came of them.

    Args:
        count: of runs.
        seed: of the faults.
        store: address; empty for SQLite in the workspace.
        workers: executors of the store, each with threads of its own.
    """
    began = time.monotonic()
    # Less than what the calls of all runs may cost: towards the end, budgets refuse some.
    caps = {"run": RUN_CAP, "workflow": 400 * count, "tenant": 410 * count}
    with contextlib.ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aie-faults-")))
        servers = {
            "first": stack.enter_context(OpenAIServer(ANSWER, faults=plan(seed, count), retry_after=1)),
            "second": stack.enter_context(OpenAIServer(ANSWER, seed=seed, fault_rate=0.3, retry_after=3)),
        }
        os.environ |= {f"FAULTS_{name.upper()}": server.url for name, server in servers.items()}
        workspace(root, caps, store)
        app = stack.enter_context(open_app(root))
        for _ in range(workers - 1):
            stack.enter_context(executing(stack.enter_context(open_app(root))))
        here = stack.enter_context(runner(app))
        release = lock_release(app, "notes").release.id
        # The libraries of the adapter are imported with its first call: seconds in which others would run out of time.
        connect("openai_compatible")
        given = [Given(name=f"note-{n}", folder=root, data={"id": f"note-{n}"}) for n in range(count)]
        runs = {here.submit(each, release).run: each.name for each in given}
        until = time.monotonic() + 60 + count
        for run in runs:
            here.wait(run, timeout=max(until - time.monotonic(), 0.1))
        judged = judge(app, runs, servers, caps)
        logged = sum(len(server.served) for server in servers.values())
    completed = judged.states["completed"]
    return {
        "attempted": count,
        "accepted": completed,
        "refused": count - completed,
        "skipped": 0,
        "states": dict(judged.states),
        "requests": logged,
        **judged.counts,
        "faults": dict(sorted(judged.faults.items())),
        "outcomes": dict(judged.outcomes),
        "micro_usd": {"billed": judged.billed, "recorded": judged.recorded, "dearest_run": judged.dearest},
        "caps": caps,
        "seconds": round(time.monotonic() - began, 1),
        "broken": dict(judged.broken),
    }


def _free(attempt: Any, failure: Failure, *, ms: int) -> None:
    """Settle a call that may have been billed as one that surely was not."""
    attempt.release(failure, ms=ms)


def _twice(send: Callable[..., ChatReply]) -> Callable[..., ChatReply]:
    def sent(self: Direct, request: ChatRequest, endpoint: Endpoint) -> ChatReply:
        with contextlib.suppress(Exception):
            send(self, request, endpoint)
        return send(self, request, endpoint)

    return sent


@contextlib.contextmanager
def control(kind: str) -> Iterator[None]:
    """Break what the show guards: `free` or `hidden`; nothing for an empty kind."""
    with contextlib.ExitStack() as stack:
        if kind == "free":
            stack.enter_context(mock.patch("aie.runs.attempts._Open.forfeit", _free))
        if kind == "hidden":
            stack.enter_context(mock.patch.object(Direct, "stream", _twice(Direct.stream)))
            stack.enter_context(mock.patch.object(Direct, "invoke", _twice(Direct.invoke)))
        yield


def main() -> int:
    """Run the show or one of its controls."""
    parser = argparse.ArgumentParser(prog="python -m tests.shows.faults", description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--store", choices=["sqlite", "postgres"], default="sqlite")
    parser.add_argument("--workers", type=int, default=3, help="executors on Postgres; SQLite has one")
    parser.add_argument("--control", choices=["free", "hidden"], default="", help="must fail")
    given = parser.parse_args()
    with contextlib.ExitStack() as stack:
        stack.enter_context(control(given.control))
        url, workers = "", 1
        if given.store == "postgres":
            server = stack.enter_context(postgres_server())
            with psycopg.connect(server.format("postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE faults")
            url, workers = server.format("faults"), given.workers
        found = show(given.runs, given.seed, store=url, workers=workers)
    print(json.dumps(found | {"control": given.control}, indent=1))
    return 1 if found["broken"] else 0


if __name__ == "__main__":
    sys.exit(main())
