"""Every distribution installed here has a licence we may ship beside Apache-2.0; prints what was counted.

Exit status 1 when one is refused. Run inside the environment to be checked.
"""

import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from importlib.metadata import Distribution, distributions

ALLOWED = frozenset({"0BSD", "APACHE", "BSD", "CC0", "ISC", "MIT", "MPL", "PSF", "ZLIB"})
"""Families. MPL-2.0 is copyleft by file: used unmodified, it asks nothing of ours."""

EXCEPTIONS = {"psycopg": "LGPL", "psycopg-binary": "LGPL"}
"""The one named exception: the Postgres driver, which DBOS requires, is LGPL-3.0-only and is used unmodified."""

OURS = "applied-intelligence-engine"

_FAMILIES = (
    (re.compile(r"affero|\bagpl", re.IGNORECASE), "AGPL"),
    (re.compile(r"lesser general public|\blgpl", re.IGNORECASE), "LGPL"),
    (re.compile(r"general public|\bgpl", re.IGNORECASE), "GPL"),
    (re.compile(r"\b0bsd\b", re.IGNORECASE), "0BSD"),
    (re.compile(r"apache", re.IGNORECASE), "APACHE"),
    (re.compile(r"\bbsd\b", re.IGNORECASE), "BSD"),
    (re.compile(r"\bcc0\b", re.IGNORECASE), "CC0"),
    (re.compile(r"\bisc\b", re.IGNORECASE), "ISC"),
    (re.compile(r"\bmit\b", re.IGNORECASE), "MIT"),
    (re.compile(r"mozilla public|\bmpl\b", re.IGNORECASE), "MPL"),
    # CNRI-Python is the oldest layer of Python's own licence, without conditions beyond the notice.
    (re.compile(r"python software foundation|\bpsf\b|\bcnri-python\b", re.IGNORECASE), "PSF"),
    (re.compile(r"\bzlib\b", re.IGNORECASE), "ZLIB"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What was found out about one distribution."""

    name: str
    licence: str
    """As declared, one line; empty when nothing is."""
    accepted: bool
    named: bool
    """Accepted as the named exception and not by the list."""


def judge(name: str, declared: str) -> Verdict:
    """Decide about one distribution from the words of its metadata.

    An SPDX expression is taken apart: of `A OR B` one side must be allowed, of `A AND B` both.
    """
    accepted = bool(declared.strip()) and any(
        all(_family(term) in ALLOWED for term in re.split(r"\s+AND\s+|\s*,\s*", option))
        for option in re.split(r"\s+OR\s+", declared.replace("(", " ").replace(")", " "))
    )
    named = not accepted and EXCEPTIONS.get(name.lower()) == _family(declared)
    return Verdict(name=name, licence=declared, accepted=accepted or named, named=named)


def declared_licence(metadata: Message) -> str:
    """Return the SPDX expression, else the classifiers, else the first line of the licence field."""
    if expression := metadata.get("License-Expression"):
        return str(expression)
    classifiers = [str(value).rsplit(" :: ", 1)[-1] for value in metadata.get_all("Classifier") or []]
    licences = [value for value in classifiers if _family(value)]
    if licences:
        return " OR ".join(licences)
    words = str(metadata.get("License") or "").strip().splitlines()
    # "BSD-3-Clause, Apache-2.0, dependency licenses" (pypdfium2) names its own and points to a folder.
    return words[0].replace(", dependency licenses", "") if words else ""


def carried_licence(item: Distribution) -> str:
    """Return the titles of the licence files that a distribution carries, for one whose metadata declares nothing."""
    names = item.metadata.get_all("License-File") or []
    texts = [item.read_text(f"licenses/{name}") or "" for name in names]
    return " AND ".join(text.strip().partition("\n")[0].strip() for text in texts)


def judge_all(installed: Iterable[tuple[str, str]]) -> list[Verdict]:
    """Judge (name, declared licence) pairs, ours left out, in the order of their names."""
    return [judge(name, declared) for name, declared in sorted(installed) if name.lower() != OURS]


def main() -> int:
    """Print one line a refusal or exception, then the counts."""
    installed = {
        (item.name, declared_licence(item.metadata) or carried_licence(item))  # type: ignore[arg-type]
        for item in distributions()
    }
    verdicts = judge_all(installed)
    refused = [verdict for verdict in verdicts if not verdict.accepted]
    for verdict in verdicts:
        if verdict.named:
            print(f"licences: exception {verdict.name}: {verdict.licence}")
    for verdict in refused:
        print(f"licences: REFUSED {verdict.name}: {verdict.licence or 'no licence declared'}")
    accepted = len(verdicts) - len(refused)
    print(f"licences: attempted {len(verdicts)}, accepted {accepted}, refused {len(refused)}, skipped 0")
    return 1 if refused or not verdicts else 0


def _family(words: str) -> str:
    """Return the first family the words name, the strictest first; empty when they name none."""
    return next((family for pattern, family in _FAMILIES if pattern.search(words)), "")


if __name__ == "__main__":
    sys.exit(main())
