"""Show: the same bytes give the same release id everywhere, and any changed byte gives another one or is refused.

    python tests/shows/same_id.py [--places 25] [--seed 1] [--control]

Two copies of a workspace in different folders are compiled by every Python from 3.11 that can be given the locked
requirements, under two hash seeds each; seeded bits are flipped in every file that a release pins and in its bundle;
the bundle is imported into an empty store. Prints counts as JSON; exit 1 when a count of `failed` is not zero. A Python
that cannot be had counts as skipped, with its reason.

`--control` breaks each check from this side: a digest that depends on the hash seed, flips that flip nothing, an export
of another release. Every check must then fail, and the command exits 0 only if all of them do.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "src"), str(ROOT)]

from aie.config import load_workspace  # noqa: E402 — the path comes first
from aie.core import digest_bytes  # noqa: E402
from aie.errors import AieError, ConfigError, IntegrityError  # noqa: E402
from aie.records import Journal, MemoryKeys, open_store  # noqa: E402
from aie.releases import (  # noqa: E402
    Release,
    compile_release,
    load_release,
    read_bundle,
    save_release,
    write_bundle,
)
from tests.unit.releases.workspaces import CLAIMS, write  # noqa: E402

MINORS = ("3.11", "3.12", "3.13")
CONTROL = "SAME_ID_CONTROL"

WORKER = """
import json, os, sys
from pathlib import Path
from aie.config import load_workspace
from aie.core import digest_bytes
from aie.releases import compile_release, release, write_bundle
if os.environ.get("SAME_ID_CONTROL"):
    sound = release.digest_json
    release.digest_json = lambda value: sound([value, hash("seed") % 2**40])
made = compile_release(load_workspace(Path(sys.argv[1])), "claims")
print(json.dumps([made.id, digest_bytes(write_bundle(made)), sys.version.split()[0]]))
"""


@dataclass
class Counts:
    """What was attempted and what came of it."""

    attempted: Counter[str] = field(default_factory=Counter)
    accepted: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    skipped: list[str] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    """The first few, in words."""

    def fail(self, kind: str, what: str) -> None:
        """Count a failure."""
        self.failed[kind] += 1
        if len(self.failures) < 10:
            self.failures.append(what)


def main() -> int:
    """Run the show and print its counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--places", type=int, default=25, help="bits flipped in each file")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="break identity; the show must fail")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="same-id-") as home:
        counts = run_show(Path(home), seed=options.seed, places=options.places, control=options.control)
    passed = set(counts.failed) == set(counts.attempted) if options.control else not counts.failed
    told = {
        "show": "same_id",
        "control": options.control,
        "seed": options.seed,
        **vars(counts),
        "passed": passed,
    }
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return 0 if passed else 1


def run_show(folder: Path, *, seed: int, places: int, control: bool = False, pythons: Sequence[str] = ()) -> Counts:
    """Compile, flip, export and import in an empty folder.

    Args:
        folder: where workspaces and environments go.
        seed: of the flips.
        places: bits flipped in each file.
        control: break identity.
        pythons: interpreters that can import the package; empty: all that can be equipped.
    """
    counts = Counts()
    copies = [write(folder / "one", CLAIMS), write(folder / "deeper" / "two", CLAIMS)]
    made = compile_release(load_workspace(copies[0]), "claims")
    same_everywhere(counts, copies, pythons or tuple(_pythons(counts, folder)), control=control)
    random = Random(seed)
    flip = no_flip if control else flip_one
    for path in sorted(made.files):
        for _ in range(places):
            flip_file(counts, made, folder / "flip", path, flip(random, CLAIMS[path].encode()))
    bundle = write_bundle(made)
    for _ in range(places * len(made.files)):
        flip_bundle(counts, made, flip(random, bundle))
    travel(counts, made, folder, control=control)
    return counts


def same_everywhere(counts: Counts, copies: list[Path], pythons: Sequence[str], *, control: bool) -> None:
    """Compile both copies under each Python and hash seed: one id, one bundle."""
    seen: dict[tuple[str, str], str] = {}
    for python in pythons:
        for seed in ("0", "1"):
            for copy in copies:
                counts.attempted["compile"] += 1
                environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src")}
                if control:
                    environment[CONTROL] = "1"
                done = subprocess.run(
                    [python, "-c", WORKER, str(copy)], capture_output=True, text=True, env=environment, check=False
                )
                if done.returncode:
                    counts.fail("compile", f"{python}: {done.stderr.strip().splitlines()[-1]}")
                    continue
                identity, bundle, version = json.loads(done.stdout)
                seen.setdefault((identity, bundle), f"Python {version}, hash seed {seed}, {copy.name}")
                counts.accepted[f"compile on {version}"] += 1
    if len(seen) > 1:
        counts.fail("compile", f"{len(seen)} identities: {seen}")


def flip_one(random: Random, content: bytes) -> tuple[int, bytes]:
    """Flip one bit; return the place and the content."""
    at = random.randrange(len(content))
    return at, content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :]


def no_flip(random: Random, content: bytes) -> tuple[int, bytes]:
    """Pretend to flip."""
    return flip_one(random, content)[0], content


def flip_file(counts: Counts, made: Release, root: Path, path: str, flipped: tuple[int, bytes]) -> None:
    """Compile with one flipped file: another id, or a refusal that says where."""
    at, content = flipped
    write(root, {**CLAIMS, path: content})
    kind = "flip in a file"
    counts.attempted[kind] += 1
    try:
        other = compile_release(load_workspace(root), "claims").id
    except ConfigError:
        counts.refused[kind] += 1
    except Exception as error:
        counts.fail(kind, f"{path}, byte {at}: {error!r}")
    else:
        _judge(counts, kind, f"{path}, byte {at}", changed=other != made.id)
    shutil.rmtree(root)


def flip_bundle(counts: Counts, made: Release, flipped: tuple[int, bytes]) -> None:
    """Read a flipped bundle: a refusal."""
    at, content = flipped
    kind = "flip in a bundle"
    counts.attempted[kind] += 1
    try:
        other = read_bundle(content).id
    except IntegrityError:
        counts.refused[kind] += 1
    else:
        _judge(counts, kind, f"byte {at}", changed=other != made.id)


def travel(counts: Counts, made: Release, folder: Path, *, control: bool) -> None:
    """Export, import into an empty store, load: the same release."""
    counts.attempted["export and import"] += 1
    exported = write_bundle(made)
    if control:
        other = {path: content + "\n" for path, content in CLAIMS.items()}
        exported = write_bundle(compile_release(load_workspace(write(folder / "other", other)), "claims"))
    store = open_store(f"sqlite:///{folder / 'store' / 'aie.db'}", keys=MemoryKeys())
    try:
        with Journal(store, "writer_show") as journal:
            save_release(store, journal, read_bundle(exported), tenant="t", actor="show", imported=True)
        loaded = load_release(store, made.short, tenant="t")
    except AieError as error:
        counts.fail("export and import", error.message)
        return
    finally:
        store.close()
    if loaded == made and digest_bytes(write_bundle(loaded)) == digest_bytes(write_bundle(made)):
        counts.accepted["export and import"] += 1
    else:
        counts.fail("export and import", f"{loaded.id} is not {made.id}")


def _judge(counts: Counts, kind: str, what: str, *, changed: bool) -> None:
    if changed:
        counts.accepted[f"{kind}: another id"] += 1
    else:
        counts.fail(kind, f"{what}: the id did not change")


def _pythons(counts: Counts, folder: Path) -> Iterator[str]:
    """Yield this Python, and each other minor version that can be given the locked requirements."""
    yield sys.executable
    for minor in MINORS:
        if minor == f"{sys.version_info.major}.{sys.version_info.minor}":
            continue
        place = folder / f"python-{minor}"
        why = _environment(minor, place)
        if why:
            counts.skipped.append(f"Python {minor}: {why}")
        else:
            yield str(place / "bin" / "python")


def _environment(minor: str, place: Path) -> str:
    """Make a virtual environment from the locked requirements; return why not, or nothing."""
    locked = ROOT / "requirements" / "base.txt"
    python = _interpreter(minor)
    uv = shutil.which("uv", path=os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", ""))))
    if not locked.exists():
        return "there is no requirements/base.txt"
    if python is None:
        return "not installed"
    inside = str(place / "bin" / "python")
    if uv is None:
        make = [python, "-m", "venv", str(place)]
        install = [inside, "-m", "pip", "install", "--quiet", "--only-binary", ":all:"]
    else:  # the same, in a third of the time
        make = [uv, "venv", "--quiet", "--python", python, str(place)]
        install = [uv, "pip", "install", "--quiet", "--python", inside]
    steps = {"making an environment": make, "installing": [*install, "--require-hashes", "-r", str(locked)]}
    for what, command in steps.items():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            return f"{what} failed: {' '.join(done.stderr.split())[-200:]}"
    return ""


def _interpreter(minor: str) -> str | None:
    """Return a Python of this minor version that starts; the one on the path may be a shim that does not."""
    found = [shutil.which(f"python{minor}"), *Path.home().glob(f".pyenv/versions/{minor}.*/bin/python")]
    for each in found:
        if each is not None and subprocess.run([each, "-c", ""], capture_output=True, check=False).returncode == 0:
            return str(each)
    return None


if __name__ == "__main__":
    sys.exit(main())
