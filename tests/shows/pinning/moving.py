"""The world moves on while a run waits: another release, another package. Each promise is one function."""

from pathlib import Path
from random import Random
from typing import Any, Final

from aie.app import open_app
from aie.records.events import (
    ReviewDecided,
    RunFinished,
    RunMigrated,
    RunNeedsRuntime,
    RunSubmitted,
    SegmentStarted,
    StepFailed,
    StepFinished,
)
from aie.releases import Release, load_release
from tests.shows.pinning.counting import Counts
from tests.shows.pinning.place import Package, Place, edit, events_of, newer_package, write_input

__all__ = ["Scene", "Waiting", "moved_on", "renewed", "set_scene", "untouched", "upgraded"]

_STEP: Final = """  within:
    check: rules
    of: decision
    rules: {limit: decision.amount < money('900.00 USD')}
    on: {check_failed: {default: {passed: false, failed: []}}}
  pay:
"""
"""What the show adds to the claims: something that is decided by a rule after the person decided."""


_CONFLICT: Final = 4


class Waiting:
    """Runs that wait for a person, handed out one by one in an order of the seed."""

    def __init__(self, runs: dict[str, str], random: Random) -> None:
        self._runs = [runs[name] for name in sorted(runs)]
        random.shuffle(self._runs)

    def take(self) -> str:
        """Return a run that nobody has touched since it waits."""
        return self._runs.pop()


class Scene:
    """The workspaces of one show and the releases that their runs began on."""

    def __init__(self, claims: Place, triage: Place, first: str) -> None:
        self.claims = claims
        self.triage = triage
        self.first = first
        """Release of the claims that wait."""
        self.second = ""
        """Release that production uses when the decisions arrive."""
        self.newer: Package | None = None
        """The package after its upgrade."""


def set_scene(
    folder: Path, package: Package, *, waiting: int, random: Random, store: str = ""
) -> tuple[Scene, Waiting]:
    """Start both templates, lock them, and let claims wait for a person; `store` names the claims' store, if any."""
    places = {}
    for template in ("claims", "triage"):
        place = Place(root=folder / template, template=template, package=package)
        folder.mkdir(parents=True, exist_ok=True)
        outside = Place(root=folder, template=template, package=package)
        outside.do("init", template, "--template", template)
        if template == "claims":
            _extend(place.root)
            if store:
                edit(place.root / "aie.yaml", ("sqlite:///.aie/aie.db", store))
        place.do("train")
        places[template] = place
    claims, triage = places["claims"], places["triage"]
    scene = Scene(claims, triage, claims.lock())
    triage.lock()
    names = [f"examples/show-{number:03}.json" for number in range(waiting)]
    for number, name in enumerate(names):
        _claim(claims.root, name, f"S-{number:03}")
    return scene, Waiting(claims.run(names), random)


def _extend(root: Path) -> None:
    workflow = root / "workflows" / "claims" / "workflow.yaml"
    edit(workflow, ("  pay:\n", _STEP), ("amount: decision.amount}", "amount: decision.amount, within: within.passed}"))
    edit(
        workflow.parent / "schemas" / "claim_out.json",
        ('"properties": {', '"properties": {\n    "within": {"type": "boolean"},'),
    )


def _claim(root: Path, name: str, claim: str) -> None:
    """Write a claim like the example whose desk is not clear."""
    form = {"claim_id": claim, "claimant": "Ian Mercer", "policy_number": "NG-322419", "loss_date": "2026-10-07"}
    write_input(root / name, {**form, "amount": "485.00 USD", "file": "claim-029.pdf"})


# ---------------------------------------------------------------- the promises


def moved_on(counts: Counts, scene: Scene, waiting: Waiting, breaks: str = "") -> None:
    """Rules, threshold and result change and are promoted: who waited ends on what he began with."""
    claims, kind = scene.claims, "another release"
    if not scene.second:
        workflow = claims.root / "workflows" / "claims" / "workflow.yaml"
        edit(workflow, ("money('900.00 USD')", "money('100.00 USD')"))
        edit(claims.root / "models.yaml", ("threshold: 0.8", "threshold: 0.95"))
        scene.second = claims.lock()
    counts.attempted[kind] += 1
    run = waiting.take()
    breaking = Package(source=claims.package.source, breaks=breaks)
    claims.more["PINNING_SWAP"] = f"{scene.first},{scene.second}"
    ended = claims.do("review", "decide", run, "approve", "--format", "json", package=breaking)
    good = counts.expect(kind, "the releases", scene.first != scene.second, True)
    good &= counts.expect(kind, "the state", ended.data["state"], "completed")
    good &= _ended_on(counts, kind, scene, run, within=True)
    counts.accepted[kind] += good
    if breaks:
        return
    _claim(claims.root, "examples/late.json", "S-late")
    counts.attempted["a new run uses the new release"] += 1
    late = claims.run(["examples/late.json"])["late"]
    claims.do("review", "decide", late, "approve")
    counts.accepted["a new run uses the new release"] += _ended_on(
        counts, "a new run uses the new release", scene, late, within=False, release=scene.second
    )


def upgraded(counts: Counts, scene: Scene, waiting: Waiting, breaks: str = "") -> None:
    """The package has another version of a layer: the run needs its own, gets it, or is migrated in the open."""
    claims = scene.claims
    if scene.newer is None:
        scene.newer = newer_package(claims.root.parent)
    newer = Package(source=scene.newer.source, breaks=breaks)
    runs = (waiting.take(), waiting.take())
    for run in runs:
        counts.attempted["another layer version"] += 1
        claims.do("review", "decide", run, "approve", "--format", "json", package=newer)
        counts.refused["another layer version"] += _needs(counts, scene, run, newer)
    if breaks:
        return
    kind = "an older worker ends it"
    counts.attempted[kind] += 1
    claims.do("worker", "--until-idle")
    ended = [_ended_on(counts, kind, scene, run, within=True) for run in runs]
    counts.accepted[kind] += all(ended)
    _migrate(counts, scene, waiting.take(), newer)


def _migrate(counts: Counts, scene: Scene, run: str, newer: Package) -> None:
    claims, kind = scene.claims, "a migration is in the open"
    counts.attempted[kind] += 1
    claims.do("review", "decide", run, "approve", package=newer)
    early = claims.aie("migrate", run, "--reason", "", package=newer)
    good = counts.expect(kind, "a migration without a reason", early.status, 2)
    claims.do("migrate", run, "--reason", "checked side by side", "--actor", "mia", package=newer)
    good &= _ended_on(counts, kind, scene, run, within=False, runtime={"check": 2})
    moves = [each for each in events_of(claims, run) if isinstance(each, RunMigrated)]
    told = [(each.actor, each.reason, each.runtime.get("check")) for each in moves]
    good &= counts.expect(kind, "what the records say", told, [("mia", "checked side by side", 2)])
    text = claims.do("explain", run, package=newer).out
    good &= counts.expect(kind, "mia, her reason and both versions in aie explain", _says_migration(text), True)
    counts.accepted[kind] += good


def _says_migration(text: str) -> bool:
    words = " ".join(text.split())
    return "mia" in words and "checked side by side" in words and "check 1 → 2" in words


def renewed(counts: Counts, scene: Scene) -> None:
    """After the upgrade: the promoted release needs the old layer, other bytes are locked with the new one."""
    kind, claims, newer = "a release of after the upgrade", scene.claims, scene.newer
    assert newer is not None
    counts.attempted[kind] += 3
    _claim(claims.root, "examples/before.json", "S-before")
    run = claims.run(["examples/before.json"], package=newer)["before"]
    counts.refused[kind] += counts.expect(kind, "a new run of the old lock", claims.state_of(run), "needs_runtime")
    same = claims.aie("release", "claims", package=newer)
    counts.refused[kind] += counts.expect(kind, "the old bytes under another runtime", same.status, _CONFLICT)
    edit(claims.root / "workflows" / "claims" / "workflow.yaml", ("workflow: claims\n", "workflow: claims  # again\n"))
    third = claims.lock(newer)
    _claim(claims.root, "examples/after.json", "S-after")
    run = claims.run(["examples/after.json"], package=newer)["after"]
    claims.do("review", "decide", run, "approve", package=newer)
    counts.accepted[kind] += _ended_on(counts, kind, scene, run, within=False, release=third)


def untouched(counts: Counts, scene: Scene) -> None:
    """A workflow that does not use the raised layer goes on under the newer package."""
    kind, triage = "a workflow without the raised layer goes on", scene.triage
    assert scene.newer is not None
    counts.attempted[kind] += 1
    run = triage.run(["examples/unclear.json"])["unclear"]
    state = triage.do("review", "decide", run, "approve", "--format", "json", package=scene.newer).data["state"]
    started = [each for each in events_of(triage, run) if isinstance(each, SegmentStarted)]
    good = counts.expect(kind, "the state", state, "completed")
    good &= counts.expect(kind, "check's versions", [each.runtime["check"] for each in started], [1, 2])
    counts.accepted[kind] += good


# ---------------------------------------------------------------- what the records prove


def _needs(counts: Counts, scene: Scene, run: str, package: Package) -> bool:
    """Whether a decided run says what it needs, and nothing ran."""
    claims, kind = scene.claims, "another layer version"
    events = events_of(claims, run)
    decided = max(at for at, each in enumerate(events) if isinstance(each, ReviewDecided))
    after = [each.type for each in events[decided:]]
    good = counts.expect(kind, "what followed", after, ["review.decided", "segment.queued", "run.needs_runtime"])
    told = [(each.needs, each.provided) for each in events if isinstance(each, RunNeedsRuntime)]
    good &= counts.expect(kind, "what it needs", told, [({"check": 1}, {"check": 2})])
    texts = {
        ("explain", run): ("needs runtime", "check 1", "check 2", f"aie migrate {run}", "aie worker"),
        ("runs", "--state", "needs_runtime"): (run, "needs check 1, here check 2"),
        ("status",): ("for check 1; this installation has check 2",),
    }
    for arguments, expected in texts.items():
        text = " ".join(claims.do(*arguments, package=package).out.split())
        missing = [words for words in expected if words not in text]
        good &= counts.expect(kind, f"what aie {arguments[0]} leaves out", missing, [])
    return good


def _ended_on(
    counts: Counts,
    kind: str,
    scene: Scene,
    run: str,
    *,
    within: bool,
    release: str = "",
    runtime: dict[str, int] | None = None,
) -> bool:
    """Whether events, payment and explanation all say that a run ended on one release and its layer versions."""
    claims, release = scene.claims, release or scene.first
    locked = _release(claims, release)
    versions = locked.runtime | (runtime or {})
    events = events_of(claims, run)
    ended = [(each.state, (each.output or {}).get("within")) for each in events if isinstance(each, RunFinished)]
    good = counts.expect(kind, "the end", ended, [("completed", within)])
    pinned = [each.release for each in events if isinstance(each, RunSubmitted)]
    good &= counts.expect(kind, "the pinned release", pinned, [release])
    good &= counts.expect(kind, "a check after the decision", _checked(events), [(versions["check"], within)])
    told = claims.do("explain", run, "--format", "json").data
    digests = {(each["kind"], each["name"]): each["digest"] for each in locked.behaviour["components"]}
    used = {(use["kind"], use["name"]): use["digest"] for step in told["steps"] for use in step["components"]}
    good &= counts.expect(kind, "components of another release", used.items() - digests.items(), set())
    good &= counts.expect(kind, "the release in aie explain", told["release"], release)
    said = {step["layer"]: step["version"] for step in told["steps"] if step["path"] in ("within", "pay")}
    good &= counts.expect(kind, "layer versions in aie explain", said, {name: versions[name] for name in said})
    good &= counts.expect(kind, "the payment", _paid(claims, told["case"]), [within])
    return good


def _checked(events: list[Any]) -> list[tuple[int, object]]:
    """Return for each value of the rule after the decision the version of the layer and what it said."""
    found = []
    version = 0
    for each in events:
        if isinstance(each, SegmentStarted):
            version = each.runtime["check"]
        elif isinstance(each, StepFinished) and each.path == "within":
            found.append((version, each.output["passed"] if isinstance(each.output, dict) else None))
        elif isinstance(each, StepFailed) and each.path != "within":
            found.append((version, each.failure))
    return found


def _release(place: Place, release: str) -> Release:
    with open_app(place.root) as app:
        return load_release(app.store, release, tenant=app.tenant)


def _paid(place: Place, case: str) -> list[object]:
    """Return what the payments of a case say of its rule."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((place.root / "outbox").glob("*.json"))]
    return ['"within": true' in text or '"within":true' in text for text in texts if f'"{case}"' in text]
