"""Show: thousands of damaged files, and not one traceback, hang or large process; each is read or refused in its class.

The files are made here, one of each format, and damaged at random from the seed: documents go through the extract step,
JSON and YAML through the parsers of inputs and of the configuration.

    python -m tests.shows.fuzz --seed 1 --count 10000
    python -m tests.shows.fuzz --seed 1 --count 300 --control   # must fail: readers hang, hoard and raise
"""

import argparse
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aie.app import parse_input
from aie.config import parse_yaml
from aie.errors import AieError, ConfigError, Failure, StepFailure
from aie.layers.extract import Bounds, ExtractLayer, Sandbox
from aie.layers.extract.readers import READERS
from tests.shows.making import MAKERS
from tests.shows.mutating import mutate
from tests.shows.reading import extracted, own_peak_mib, peak_kib

__all__ = ["run_show"]

MOST_SECONDS: Final = 5
LIMIT_MIB: Final = 512
CLASSES: Final = frozenset(
    {
        Failure.BLANK,
        Failure.BOMB,
        Failure.ENCRYPTED,
        Failure.INVALID_INPUT,
        Failure.TIMEOUT,
        Failure.TOO_LARGE,
        Failure.TRUNCATED,
        Failure.UNSUPPORTED,
        Failure.WRONG_TYPE,
        Failure.HOSTILE,
    }
)
"""How a damaged file may end; by the clock, too, where a library takes the square of a file, but in time."""

BROKEN: Final = {
    "html": "import time\n\ndef read(content):\n    time.sleep(60)\n",
    "office": "def read(content):\n    return {'kind': 'text', 'text': str(len(bytearray(b'x') * (600 << 20)))}\n",
    "pdf": "def read(content):\n    raise ValueError\n",
}
"""The control's readers: one hangs, one fills memory, one raises what it should have known."""

MADE_FOR_BROKEN: Final = ("html", "docx", "pdf", "txt")
"""What the control damages: a file for each broken reader, and one that none of them reads."""


SHOWN: Final = 3
"""Slowest files that the report names: with the same seed each can be made again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _End:
    number: int
    made: str
    damage: str
    kind: str
    seconds: float
    """On the clock, as a user waits: the bound that the sandbox enforces lies below the limit here."""
    reader_cpu_s: float
    """Of the readers' processor: on a machine with other work far less than the clock says."""

    def shown(self) -> dict[str, Any]:
        """Return it for the report."""
        return {
            "file": f"{self.number}: {self.made} {self.damage}",
            "end": self.kind,
            "seconds": round(self.seconds, 2),
            "reader_cpu_s": round(self.reader_cpu_s, 2),
        }


def run_show(*, seed: int, count: int, control: bool = False) -> dict[str, Any]:
    """Run the show and return its counts with every limit that was missed under `missed`."""
    rng = random.Random(seed)
    kinds = MADE_FOR_BROKEN if control else tuple(MAKERS)
    ends: list[_End] = []
    started = time.monotonic()
    with _sandbox(broken=control) as sandbox:
        layer = ExtractLayer(sandbox)
        for number in range(count):
            made = rng.choice(kinds)
            other = MAKERS[rng.choice(tuple(MAKERS))](rng)
            damage, content = mutate(rng, MAKERS[made](rng), other)
            begun, used = time.monotonic(), sandbox.usage().cpu_us
            kind = _ended(made, content, layer)
            ends.append(
                _End(
                    number=number,
                    made=made,
                    damage=damage,
                    kind=kind,
                    seconds=time.monotonic() - begun,
                    reader_cpu_s=(sandbox.usage().cpu_us - used) / 1_000_000,
                )
            )
        reader = max(sandbox.usage().peak_kib, peak_kib()) // 1024
    engine = own_peak_mib()
    slow = sum(each.seconds > MOST_SECONDS for each in ends)
    unclassed = [f"{each.number}: {each.made} {each.damage}: {each.kind}" for each in ends if not _in_class(each.kind)]
    counts = Counter(each.kind for each in ends)
    refused = sum(number for kind, number in counts.items() if kind != "read")
    limits = {
        "every file is read or refused in a class": not unclassed,
        f"nothing takes above {MOST_SECONDS} s": slow == 0,
        f"no process above {LIMIT_MIB} MiB": max(reader, engine) <= LIMIT_MIB,
        "damage was done: some are refused, and some are still read": 0 < refused < count,
    }
    return {
        "show": "fuzz",
        "seed": seed,
        "control": control,
        "attempted": count,
        "accepted": count - refused,
        "refused": refused,
        "skipped": 0,
        "ends": dict(sorted(counts.items())),
        "unclassed": unclassed[:20],
        "slow": slow,
        "slowest": [each.shown() for each in sorted(ends, key=lambda each: -each.seconds)[:SHOWN]],
        "peak_reader_mib": reader,
        "peak_engine_mib": engine,
        "seconds": round(time.monotonic() - started, 1),
        "missed": [limit for limit, kept in limits.items() if not kept],
    }


def _in_class(kind: str) -> bool:
    return kind == "read" or kind.startswith(("input", "config")) or kind in CLASSES


def _input(content: bytes) -> None:
    parse_input(content, "given.json")


def _configuration(content: bytes) -> None:
    parse_yaml(content, "given.yaml").root.data()


_PARSERS: Final[Mapping[str, Callable[[bytes], None]]] = {"json": _input, "yaml": _configuration}


def _ended(made: str, content: bytes, layer: ExtractLayer) -> str:
    """Return `read`, the class of the refusal, or what else came out."""
    try:
        if made in _PARSERS:
            _PARSERS[made](content)
        else:
            extracted(layer, f"file.{made}", content)
    except StepFailure as error:
        # A reader may crash, which the closed process is for; one that raises what it should have known is a mistake.
        return "traceback in a reader" if "broke down" in error.message else error.failure.value
    except ConfigError as error:
        return f"config: {error.problems[0].code}"
    except AieError as error:
        return error.code
    except Exception as error:  # whatever it is, a user would see a traceback
        return f"traceback: {type(error).__name__}"
    return "read"


@contextmanager
def _sandbox(*, broken: bool) -> Iterator[Sandbox]:
    with tempfile.TemporaryDirectory() as folder:
        readers = dict(READERS)
        for name, source in BROKEN.items() if broken else ():
            readers[name] = Path(folder) / f"{name}.py"
            readers[name].write_text(source)
        bounds = Bounds(small_wall_ms=5_200, memory_mib=1_024) if broken else Bounds()
        made = Sandbox(readers, bounds)
        try:
            yield made
        finally:
            made.close()


def main() -> int:
    """Print the counts; fail on a limit that was missed."""
    parser = argparse.ArgumentParser(description="Read files that were damaged at random.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--control", action="store_true", help="readers that hang and hoard: the show must fail")
    given = parser.parse_args()
    report = run_show(seed=given.seed, count=given.count, control=given.control)
    json.dump(report, sys.stdout, indent=1)
    sys.stdout.write("\n")
    return 1 if report["missed"] else 0


if __name__ == "__main__":
    sys.exit(main())
