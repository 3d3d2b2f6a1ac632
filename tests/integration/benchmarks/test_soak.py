"""The soak tells what there is, and what it once found stays mended."""

import secrets
import subprocess
import sys
from pathlib import Path

import pytest

from aie.records import MemoryKeys
from aie.records.vault import DataKey, Vault
from benchmarks.memory import memory

ROOT = Path(__file__).parents[3]


def test_the_keys_that_a_worker_remembers_take_little_beside_themselves() -> None:
    """A cipher kept for each took 2.4 KiB of the C library's: ten megabytes before the first was forgotten."""
    vault = Vault(MemoryKeys())
    before = memory().used
    keys = {f"subject-{n}": DataKey(f"key-{n}", secrets.token_bytes(32)) for n in range(4_000)}
    for key in keys.values():
        assert key.open(key.seal(b"secret", b"place"), b"place") == b"secret"
    vault.remember("acme", keys)
    assert memory().used - before < 2_000
    assert vault.cached("acme", "subject-7") is keys["subject-7"]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["pure", "broken"])
def test_a_short_soak_has_its_looks(kind: str) -> None:
    """Each with numbers; the runs end however badly their calls are answered."""
    command = [sys.executable, "-m", "benchmarks.soak", "--kind", kind, "--runs", "20", "--every", "10", "--trace"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=True)
    rows = [line.strip("| ").split(" | ") for line in done.stdout.splitlines() if line.startswith("| ")]
    assert rows[0][:3] == ["runs", "RSS", "used"]
    assert [row[0] for row in rows[1:]] == ["0", "10", "20"]
    assert all(int(row[1]) > int(row[2]) > 0 and int(row[7]) >= 0 for row in rows[1:])
