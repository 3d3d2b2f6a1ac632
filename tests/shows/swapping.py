"""Show: rules, a trained extractor and a prompt find the same fields, and one file changes between them.

Letters made up on the spot go through one workspace of files, three times; only `extractors/terms.yaml` is exchanged.
Every other file has to stay the same byte by byte, every run has to complete, and what the step gives has to have one
form, whatever found it.

    python -m tests.shows.swapping --seed 1
    python -m tests.shows.swapping --seed 1 --control   # must fail: a second file changed; quotes that stand nowhere
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from aie.app import Given, lock_release, open_app, runner
from aie.core import digest_bytes
from aie.records.events import RunFinished
from aie.testing.openai_server import OpenAIServer
from tests.shows.public_data import aie

__all__ = ["run_show"]

_WORKSPACE: Final = Path(__file__).parent / "workspaces" / "swap"
_EXTRACTOR: Final = "workflows/letters/extractors/terms.yaml"
_KINDS: Final = ("rules", "trained", "prompt")
_LETTERS: Final = 60
_ASKED: Final = 20
"""Letters that are run; the others teach."""
_LEAST_RIGHT: Final = 0.9

_FIRMS: Final = (
    "Larkfield Paper, Inc.",
    "Quill & Sons Ltd.",
    "Northgate Cleaning LLC",
    "Reed Holdings Corp.",
    "Ada GmbH",
)
_CLIENTS: Final = ("Fenwick Mills plc", "Harrow Tools Inc.", "Bluebell Dairy Ltd.", "Stone Quay LLC")
_MONTHS: Final = ("January", "March", "May", "August", "October", "December")
_TERMS: Final = (
    ("two (2) months", "2 months"),
    ("30 days", "30 days"),
    ("one year", "1 year"),
    ("six weeks", "6 weeks"),
)
_BEGINS: Final = ("with effect from", "beginning on", "as of")


def run_show(*, seed: int, control: str = "") -> dict[str, Any]:
    """Run the show and return its counts with every limit that was missed under `missed`.

    Args:
        seed: of the letters.
        control: `files` changes a second file as well, `quotes` lets the model quote what stands nowhere.
    """
    letters = _letters(seed)
    asked = letters[-_ASKED:]
    completed: dict[str, int] = {}
    right: dict[str, int] = {}
    forms: set[str] = set()
    others: list[dict[str, str]] = []
    reader = OpenAIServer(_reader(letters, control))
    with tempfile.TemporaryDirectory(prefix="aie-swap-") as place, reader as server:
        root = Path(place) / "swap"
        shutil.copytree(_WORKSPACE, root, ignore=shutil.ignore_patterns(".aie"))
        _write(root / "workflows/letters/letters.jsonl", letters)
        os.environ["READER_URL"] = server.url
        for kind in _KINDS:
            shutil.copy(root / "variants" / f"{kind}.yaml", root / _EXTRACTOR)
            if control == "files" and kind == "prompt":
                (root / "models.yaml").write_text((root / "models.yaml").read_text() + "\n")
            if kind == "trained":
                aie(root, "train", "letters/terms")
            others.append(_others(root))
            outputs, form = _run(root, kind, asked)
            forms.add(form)
            completed[kind] = sum(each is not None for each in outputs)
            right[kind] = sum(_right(output, letter) for output, letter in zip(outputs, asked, strict=True))
    limits = {
        "no other file changed": all(each == others[0] for each in others),
        "every run completed": all(count == len(asked) for count in completed.values()),
        "the model was asked for each letter of its turn": len(reader.requests) == len(asked),
        "one form of the step's value": len(forms) == 1,
        f"fields right >= {_LEAST_RIGHT}": min(right.values()) >= _LEAST_RIGHT * 4 * len(asked),
    }
    return {
        "show": "swapping",
        "seed": seed,
        "control": control,
        "attempted": len(_KINDS) * len(asked),
        "accepted": sum(completed.values()),
        "refused": len(_KINDS) * len(asked) - sum(completed.values()),
        "skipped": 0,
        "fields": 4 * len(asked),
        "right": right,
        "other_files": len(others[0]),
        "forms": len(forms),
        "missed": [limit for limit, kept in limits.items() if not kept],
    }


def _letters(seed: int) -> list[dict[str, Any]]:
    chance = random.Random(seed)
    return [_letter(chance, number) for number in range(_LETTERS)]


def _letter(chance: random.Random, number: int) -> dict[str, Any]:
    sender, client = chance.choice(_FIRMS), chance.choice(_CLIENTS)
    month, day, year = chance.randrange(len(_MONTHS)), chance.randint(1, 28), chance.randint(2019, 2026)
    begins, notice = f"{_MONTHS[month]} {day}, {year}", chance.choice(_TERMS)
    fee, visit = f"${chance.randint(2, 9)},{chance.randint(100, 999)}.00", f"${chance.randint(50, 99)}.00"
    text = (
        f"{client}\n{chance.randint(1, 99)} Mill Lane\n\n{sender} proposes to look after your offices "
        f"{chance.choice(_BEGINS)} {begins}. You pay {fee} a month; each further visit costs {visit}.\n"
        f"Either of us ends this with a notice of {notice[0]}. Our offer stands for three weeks, until "
        f"{chance.choice(_MONTHS)} {chance.randint(1, 28)}, {year - 1}.\n"
    )
    numbers = {"January": 1, "March": 3, "May": 5, "August": 8, "October": 10, "December": 12}
    return {
        "id": f"letter-{number}",
        "text": text,
        "split": "test" if number >= _LETTERS - _ASKED else "train",
        "sender": sender.replace(" & ", " and "),
        "begins": f"{year}-{numbers[_MONTHS[month]]:02}-{day:02}",
        "notice": notice[1],
        "fee": f"{fee[1:].replace(',', '')} USD",
        "quotes": {"sender": sender, "begins": begins, "notice": notice[0], "fee": fee},
    }


def _reader(letters: Sequence[Mapping[str, Any]], control: str) -> Any:
    """Return a model that quotes each letter well, or what stands in none of them."""

    def answer(body: dict[str, Any]) -> str:
        prompt = json.dumps(body["messages"])
        letter = next(each for each in letters if json.dumps(each["text"])[1:-1] in prompt)
        quotes = {name: "as agreed" if control == "quotes" else quote for name, quote in letter["quotes"].items()}
        return json.dumps({name: {"quote": quote, "sure": 90} for name, quote in quotes.items()})

    return answer


def _write(path: Path, letters: Sequence[Mapping[str, Any]]) -> None:
    path.write_text("".join(json.dumps({**each, "quotes": None}) + "\n" for each in letters), encoding="utf-8")


def _others(root: Path) -> dict[str, str]:
    """Return the digest of every file that people wrote, but the extractor."""
    made = {root / ".aie", root / "workflows/letters/learnt"}
    return {
        path.relative_to(root).as_posix(): digest_bytes(path.read_bytes())
        for path in sorted(root.rglob("*"))
        if path.is_file() and not made & set(path.parents) and path != root / _EXTRACTOR
    }


def _run(root: Path, kind: str, letters: Sequence[Mapping[str, Any]]) -> tuple[list[Mapping[str, Any] | None], str]:
    """Run the letters durably, as cases of this kind; return their outputs and the form of what the step gives."""
    with open_app(root) as app:
        release = lock_release(app, "letters").release
        step = next(node for node in release.plan.nodes if node.name == "terms")
        with runner(app) as here:
            runs = [
                here.submit(
                    Given(name=each["id"], folder=root, data={"id": f"{kind}-{each['id']}", "text": each["text"]}),
                    release.id,
                ).run
                for each in letters
            ]
            for run in runs:
                here.wait(run, timeout=120)
        outputs: list[Mapping[str, Any] | None] = []
        for run in runs:
            ended = [each.event for each in app.store.read(run) if isinstance(each.event, RunFinished)]
            output = ended[-1].output if ended and ended[-1].state == "completed" else None
            outputs.append(output if isinstance(output, dict) else None)
    return outputs, json.dumps(step.output, sort_keys=True)


def _right(output: Mapping[str, Any] | None, letter: Mapping[str, Any]) -> int:
    return sum(output[name] == letter[name] for name in letter["quotes"]) if output is not None else 0


def main() -> int:
    """Print the counts; fail on a limit that was missed."""
    parser = argparse.ArgumentParser(description="Swap what finds the fields.")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true", help="break each check once: every one must fail")
    given = parser.parse_args()
    if not given.control:
        report = run_show(seed=given.seed)
        print(json.dumps(report, indent=1))
        return 1 if report["missed"] else 0
    caught = {name: run_show(seed=given.seed, control=name)["missed"] for name in ("files", "quotes")}
    print(json.dumps({"show": "swapping", "control": caught}, indent=1))
    return 1 if all(caught.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
