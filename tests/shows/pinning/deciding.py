"""Decisions that meet: two at one moment, one on a page that is shown no more."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from random import Random
from typing import Final

from aie.records.events import ReviewDecided, RunFinished
from tests.shows.forked import forked
from tests.shows.pinning.counting import Counts
from tests.shows.pinning.moving import Waiting
from tests.shows.pinning.place import BREAKS, Package, Place, events_of

__all__ = ["at_one_moment", "on_a_stale_page"]

_CONFLICT: Final = 4
"""Status of a command whose decision is refused because of another one, or of another page."""

_DECIDER: Final = """
import contextlib, io, json, sys
from aie.cli.main import main
print("ready", flush=True)
for line in sys.stdin:
    talk = io.StringIO()
    try:
        with contextlib.redirect_stdout(talk), contextlib.redirect_stderr(talk):
            main(json.loads(line))
    except SystemExit as ended:
        print(json.dumps([ended.code or 0, talk.getvalue()]), flush=True)
raise SystemExit
"""
"""A process that runs the command once for each line: two of them start the same decision within a millisecond."""

_VERDICTS: Final = (
    ("approve",),
    ("correct", "--set", "label=home"),
    ("reject", "--reason", "not ours"),
)


class _Decider:
    """One process that decides when told."""

    def __init__(self, place: Place, package: Package, actor: str) -> None:
        self.actor = actor
        self.process = subprocess.Popen(
            forked(package.source).words(BREAKS[package.breaks] + _DECIDER),
            cwd=place.root,
            env=package.environment({**place.more, "AIE_ACTOR": actor}),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self._tell, self._hear = self.process.stdin, self.process.stdout
        if self._hear.readline().strip() != "ready":
            raise RuntimeError("a decider did not start")

    def tell(self, *arguments: str) -> None:
        """Begin a command."""
        self._tell.write(json.dumps(arguments) + "\n")
        self._tell.flush()

    def hear(self) -> tuple[int, str]:
        """Return the status of the command that was begun, and what it said."""
        status, said = json.loads(self._hear.readline())
        return int(status), str(said)

    def stop(self) -> None:
        """Let the process end."""
        self._tell.close()
        self.process.wait(timeout=60)
        self._hear.close()


@contextmanager
def _deciders(place: Place, package: Package) -> Iterator[tuple[_Decider, _Decider]]:
    both = (_Decider(place, package, "ann"), _Decider(place, package, "bob"))
    try:
        yield both
    finally:
        for each in both:
            each.stop()


def at_one_moment(
    counts: Counts, place: Place, waiting: Waiting, *, pairs: int, random: Random, breaks: str = ""
) -> None:
    """Two people decide the same review at once, differently: one counts, the other is told so."""
    kind = "two decisions at one moment"
    package = Package(source=place.package.source, breaks=breaks)
    won: dict[str, tuple[str, str]] = {}
    with _deciders(place, package) as both:
        for _ in range(pairs):
            run = waiting.take()
            review = place.review_of(run)
            verdicts = random.sample(_VERDICTS, 2)
            counts.attempted[kind] += 2
            for who, verdict in zip(both, verdicts, strict=True):
                who.tell("review", "decide", review["review"], *verdict, "--no-wait", "--shown", review["shown_hash"])
            heard = [who.hear() for who in both]
            accepted = [at for at, (status, _) in enumerate(heard) if status == 0]
            refused = [said for status, said in heard if status == _CONFLICT]
            counts.accepted[kind] += len(accepted)
            counts.refused[kind] += len(refused)
            counts.expect(kind, f"accepted and refused of {heard}", (len(accepted), len(refused)), (1, 1))
            if accepted:
                won[run] = (both[accepted[0]].actor, verdicts[accepted[0]][0])
                told = both[accepted[0]].actor in "".join(refused)
                counts.expect(kind, "the refused one is told who was first", told, True)
    place.do("worker", "--until-idle")
    for run, verdict in won.items():
        _ended_by(counts, kind, place, run, verdict)


def _ended_by(counts: Counts, kind: str, place: Place, run: str, verdict: tuple[str, str]) -> None:
    """Whether a run holds one decision, the accepted one, and ended by it."""
    events = events_of(place, run)
    decided = [(each.actor, each.decision) for each in events if isinstance(each, ReviewDecided)]
    counts.expect(kind, "the decisions in the records", decided, [verdict])
    ended = [(each.state, (each.output or {}).get("desk")) for each in events if isinstance(each, RunFinished)]
    outcomes = {"approve": ("completed", "motor"), "correct": ("completed", "home"), "reject": ("dead", None)}
    counts.expect(kind, "the end", ended, [outcomes[verdict[1]]])


def on_a_stale_page(counts: Counts, place: Place, waiting: Waiting, breaks: str = "") -> None:
    """A decision made on another page, or on a review that was opened anew since, is refused and changes nothing."""
    kind = "a stale page"
    package = Package(source=place.package.source, breaks=breaks)
    run, other = waiting.take(), waiting.take()
    page = place.review_of(run)
    elsewhere = "sha256:" + "0" * 64
    before = len(events_of(place, run))
    _refused(counts, kind, place, package, page["review"], elsewhere)
    counts.expect(kind, "events that a refused decision left", len(events_of(place, run)) - before, 0)
    if breaks:
        return
    old = place.review_of(other)
    place.do("review", "decide", old["review"], "reject", "--reason", "read it again")
    place.do("retry", other)
    new = place.review_of(other)
    counts.expect(kind, "a review opened anew has a name of its own", new["review"] != old["review"], True)
    _refused(counts, kind, place, package, old["review"], old["shown_hash"])
    place.do("review", "decide", new["review"], "approve", "--shown", new["shown_hash"])
    counts.attempted[kind] += 1
    counts.accepted[kind] += counts.expect(kind, "the state", place.state_of(other), "completed")


def _refused(counts: Counts, kind: str, place: Place, package: Package, review: str, shown: str) -> None:
    counts.attempted[kind] += 1
    ended = place.aie("review", "decide", review, "approve", "--no-wait", "--shown", shown, package=package)
    counts.refused[kind] += counts.expect(kind, "the status", ended.status, _CONFLICT)
