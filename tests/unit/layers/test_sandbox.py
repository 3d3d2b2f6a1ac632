"""The closed process that documents are read in: what a document may do to it, and what of that reaches the engine."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from aie.errors import Failure, StepFailure, Unavailable
from aie.layers.extract import Bounds, Sandbox
from aie.layers.extract import sandbox as sandbox_module
from aie.layers.extract.allowance import Allowance

READER = """
import ctypes, os, signal, socket, sys, time

def read(content):
    word, _, rest = content.partition(b" ")
    return globals()[word.decode()](rest)

def echo(rest): return {"said": rest.decode()}
def refuse(rest): return {"failure": rest.decode(), "why": "as told"}
def crash(rest): ctypes.string_at(0)
def leave(rest): os._exit(int(rest))
def kill_self(rest): os.kill(os.getpid(), signal.SIGKILL)
def kill_parent(rest): os.kill(os.getppid(), signal.SIGKILL); time.sleep(1); return {}
def spin(rest):
    while True: pass
def sleep(rest): time.sleep(60)
def hoard(rest): return {"size": len(bytearray(4 << 30))}
def chatter(rest): return {"much": "x" * int(rest)}
def error(rest): raise ValueError("no")
def odd(rest): return ["not", "an", "object"]
def fork(rest): os.fork(); return {}
def bomb(rest):
    while True: os.fork()
def deaf(rest):
    for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGXCPU): signal.signal(each, signal.SIG_IGN)
    while True: pass
def nap(rest): time.sleep(float(rest)); return {"zygote": os.getppid()}
def write(rest):
    with open("/tmp/" + rest.decode(), "w") as file: file.write("x")
def connect(rest): socket.create_connection(("127.0.0.1", int(rest)), timeout=2); return {"open": True}
def environ(rest): return dict(os.environ)
def pids(rest): return {"self": os.getpid(), "zygote": os.getppid(), "user": os.getuid()}
def descriptors(rest): return {"open": sorted(os.listdir("/proc/self/fd"))}
"""


@pytest.fixture(scope="module")
def reader(tmp_path_factory) -> Path:
    """A reader that does what the document says: the worst a document can do."""
    path = tmp_path_factory.mktemp("reader") / "obedient.py"
    path.write_text(READER)
    return path


@pytest.fixture(scope="module")
def sandbox(reader):
    """A sandbox with tight bounds."""
    bounds = Bounds(wall_ms=1_000, cpu_s=10, memory_mib=512, document=1 << 20, answer=1 << 16)
    made = Sandbox({"obedient": reader}, bounds)
    yield made
    made.close()


def failure_of(sandbox: Sandbox, order: bytes) -> Failure:
    with pytest.raises(StepFailure) as caught:
        sandbox.read("obedient", order)
    return caught.value.failure


def test_what_a_reader_finds_comes_back(sandbox):
    """The plain case."""
    assert sandbox.read("obedient", "echo früh".encode()) == {"said": "früh"}


def test_a_refusal_keeps_its_class(sandbox):
    """Readers speak the taxonomy."""
    assert failure_of(sandbox, b"refuse encrypted") == Failure.ENCRYPTED


@pytest.mark.parametrize(
    ("order", "failure"),
    [
        (b"crash", Failure.HOSTILE),
        (b"leave 3", Failure.HOSTILE),
        (b"leave 0", Failure.HOSTILE),
        (b"error", Failure.HOSTILE),
        (b"odd", Failure.HOSTILE),
        (b"kill_self", Failure.TIMEOUT),
        (b"hoard", Failure.BOMB),
        (b"chatter 100000", Failure.BOMB),
        (b"nonsense", Failure.HOSTILE),
        (b"x" * (2 << 20), Failure.TOO_LARGE),
    ],
)
def test_what_a_document_does_to_its_reader_is_a_failure_of_its_class(sandbox, order, failure):
    """The engine gets a class, not a crash; the next document is read as if nothing had been."""
    assert failure_of(sandbox, order) == failure
    assert sandbox.read("obedient", b"echo still") == {"said": "still"}


@pytest.mark.slow
@pytest.mark.parametrize("order", [b"sleep", b"spin"])
def test_a_reader_that_does_not_end_is_ended(sandbox, order):
    """The wall clock ends what sleeps, and what spins."""
    assert failure_of(sandbox, order) == Failure.TIMEOUT


@pytest.mark.slow
def test_processor_time_is_bounded_too(reader):
    """A long wall time does not mean a long time of a processor."""
    sandbox = Sandbox({"obedient": reader}, Bounds(wall_ms=60_000, cpu_s=1))
    assert failure_of(sandbox, b"spin") == Failure.TIMEOUT
    sandbox.close()


def test_a_reader_sees_no_environment(sandbox, monkeypatch):
    """Secrets of the engine stay there."""
    monkeypatch.setenv("AIE_CANARY", "secret")
    assert "AIE_CANARY" not in sandbox.read("obedient", b"environ")


def test_a_reader_cannot_write_fork_or_connect(sandbox, tmp_path):
    """What the machine permits to close is closed; where it does not, `isolation` says so."""
    name = f"aie-{os.getpid()}-escape"
    failure_of(sandbox, b"write " + name.encode())
    assert not Path("/tmp", name).exists() or Path("/tmp", name).stat().st_size == 0
    assert failure_of(sandbox, b"fork") == Failure.HOSTILE
    if sandbox.isolation()["network"] == "open":
        pytest.skip("this machine permits no network namespace: the connection was not attempted")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert failure_of(sandbox, f"connect {port}".encode()) == Failure.HOSTILE


def test_a_reader_holds_no_descriptor_of_another_document(sandbox):
    """Three standard ones, its channel and the listing itself, also while another document is being read."""
    with ThreadPoolExecutor() as pool:
        other = pool.submit(failure_of, sandbox, b"sleep")
        opened = sandbox.read("obedient", b"descriptors")["open"]
        assert other.result() == Failure.TIMEOUT
    assert len(opened) == 5


def test_many_threads_get_each_their_own_answer(sandbox):
    """Answers travel on channels of their own."""
    said = [f"word {number}" for number in range(60)]
    with ThreadPoolExecutor(8) as pool:
        heard = list(pool.map(lambda each: sandbox.read("obedient", b"echo " + each.encode())["said"], said))
    assert heard == said


def test_a_killed_zygote_is_replaced(sandbox):
    """The document is read again in a new one."""
    before = sandbox.read("obedient", b"pids")
    os.kill(before["zygote"], signal.SIGKILL)
    assert sandbox.read("obedient", b"pids")["zygote"] != before["zygote"]


def test_two_hundred_documents_at_once_get_each_their_own_answer(sandbox):
    """A few are read at a time; no answer is lost, swapped or waited for in vain."""
    words = [("x" * 997 * (number % 60) + str(number)) for number in range(200)]
    with ThreadPoolExecutor(200) as pool:
        heard = list(pool.map(lambda each: sandbox.read("obedient", b"echo " + each.encode())["said"], words))
    assert heard == words


@pytest.mark.parametrize("order", [b"fork", b"bomb"])
def test_a_reader_that_forks_is_refused_its_first_child(sandbox, order):
    """No process of its own, so no bomb of them."""
    assert failure_of(sandbox, order) == Failure.HOSTILE


@pytest.mark.slow
def test_a_reader_that_ignores_signals_is_ended(reader):
    """The last word is SIGKILL: of the clock, and of the processor's limit one second after SIGXCPU was ignored."""
    by_clock = Sandbox({"obedient": reader}, Bounds(wall_ms=300))
    assert failure_of(by_clock, b"deaf") == Failure.TIMEOUT
    by_clock.close()
    by_limit = Sandbox({"obedient": reader}, Bounds(wall_ms=60_000, small_wall_ms=60_000, cpu_s=1))
    assert failure_of(by_limit, b"deaf") == Failure.TIMEOUT
    by_limit.close()


def test_a_zygote_killed_while_documents_are_read_costs_none_of_them(reader):
    """Each is read again, in one new process for all of them."""
    sandbox = Sandbox({"obedient": reader}, Bounds(wall_ms=5_000))
    first = sandbox.read("obedient", b"pids")["zygote"]
    with ThreadPoolExecutor(4) as pool:
        waiting = [pool.submit(sandbox.read, "obedient", b"nap 0.3") for _ in range(4)]
        wait_for(lambda: Path(f"/proc/{first}/task/{first}/children").read_text().split())
        os.kill(first, signal.SIGKILL)
        found = {each.result()["zygote"] for each in waiting}
    assert len(found) == 1
    assert first not in found
    sandbox.close()


def test_an_answer_that_fills_its_channel_still_gets_its_verdict(reader):
    """The engine takes it slowly: the word of how the child ended waits for room behind it."""
    sandbox = Sandbox({"obedient": reader})
    zygote = sandbox.read("obedient", b"pids")["zygote"]
    receive = sandbox_module._receive

    def late(*given):
        threading.Event().wait(0.2)
        return receive(*given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sandbox_module, "_receive", late)
        for size in (1, 100_000, 150_000, 212_992, 278_000, 1_000_000):
            assert len(sandbox.read("obedient", b"chatter %d" % size)["much"]) == size
    assert sandbox.read("obedient", b"pids")["zygote"] == zygote
    sandbox.close()


def test_time_allowed_grows_with_the_document_and_never_beyond_what_is_left():
    """Small documents that take long were built to."""
    bounds = Bounds(wall_ms=30_000, small_wall_ms=4_000, wall_ms_per_mib=4_000)
    allowed = [bounds.allowance(size).ms for size in (0, 1 << 20, 3 << 20, 64 << 20)]
    assert allowed == [4_000, 4_000, 12_000, 30_000]
    assert [bounds.within(None, left).wall_ms for left in (50_000, 900, -5)] == [30_000, 900, 1]


def test_the_parts_of_a_document_share_its_time(sandbox):
    """However many there are: what one took is not there for the next."""
    allowance = Allowance(600)
    for _ in range(2):
        with contextlib.suppress(StepFailure):
            sandbox.read("obedient", b"nap 0.35", allowance=allowance)
    assert allowance.left_ms == 0
    before = sandbox.usage().documents
    with pytest.raises(StepFailure, match="attached to it took more than 600 ms") as caught:
        sandbox.read("obedient", b"echo x", allowance=allowance)
    assert caught.value.failure is Failure.TIMEOUT
    assert sandbox.usage().documents == before


def test_waiting_for_a_place_to_read_counts_as_time_of_the_run(reader):
    """A run does not wait behind others longer than it may."""
    sandbox = Sandbox({"obedient": reader}, Bounds(wall_ms=1_000))
    places = max(2, os.cpu_count() or 2)
    with ThreadPoolExecutor(places) as pool:
        taken = [pool.submit(failure_of, sandbox, b"sleep") for _ in range(places)]
        wait_for(lambda: sandbox._slots._value == 0)
        with pytest.raises(StepFailure, match="no reader was free within 30 ms"):
            sandbox.read("obedient", b"echo x", wall_ms=30)
        assert {each.result() for each in taken} == {Failure.TIMEOUT}
    sandbox.close()


def test_what_children_use_is_counted(sandbox):
    """Documents, processor and memory, as the kernel counts them."""
    before = sandbox.usage()
    sandbox.read("obedient", b"echo x")
    after = sandbox.usage()
    assert after.documents == before.documents + 1
    assert after.cpu_us > before.cpu_us
    assert after.peak_kib > 1_000


def test_a_forked_copy_reads_too_and_leaves_the_original_alone(sandbox):
    """Worker processes may be forked from a warm parent, even from one with threads."""
    zygote = sandbox.read("obedient", b"pids")["zygote"]
    pid = os.fork()
    if pid == 0:
        good = sandbox.read("obedient", b"pids")["zygote"] == zygote
        sandbox.close()
        os._exit(0 if good else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert sandbox.read("obedient", b"pids")["zygote"] == zygote


ENGINE = """
import sys, threading
from pathlib import Path
from aie.layers.extract import Bounds, Sandbox
sandbox = Sandbox({"obedient": Path(sys.argv[1])}, Bounds())
print(sandbox.read("obedient", b"pids")["zygote"], flush=True)
threading.Thread(target=sandbox.read, args=("obedient", b"sleep")).start()
"""


def running(pid: int) -> bool:
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] not in ("Z", "X")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="children are found through /proc: nothing was attempted")
def test_nothing_outlives_an_engine_that_was_killed(reader):
    """`kill -9` of the engine ends the forking process and the documents being read."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", ENGINE, str(reader)], stdout=subprocess.PIPE, env=environment
    ) as engine:
        zygote = int(engine.stdout.readline())
        children = Path(f"/proc/{zygote}/task/{zygote}/children")
        reading = wait_for(lambda: children.read_text().split())
        engine.kill()
    wait_for(lambda: not running(zygote) and not any(running(int(each)) for each in reading))


HOLDER = """
import os, sys
from pathlib import Path
from aie.layers.extract import Sandbox
sandbox = Sandbox({"obedient": Path(sys.argv[1])})
zygote = sandbox.read("obedient", b"pids")["zygote"]
holder = os.fork()
if holder == 0:
    sys.stdin.read()
    os._exit(0)
print(zygote, flush=True)
sys.stdin.read()
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found through /proc: nothing was attempted")
def test_a_process_that_does_outlive_the_engine_is_noticed(reader):
    """The control: someone else holds the socket, so the same look finds the process alive; it ends with the holder."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(reader)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment
    ) as engine:
        zygote = int(engine.stdout.readline())
        engine.kill()
        engine.wait()
        with pytest.raises(AssertionError, match="did not come true"):
            wait_for(lambda: not running(zygote), seconds=0.2)
    wait_for(lambda: not running(zygote))


def test_what_is_left_of_the_time_of_a_run_bounds_reading(sandbox):
    """A reader does not outlast its run."""
    with pytest.raises(StepFailure) as caught:
        sandbox.read("obedient", b"sleep", wall_ms=20)
    assert caught.value.failure is Failure.TIMEOUT


def wait_for(condition, seconds: float = 10.0):
    """Return what the condition gives once it gives something."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come true"
        threading.Event().wait(0.005)
    return found


def test_a_reader_that_cannot_load_says_why(tmp_path):
    """A broken installation is told, not waited for."""
    broken = tmp_path / "broken.py"
    broken.write_text("import nothing_of_this_name")
    with pytest.raises(Unavailable, match="nothing_of_this_name"):
        Sandbox({"broken": broken}).read("broken", b"x")
