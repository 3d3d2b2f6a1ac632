"""What this environment installs, in MB; exit status 1 above the limit given as argument.

Run inside the environment to be measured: `scripts/in-env.sh base python scripts/size.py 350`.
"""

import sys
from importlib.metadata import distributions
from pathlib import Path

_MB = 1_000_000
_OF_VENV = {"pip", "setuptools"}
"""Put there by `python -m venv`, not by us."""


def sizes() -> dict[str, int]:
    """Return the bytes on disk of each installed distribution, compiled files included."""
    found: dict[str, int] = {}
    for item in distributions():
        if item.name not in _OF_VENV:
            files = {Path(str(item.locate_file(file))) for file in item.files or ()}
            found[item.name] = sum(file.stat().st_size for file in files if file.is_file())
    return found


def main(limit: int) -> int:
    """Print the largest distributions and the sum."""
    found = sizes()
    total = sum(found.values())
    for name, size in sorted(found.items(), key=lambda pair: -pair[1])[:5]:
        print(f"size: {size / _MB:6.1f} MB  {name}")
    verdict = "within" if total <= limit * _MB else "OVER"
    print(f"size: {total / _MB:.1f} MB in {len(found)} distributions, {verdict} the limit of {limit} MB")
    return 0 if total <= limit * _MB else 1


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))
