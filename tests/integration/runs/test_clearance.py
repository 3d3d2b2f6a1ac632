"""What a receiver may be given is asked at each delivery: of runs in flight, after a wait, after a kill."""

import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from threading import Event
from typing import Final

import pytest

from aie.app import Given, decide, executing, explain_run, explain_text, lock_release, open_app
from aie.app.running import Runner
from aie.core import observe
from aie.records.events import EffectFailed
from aie.runs import Pace
from aie.testing import Receiver
from tests.unit.releases.workspaces import write

pytestmark = pytest.mark.slow

SETTINGS = """\
store: "{store}"
environments: [production]
desks: {{people: {{}}}}
receivers:
  clinic: {{kind: http, url: "{url}", semantics: idempotent, timeout: 2 s, clearance: {{classes: [{classes}]}}}}
"""
WORKFLOW = """\
workflow: letters
owner: letters@northgate.example
case: input.id
risk: low
input: in.json
output: out.json
labels: {input.patient: [health]}
steps:
  send: {act: clinic, with: {patient: input.patient}, on: {not_permitted: escalate people}}
  also: {act: clinic, with: {about: input.id}}
result: {id: input.id}
on: {"*": fail}
"""
FILES = {
    "workflows/letters/workflow.yaml": WORKFLOW,
    "workflows/letters/in.json": '{"type": "object", "additionalProperties": false, "required": ["id", "patient"], '
    '"properties": {"id": {"type": "string"}, "patient": {"type": "string"}}}',
    "workflows/letters/out.json": '{"type": "object", "additionalProperties": false, "required": ["id"], '
    '"properties": {"id": {"type": "string"}}}',
}
PACE: Final = Pace(lease=500_000, beat=0.05)
WORKER: Final = """
import sys
from pathlib import Path
from aie.app import Given, executing, open_app
from aie.app.running import Runner
from aie.runs import Pace
root, release = Path(sys.argv[1]), sys.argv[2]
with open_app(root) as app, executing(app, pace=Pace(lease=500_000, beat=0.05)) as here:
    given = Given(name="letter", folder=root, data={"id": "L1", "patient": "gout"})
    print(Runner(app, here).submit(given, release).run, flush=True)
    sys.stdin.read()
"""


class Letters:
    """One workspace on one store, and the settings of its receiver."""

    def __init__(self, root: Path, store: str, url: str) -> None:
        self.root = root
        self._store = store
        self.url = url
        write(root, FILES)
        self.set("health")
        with open_app(root) as app:
            self.release = lock_release(app, "letters").release.id

    def set(self, *classes: str, url: str = "") -> None:
        """Say in `aie.yaml` what the receiver may be given, and where it is; nobody reads half of it."""
        text = SETTINGS.format(store=self._store, url=url or self.url, classes=", ".join(classes))
        with tempfile.NamedTemporaryFile("w", dir=self.root, delete=False) as draft:
            draft.write(text)
        Path(draft.name).replace(self.root / "aie.yaml")

    def submit(self, here: Runner) -> str:
        given = Given(name="letter", folder=self.root, data={"id": "L1", "patient": "gout"})
        return here.submit(given, self.release).run


def until(holds: Callable[[], bool]) -> None:
    """Return once it holds."""
    for _ in range(1_500):
        if holds():
            return
        Event().wait(0.02)
    raise TimeoutError("it never held")


def sent(here: Runner, run: str) -> list[tuple[str, str]]:
    """Return what came of the effect that carries the class: state and class of failure."""
    effects = explain_run(here.app, run).effects
    return [(each.state, each.failure) for each in effects if each.path == "send"]


def is_kept(here: Runner, run: str) -> bool:
    """Whether nothing was given to the receiver and a person is asked, who reads why."""
    told = explain_run(here.app, run)
    if sent(here, run) != [("failed", "not_permitted")] or [each.path for each in told.reviews] != ["send"]:
        return False
    lines = " ".join(" ".join(explain_text(told)).split())
    return "kept from clinic (not_permitted: `clinic` may not be given data of class health" in lines


@pytest.fixture(params=["guarded", "unguarded"])
def guarded(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the check is there; without it the same scene must see the bytes arrive."""
    if request.param == "unguarded":
        monkeypatch.setattr("aie.layers.act.layer.cleared", lambda tools, door: tools.live(door))
    return request.param == "guarded"


@pytest.fixture
def port() -> int:
    """A port where nobody listens yet."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def test_what_waits_for_a_receiver_is_not_delivered_once_that_is_not_cleared(
    tmp_path: Path, store_url: str, port: int, guarded: bool
) -> None:
    """The receiver was down; what holds nothing of the class still reaches it, and a person decides the rest."""
    letters = Letters(tmp_path / "w", store_url, f"http://127.0.0.1:{port}/")
    with open_app(letters.root) as app, executing(app, pace=PACE) as executor:
        here = Runner(app, executor)
        run = letters.submit(here)
        until(lambda: sent(here, run) == [("tried", "receiver_down")])
        letters.set()
        with Receiver(tmp_path / "log", port) as receiver:
            if guarded:
                until(lambda: is_kept(here, run) and receiver.counts().applied == 1)
                review = explain_run(here.app, run).reviews[0].review
                decide(here, review, "correct", values={"told": "by phone"})
                assert here.wait(run, timeout=30).state == "completed"
            else:
                until(lambda: explain_run(app, run).state == "completed")
            assert receiver.counts().deliveries == (1 if guarded else 2)


def test_what_a_killed_worker_was_delivering_is_not_delivered_again_once_its_receiver_is_not_cleared(
    tmp_path: Path, store_url: str, guarded: bool
) -> None:
    """Who comes next reads the labels off the records, and tells that the first try may have arrived."""
    with Receiver(tmp_path / "log") as receiver:
        letters = Letters(tmp_path / "w", store_url, f"{receiver.url}/slow")
        killed = subprocess.Popen(
            [sys.executable, "-c", WORKER, str(letters.root), letters.release],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        with killed:
            assert killed.stdout is not None
            run = killed.stdout.readline().strip()
            until(lambda: receiver.counts().applied == 2)
            killed.kill()
        letters.set(url=receiver.url)
        with open_app(letters.root) as app, executing(app, pace=PACE) as executor:
            here = Runner(app, executor)
            if guarded:
                until(lambda: is_kept(here, run) and receiver.counts().repeats == 1)
                (failed,) = [each.event for each in app.store.read(run) if isinstance(each.event, EffectFailed)]
                assert (failed.path, failed.attempt, failed.final) == ("send", 2, True)
                assert failed.message is not None
                assert failed.message.endswith("; an earlier try may have reached it")
            else:
                until(lambda: explain_run(app, run).state == "completed")
            assert receiver.counts().repeats == (1 if guarded else 2)


def test_a_first_delivery_does_not_leave_either(tmp_path: Path, store_url: str, guarded: bool) -> None:
    """The settings change after the effect is durable, at the last moment before its bytes would leave."""
    with Receiver(tmp_path / "log") as receiver:
        letters = Letters(tmp_path / "w", store_url, receiver.url)
        ended = observe(lambda point: letters.set() if point == "delivery.before" else None)
        with open_app(letters.root) as app, executing(app, pace=PACE) as executor:
            here = Runner(app, executor)
            run = letters.submit(here)
            until(lambda: is_kept(here, run) if guarded else explain_run(app, run).state == "completed")
            until(lambda: receiver.counts().applied == (1 if guarded else 2))
        ended()


def test_what_a_receiver_may_be_given_is_no_part_of_a_release(tmp_path: Path, sqlite_url: str) -> None:
    """More of it makes the same release, and gives a run that is refused already nothing."""
    letters = Letters(tmp_path / "w", sqlite_url, "http://127.0.0.1:9/")
    letters.set("health", "personal")
    with open_app(letters.root) as app:
        assert lock_release(app, "letters").release.id == letters.release
    letters.set()
    with open_app(letters.root) as app, executing(app, pace=PACE) as executor:
        here = Runner(app, executor)
        run = letters.submit(here)
        until(lambda: [each.path for each in explain_run(app, run).reviews] == ["send"])
        letters.set("health")
        here.wait(run, timeout=30)
        assert sent(here, run) == []
        assert explain_run(app, run).state == "waiting"
