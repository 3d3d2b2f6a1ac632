"""Show: a local classifier first, a costlier candidate only where it is not sure, and what each threshold buys.

All 1,833 test requests of clinc150 as durable runs, at several thresholds, each a release of its own. The costlier
candidate is **no language model**: it is the test kit's server, whose oracle knows the true label and gives it for a
stated share of the requests, drawn by seed, and a wrong one for the others. So what it answers is invented; what is
shown is the cascade: who was escalated, what it cost, and that the whole curve can be told from two of its points.

The curve is made from the confidences recorded at threshold 0 (nobody escalated) and the answers and bills recorded at
threshold 1. Then runs at other thresholds must lie on it, exactly: same accuracy, same requests escalated, same cost;
the cost in the records must be the server's own bill. A second route has a larger local classifier in the oracle's
place, which costs nothing but time: its numbers (`local_only`) are real.

    AIE_DATA=FOLDER python -m tests.shows.clinc150_cascade --seed 1
    AIE_DATA=FOLDER python -m tests.shows.clinc150_cascade --seed 1 --control   # escalation broken, twice: must fail
"""

import argparse
import json
import os
import random
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from unittest import mock

from aie.app import Given, lock_release, open_app, runner
from aie.config import Case
from aie.layers.calling.walking import walk
from aie.records.events import AttemptSettled, StepFinished
from aie.testing import OpenAIServer
from tests.shows.public_data import aie, cases, data_folder, workspace

__all__ = ["run_show"]

WORKSPACE: Final = Path(__file__).parent / "workspaces" / "cascade"
ORACLE: Final = Decimal("0.97")
"""Share of the requests of which the oracle gives the true label."""
THRESHOLDS: Final = tuple(f"{step / 100:.2f}" for step in (*range(0, 95, 5), *range(95, 101)))
BETWEEN: Final = ("0.50", "0.90")
"""Thresholds at which the curve is compared with runs."""
INPUT, OUTPUT = 500_000, 2_000_000
"""Micro-USD for a million tokens, as in models.yaml."""
_FENCED: Final = re.compile(r"<data-[0-9a-f]+>(.*?)</data-[0-9a-f]+>", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What the records of one run say."""

    truth: str
    label: str
    confidence: str | None
    """Of the first candidate."""
    escalated: bool
    cost: int
    """Micro-USD."""


class Oracle:
    """Stands in for a model: right for a stated share of the requests, whoever asks and however often."""

    def __init__(self, given: Sequence[Case], seed: int) -> None:
        labels = sorted({_truth(case) for case in given})
        drawn = random.Random(seed)
        self._answers = {}
        for case in given:
            truth = _truth(case)
            right = drawn.random() < ORACLE
            wrong = drawn.choice([label for label in labels if label != truth])
            self._answers[str(case.input["text"])] = truth if right else wrong

    def __call__(self, body: dict[str, Any]) -> str:
        """Answer one request."""
        return json.dumps({"label": self._answers[asked(body)]})


def asked(body: Mapping[str, Any]) -> str:
    """Return the customer's words in what the wire carried."""
    return str(_FENCED.findall(body["messages"][-1]["content"])[-1]).strip()


def run_show(data: Path, *, seed: int, broken: str = "") -> dict[str, Any]:
    """Run the show and return its counts with every limit that was missed under `missed`."""
    with (
        tempfile.TemporaryDirectory(prefix="aie-cascade-") as folder,
        workspace(Path(folder), data, seed=seed, of=WORKSPACE) as root,
    ):
        for model in ("quick", "thorough"):
            aie(root, "train", model)
        given = cases(root, "intents", "requests", "test")
        with OpenAIServer(Oracle(given, seed)) as server, escalation(broken):
            os.environ["CASCADE_ENDPOINT"] = server.url
            paid = _Points(root, given, server)
            paid.run("paid", ("0.00", *(BETWEEN[-1:] if broken else BETWEEN), "1.00"))
            free = None if broken else _Points(root, given, server)
            if free is not None:
                free.run("free", ("0.00", BETWEEN[-1], "1.00"))
    curve = paid.curve()
    limits = paid.limits("paid") | ({} if free is None else free.limits("free")) | _worth(curve)
    every = [paid] if free is None else [paid, free]
    attempted, completed = sum(each.attempted for each in every), sum(each.completed for each in every)
    return {
        "show": "clinc150_cascade",
        "seed": seed,
        "broken": broken,
        "second_candidate": f"an oracle on the test server, right for {ORACLE:.0%} of the requests by construction",
        "attempted": attempted,
        "accepted": completed,
        "refused": attempted - completed,
        "skipped": 0,
        "points_run": paid.told,
        "curve": curve,
        "local_only": None if free is None else {"points_run": free.told, "curve": free.curve()},
        "missed": [limit for limit, kept in limits.items() if not kept],
    }


class _Points:
    """Operating points of one route, run and compared."""

    def __init__(self, root: Path, given: Sequence[Case], server: OpenAIServer) -> None:
        self._root, self._given, self._server = root, given, server
        self._made: dict[str, list[Made]] = {}
        self.told: list[dict[str, Any]] = []
        self.attempted = self.completed = 0
        self._held: dict[str, bool] = {}

    def run(self, route: str, thresholds: Sequence[str]) -> None:
        """Run every case at each threshold."""
        for threshold in thresholds:
            before = len(self._server.bills)
            made = self._made[threshold] = list(self._answers(route, threshold))
            calls = self._server.requests[before:]
            bill = sum(_price(each.tokens_in, each.tokens_out) for each in self._server.bills[before:])
            self.attempted += len(self._given)
            self.completed += len(made)
            self.told.append({**_point(threshold, made), "calls": len(calls), "bill": bill})
            whole = self._held
            whole[f"at {threshold} every run completed"] = len(made) == len(self._given)
            whole[f"at {threshold} the records hold the bill"] = sum(each.cost for each in made) == bill
            whole[f"at {threshold} who was escalated was unsure, and nobody else"] = all(
                each.escalated == (each.confidence is not None and Decimal(each.confidence) < Decimal(threshold))
                and each.confidence is not None
                for each in made
            )
            if route == "paid":
                unsure = sorted(
                    str(case.input["text"]) for case, each in zip(self._given, made, strict=True) if each.escalated
                )
                whole[f"at {threshold} the server saw the unsure, and nobody else"] = unsure == sorted(
                    asked(body) for body in calls
                )

    def curve(self) -> list[dict[str, Any]]:
        """Return accuracy, cost and share at every threshold, told from the two ends."""
        return [_point(each, self._told(each)) for each in THRESHOLDS]

    def limits(self, route: str) -> dict[str, bool]:
        """Return what had to hold."""
        on = {f"at {each} the runs lie on the curve": self._told(each) == made for each, made in self._made.items()}
        return {f"{route}: {limit}": kept for limit, kept in (self._held | on).items()}

    def _told(self, threshold: str) -> list[Made]:
        """Return what runs at a threshold must give: of the unsure what threshold 1 recorded, of the others 0."""
        return [
            last if first.confidence is not None and Decimal(first.confidence) < Decimal(threshold) else first
            for first, last in zip(self._made["0.00"], self._made["1.00"], strict=True)
        ]

    def _answers(self, route: str, threshold: str) -> Iterator[Made]:
        models, flow = self._root / "models.yaml", self._root / "workflows/intents/workflow.yaml"
        models.write_text(re.sub(r'threshold: "[0-9.]+"', f'threshold: "{threshold}"', models.read_text()))
        flow.write_text(re.sub(r"\{model: \w+,", f"{{model: {route},", flow.read_text()))
        with open_app(self._root) as app:
            release = lock_release(app, "intents").release.id
            with runner(app) as here:
                runs = []
                for case in self._given:
                    data = {**case.input, "id": f"{case.id} {route} {threshold}"}  # each a business case of its own
                    given = Given(name=case.id, folder=self._root, data=data)
                    runs.append(here.submit(given, release, queue="bulk").run)
                for run in runs:
                    here.wait(run, timeout=300)
            for case, run in zip(self._given, runs, strict=True):
                yield from _made(case, [each.event for each in app.store.read(run)])


def _made(case: Case, events: Sequence[Any]) -> Iterator[Made]:
    cost = sum(each.spend["cost"] for each in events if isinstance(each, AttemptSettled))
    for event in events:
        if isinstance(event, StepFinished):
            report: Any = event.report
            output: Any = event.output
            first = report["route"]["tried"][0]
            escalated = len(report["route"]["tried"]) > 1
            # Of the first candidate, which is always the small classifier: as it was passed over, or as it answered.
            confidence = first.get("unsure") if escalated else report.get("confidence")
            yield Made(
                truth=_truth(case),
                label=output["label"],
                confidence=confidence,
                escalated=escalated,
                cost=cost,
            )


def _point(threshold: str, made: Sequence[Made]) -> dict[str, Any]:
    count = max(1, len(made))
    right = sum(each.label == each.truth for each in made)
    escalated = sum(each.escalated for each in made)
    return {
        "threshold": threshold,
        "accuracy": f"{Decimal(right) / count:.4f}",
        "escalated": f"{Decimal(escalated) / count:.4f}",
        "micro_usd_per_1000": sum(each.cost for each in made) * 1000 // count,
    }


def _worth(curve: Sequence[Mapping[str, Any]]) -> dict[str, bool]:
    first, last = curve[0], curve[-1]
    costs = [each["micro_usd_per_1000"] for each in curve]
    best = max(Decimal(each["accuracy"]) for each in curve)
    cheap = [each for each in curve if Decimal(each["accuracy"]) >= Decimal(last["accuracy"]) - Decimal("0.01")]
    return {
        "nothing escalated costs nothing": first["micro_usd_per_1000"] == 0 == Decimal(first["escalated"]),
        "a higher threshold never costs less": costs == sorted(costs),
        "somewhere the accuracy of asking always, less .01, for 60% of its cost or less": bool(cheap)
        and cheap[0]["micro_usd_per_1000"] * 100 <= last["micro_usd_per_1000"] * 60,
        "escalating gains at least .05": best >= Decimal(first["accuracy"]) + Decimal("0.05"),
    }


def _price(tokens_in: int, tokens_out: int) -> int:
    """Return the micro-USD of one call, as a provider rounds that charges whole micro-USD."""
    return -(-(tokens_in * INPUT + tokens_out * OUTPUT) // 1_000_000)


def _truth(case: Case) -> str:
    return str((case.expected or {})["intent"])


@contextmanager
def escalation(broken: str) -> Iterator[None]:
    """Break the cascade: it escalates `nothing`, or `everything`; unbroken when empty."""
    if not broken:
        yield
        return
    unsure: Callable[[object], str | None] = (lambda _: None) if broken == "nothing" else (lambda _: "0.0000")
    with mock.patch("aie.layers.model.choosing.walk", lambda planned, ask, tools, _: walk(planned, ask, tools, unsure)):
        yield


def main() -> int:
    """Print the counts; fail on a limit that was missed, and with 2 when there is no data."""
    parser = argparse.ArgumentParser(description="The whole curve of a cascade on clinc150, through durable runs.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="break the escalation: the show must fail")
    given = parser.parse_args()
    data = data_folder()
    if data is None:
        json.dump({"show": "clinc150_cascade", "skipped": "AIE_DATA names no folder"}, sys.stdout)
        return 2
    reports = [
        run_show(data, seed=given.seed, broken=broken)
        for broken in (("nothing", "everything") if given.control else ("",))
    ]
    json.dump(reports if given.control else reports[0], sys.stdout, indent=1)
    sys.stdout.write("\n")
    # With two controls, one that goes unnoticed is enough to say that the show proves nothing.
    return 1 if all(report["missed"] for report in reports) else 0


if __name__ == "__main__":
    sys.exit(main())
