"""The locks in requirements/ are pinned and hashed, name no address, and hold what pyproject.toml asks for."""

import re
import sys
import tomllib
from pathlib import Path

_PIN = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==[^\s;]+(?: ; [^\\]+?)? \\$")
_HASH = re.compile(r"^    --hash=sha256:[0-9a-f]{64}(?: \\)?$")
_NOTE = re.compile(r"^    #(?: via)?(?: +(?:-c requirements/dev\.txt|[\w.-]+(?: \(pyproject\.toml(?::\w+)?\))?))?$")
_NAME = re.compile(r"^[A-Za-z0-9._-]+")


def judge_lock(text: str, wanted: frozenset[str]) -> list[str]:
    """Return what is wrong with one lock: every line is a pin, a hash or a note, and nothing wanted is missing.

    The grammar is closed on purpose: an index line, a link, a path or a host is not a pin and so needs no pattern.
    """
    problems: list[str] = []
    pinned: dict[str, int] = {}
    current = ""
    for number, line in enumerate(text.splitlines(), start=1):
        if found := _PIN.match(line):
            current = normal(found[1])
            pinned.setdefault(current, 0)
        elif _HASH.match(line) and current:
            pinned[current] += 1
        elif not _NOTE.match(line):
            problems.append(f"line {number} is no pin, hash or note: {line.strip()[:60]}")
    problems += [f"{name} has no hash" for name, hashes in pinned.items() if not hashes]
    problems += [f"{name} is asked for by pyproject.toml and not locked" for name in sorted(wanted - pinned.keys())]
    return problems


def normal(name: str) -> str:
    """Return a distribution's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names_of(requirements: list[str]) -> frozenset[str]:
    """Return the normal names of requirement lines."""
    return frozenset(normal(found[0]) for text in requirements if (found := _NAME.match(text)))


def wanted_by(pyproject: str) -> dict[str, frozenset[str]]:
    """Return the distributions each lock must hold, by the name of the lock."""
    data = tomllib.loads(pyproject)
    extras: dict[str, list[str]] = data["project"]["optional-dependencies"]
    groups: dict[str, list[str]] = data["dependency-groups"]
    base = names_of(data["project"]["dependencies"]) | names_of(groups["build"])
    everything = base.union(names_of(groups["dev"]), *(names_of(extra) for extra in extras.values()))
    bench = base | names_of(groups["bench"]) | names_of(extras["postgres"]) | names_of(extras["openai"])
    peer = names_of(groups["build"]) | names_of(groups["litellm"])
    demo = base | names_of(extras["train"])
    return {"base": base, "bench": bench, "litellm": peer, "demo": demo, "dev": everything}


def main() -> int:
    """Judge each lock and print the counts."""
    top = Path(__file__).parent.parent
    refused = 0
    locks = wanted_by((top / "pyproject.toml").read_text(encoding="utf-8"))
    for name, wanted in locks.items():
        problems = judge_lock((top / "requirements" / f"{name}.txt").read_text(encoding="utf-8"), wanted)
        refused += bool(problems)
        for problem in problems:
            print(f"locks: REFUSED requirements/{name}.txt: {problem}")
    print(f"locks: attempted {len(locks)}, accepted {len(locks) - refused}, refused {refused}, skipped 0")
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
