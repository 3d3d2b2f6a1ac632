"""The campaign: which points are killed at, in which scenarios, and what came of it."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from aie.layers import call_sites
from aie.records import commit_sites
from aie.runs import run_sites
from aie.testing.receiver import Receiver
from tests.shows.crash.forking import Death, fork
from tests.shows.crash.judging import Verdict, judge, read_log
from tests.shows.crash.living import LOST, VARIANTS, Kill, Scene, begin, live
from tests.shows.crash.provider import Provider
from tests.shows.crash.stores import Ground

__all__ = ["POINTS", "Course", "Tally", "World", "calibrate", "run_campaign"]

POINTS: Final = frozenset(commit_sites | run_sites | call_sites)
"""Every point that the code declares."""

_LIVES_AT_MOST: Final = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A kind of scenario: what happens in it, and the kill that its first life ends with, if any."""

    variant: str
    prelude: Kill | None = None


COURSES: Final = (
    *(Course(variant=name) for name in VARIANTS),
    *(Course(variant="plain", prelude=Kill(point="post.sent", hit=hit)) for hit in (1, 2, 3)),
    Course(variant="plain", prelude=Kill(point="chat.after", hit=2)),
    Course(variant="plain", prelude=Kill(point="close.before", hit=1)),
)


@dataclass(slots=True)
class Tally:
    """What became of the kills."""

    attempted: int = 0
    """Lives that were to be killed."""
    killed: Counter[str] = field(default_factory=Counter)
    """Kills by point; `any` were aimed at a number of points, not at one."""
    survived: int = 0
    """Lives that ended before their point was hit so often."""
    scenarios: int = 0
    double: int = 0
    """Scenarios with two kills or more."""
    recovered: int = 0
    """Scenarios whose run ended as it had to though a life was killed."""
    lost: list[str] = field(default_factory=list)
    """Scenarios that broke an invariant."""
    stuck: list[str] = field(default_factory=list)
    """Scenarios that did not end in time."""
    leases_lost: int = 0
    """Lives that ended by themselves because their lease was over; they are lived again."""
    forfeited: int = 0
    calls: int = 0
    deliveries: int = 0
    repeats: int = 0
    """Deliveries of a key that was applied before, with the same body: harmless. Any other repeat counts as lost."""
    by_ground: Counter[str] = field(default_factory=Counter)

    @property
    def kills(self) -> int:
        """How many lives were killed."""
        return self.killed.total()

    def to_json(self) -> dict[str, Any]:
        """Return the counts."""
        return {
            "attempted": self.attempted,
            "killed": self.kills,
            "survived": self.survived,
            "scenarios": self.scenarios,
            "double": self.double,
            "recovered": self.recovered,
            "lost_or_contradicted": len(self.lost),
            "stuck": len(self.stuck),
            "leases_lost": self.leases_lost,
            "forfeited_attempts": self.forfeited,
            "provider_calls": self.calls,
            "deliveries": self.deliveries,
            "harmless_repeats": self.repeats,
            "kills_by_store": dict(sorted(self.by_ground.items())),
            "kills_by_point": dict(sorted(self.killed.items())),
            "broken": [*self.lost, *self.stuck][:20],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What outlives the processes under test."""

    provider: Provider
    receiver: Receiver
    ground: Ground
    sabotage: Callable[[], None] | None = None
    """Breaks something in every life, for negative controls; called in its process."""

    def life(self, scene: Scene, kill: Kill | None) -> Death:
        """Run one life in a child."""

        def child() -> Any:
            begin(scene, provider=self.provider.url, receiver=self.receiver.url)
            if self.sabotage is not None:
                self.sabotage()
            return live(scene, kill)

        return fork(child)

    def judged(self, scene: Scene, offset: int) -> Death:
        """Judge a scenario in a child."""
        charge = self.provider.charge(scene.order)
        delivered = read_log(self.receiver.log, offset)
        return fork(lambda: judge(scene, charge, delivered))

    def offset(self) -> int:
        """Return where the receiver's log ends now."""
        return self.receiver.log.stat().st_size if self.receiver.log.exists() else 0


def calibrate(world: World, courses: Sequence[Course] = COURSES) -> dict[str, list[tuple[Course, int]]]:
    """Return, for each point, the courses that hit it with how often; each is lived once without another kill."""
    found: dict[str, list[tuple[Course, int]]] = {}
    for course in courses:
        with world.ground.scene(course.variant) as scene:
            if course.prelude is not None:
                world.life(scene, course.prelude)
            death = world.life(scene, None)
            assert death.code == 0, f"{course} does not end without a kill: {death}"
            for point, hits in death.value.items():
                found.setdefault(point, []).append((course, hits))
    return found


def run_campaign(world: World, *, seed: int, kills: int, double: int = 0, points: Sequence[str] = ()) -> Tally:
    """Kill until `kills` lives were killed in scenarios of their own and `double` more in scenarios killed twice.

    Args:
        world: the processes around.
        seed: of every choice.
        kills: how many.
        double: how many scenarios get a second kill, at any point of the first recovery.
        points: only these; empty: all that the courses hit.
    """
    random, tally = Random(seed), Tally()
    where = calibrate(world)
    reachable = sorted(where.keys() & set(points or where))
    for point in _aims(reachable, random):
        if tally.kills >= kills:
            break
        course, hits = random.choice(where[point])
        _play(world, course, [Kill(point=point, hit=random.randint(1, hits))], tally)
    before = tally.double
    while tally.double - before < double:
        point = random.choice(reachable)
        course, hits = random.choice(where[point])
        second = Kill(point="", hit=random.randint(1, 40))
        _play(world, course, [Kill(point=point, hit=random.randint(1, hits)), second], tally)
    return tally


def _aims(points: Sequence[str], random: Random) -> Iterator[str]:
    """Yield points for ever, each as often as the others, in an order of its own each round."""
    while True:
        yield from random.sample(points, len(points))


def _play(world: World, course: Course, kills: Sequence[Kill], tally: Tally) -> None:
    """Play one scenario: the lives that are to be killed, then lives until one ends, then the judgement."""
    plan = [*([course.prelude] if course.prelude is not None else []), *kills]
    offset, dead, seconds = world.offset(), 0, 0.0
    tally.scenarios += 1
    with ExitStack() as stack:
        scene = stack.enter_context(world.ground.scene(course.variant))
        for kill in [*plan, *[None] * _LIVES_AT_MOST]:
            death = world.life(scene, kill)
            seconds = death.seconds
            tally.attempted += kill is not None
            if death.stuck:
                break
            if death.killed:
                dead += 1
                tally.killed["any" if kill is None or not kill.point else kill.point] += 1
                tally.by_ground[world.ground.store] += 1
            elif death.code == 0:
                tally.survived += kill is not None
                if kill is None or kill is plan[-1]:
                    break
            elif death.code == LOST:
                tally.leases_lost += 1
            else:
                break
        name = f"{world.ground.store}/{world.ground.engine} {course} {kills}"
        tally.double += dead > 1
        if death.stuck or death.code != 0:
            tally.stuck.append(f"{name}: did not end ({seconds:.0f} s)")
            stack.pop_all()  # the scene is kept for whoever looks into it
            return
        verdict = world.judged(scene, offset)
        if verdict.code != 0:
            tally.lost.append(f"{name}: the store cannot be judged")
            stack.pop_all()
            return
        _count(tally, verdict.value, name, dead)
        if verdict.value.broken:
            stack.pop_all()


def _count(tally: Tally, verdict: Verdict, name: str, dead: int) -> None:
    tally.forfeited += verdict.forfeited
    tally.calls += verdict.calls
    tally.deliveries += verdict.deliveries
    tally.repeats += verdict.repeats
    if verdict.broken:
        tally.lost.append(f"{name}: {'; '.join(verdict.broken)}")
    elif dead:
        tally.recovered += 1
