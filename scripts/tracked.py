"""No file in git holds a secret, a path of somebody's machine, or the address of a package index."""

import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

# Written so that no pattern matches itself.
PATTERNS = {
    "private key": re.compile(r"-----BEGIN [A-Z ]*PRIVATE [K]EY-----"),
    "cloud key": re.compile(r"\bAKIA[0-9A-Z]{16}\b"),
    "provider key": re.compile(r"\bsk-[A-Za-z0-9_-]{20,}\b"),
    "forge token": re.compile(r"\bgh[pousr]_[A-Za-z0-9]{30,}\b"),
    "path of a machine": re.compile(r"(?<![\w.~/:-])/(?:home|root|work|Users|opt)/[\w.-]"),
    "package index": re.compile(r"\b(?:pypi|pythonhosted|npmjs|anaconda)\.(?:org|com)\b", re.IGNORECASE),
}

LARGE = 5_000_000
"""Bytes; a file above this is no source."""


def judge_text(name: str, text: str) -> list[str]:
    """Return a line for each thing found in the text of one file."""
    return [
        f"{name}:{number}: {kind}: {line.strip()[:80]}"
        for number, line in enumerate(text.splitlines(), start=1)
        for kind, pattern in PATTERNS.items()
        if pattern.search(line)
    ]


def tracked_files(top: Path) -> list[Path]:
    """Return the files git knows, those still to be committed included."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607 - git of the developer
        cwd=top,
        check=True,
        capture_output=True,
    )
    return [top / name for name in listed.stdout.decode().split("\0") if name and (top / name).is_file()]


def judge_files(top: Path, files: Iterable[Path]) -> tuple[list[str], int, int]:
    """Judge every file; return the findings, how many files were read, and how many are binary."""
    findings: list[str] = []
    read = binary = 0
    for file in files:
        name = file.relative_to(top).as_posix()
        if file.stat().st_size > LARGE:
            findings.append(f"{name}: larger than {LARGE} bytes")
        try:
            text = file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            binary += 1
            continue
        read += 1
        findings += judge_text(name, text)
    return findings, read, binary


def main() -> int:
    """Print each finding, then the counts."""
    top = Path(__file__).parent.parent
    files = tracked_files(top)
    findings, read, binary = judge_files(top, files)
    for finding in findings:
        print(f"tracked: REFUSED {finding}")
    print(f"tracked: attempted {len(files)}, read {read}, findings {len(findings)}, skipped {binary} (binary)")
    return 1 if findings or not read else 0


if __name__ == "__main__":
    sys.exit(main())
