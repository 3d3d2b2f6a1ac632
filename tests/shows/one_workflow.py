"""Show: one workflow on three kinds of model; between them nothing changes but `models.yaml`.

    python -m tests.shows.one_workflow [--cases 12] [--seed 1] [--control]

The workflow chooses a desk for a message. It runs on a classifier trained here, on a chat model behind a server of the
test kit, and on the server that AIE_TEST_OPENAI_URL names (with AIE_TEST_OPENAI_MODEL, and AIE_TEST_OPENAI_KEY if it
wants one); without that variable the third counts as skipped. A case is accepted when its run completed with one of the
declared desks, refused when its handler was followed. Exit 1 unless every case of every kind was accepted, every file
but `models.yaml` is the same to the byte, and each kind really answered.

`--control` changes the prompt between the kinds, and lets the server answer a desk that was not declared: both checks
must then fail, and the command exits 0 only if they do.
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from aie.app import Given, lock_release, open_app, runner, train
from aie.records.events import AttemptSettled
from aie.testing.openai_server import OpenAIServer

DESKS = ("claims", "contracts", "payments")
WORDS = {
    "claims": ("my car was hit", "water in the cellar", "the roof is damaged", "a storm broke the window"),
    "contracts": (
        "please end my contract",
        "what does my policy cover",
        "change my tariff",
        "add my son to the policy",
    ),
    "payments": ("the invoice is wrong", "you charged me twice", "please pay the refund", "my bank account changed"),
}
ENDS = ("yesterday", "since March", "as I told you on the phone", "and nobody answers", "please help", "again")
MODELS = {
    "local": """\
models:
  desk:
    kind: text_classifier
    train: desks/messages
    artefact: models/desk.aie
""",
    "server": """\
models:
  desk:
    kind: chat
    provider: openai_compatible
    endpoint: env:ONE_WORKFLOW_URL
    model: desk-2026-05
    features: [json_schema]
    price: {input_per_million: 0.15 USD, output_per_million: 0.60 USD}
    context_window: 16000
    parameters: {max_tokens: 200}
""",
    "third party": """\
models:
  desk:
    kind: chat
    provider: openai_compatible
    endpoint: env:AIE_TEST_OPENAI_URL
    api_key: env:AIE_TEST_OPENAI_KEY
    model: MODEL
    local: true
    context_window: 16000
    parameters: {max_tokens: 2000}
""",
}
"""The only thing that differs. What a server of unknown features is asked for stands in the words of its prompt."""
FILES = {
    "aie.yaml": "environments: [production]\n",
    "workflows/desks/workflow.yaml": """\
workflow: desks
owner: desks@northgate.example
case: input.id
risk: low
limits: {cost: 0.10 USD, model_calls: 4, steps: 10}
input: schemas/message.json
output: schemas/desk.json
steps:
  desk: {model: desk, prompt: prompts/desk.md, with: {text: input.text}, returns: schemas/desk.json}
result: {label: desk.label}
on: {"*": dead_letter}
datasets:
  messages:
    file: {train: datasets/train.jsonl, val: datasets/val.jsonl}
    format: jsonl
    id: id
    map: {input.text: text, expected.label: desk}
""",
    "workflows/desks/prompts/desk.md": "Which desk is this message for: claims, contracts or payments?\n\n{{ text }}\n",
    "workflows/desks/schemas/message.json": json.dumps(
        {
            "type": "object",
            "properties": {"id": {"type": "string"}, "text": {"type": "string"}},
            "required": ["id", "text"],
        }
    ),
    "workflows/desks/schemas/desk.json": json.dumps(
        {
            "type": "object",
            "properties": {"label": {"type": "string", "enum": list(DESKS)}},
            "required": ["label"],
            "additionalProperties": False,
        }
    ),
}


@dataclass
class Shown:
    """What the show counted."""

    attempted: int = 0
    accepted: int = 0
    refused: int = 0
    skipped: dict[str, str] = field(default_factory=dict)
    right: Counter[str] = field(default_factory=Counter)
    calls: Counter[str] = field(default_factory=Counter)
    files: set[str] = field(default_factory=set)
    """Digests of everything but `models.yaml`, one a kind."""

    def holds(self) -> bool:
        """Tell whether every check held."""
        kinds = [kind for kind in MODELS if kind not in self.skipped]
        return (
            self.attempted > 0
            and self.accepted == self.attempted
            and len(self.files) == 1
            and all((self.calls[kind] > 0) == (kind != "local") for kind in kinds)
        )

    def to_json(self) -> dict[str, Any]:
        """Return the counts."""
        return {**vars(self), "files": sorted(self.files), "held": self.holds()}


def messages(seed: int) -> list[tuple[str, str]]:
    """Return synthetic messages with their desks."""
    drawn = Random(seed)
    made = [(f"{text} {end}", desk) for desk, texts in WORDS.items() for text in texts for end in ENDS]
    drawn.shuffle(made)
    return made


def workspace(root: Path, seed: int) -> None:
    """Write everything but `models.yaml`."""
    for path, text in FILES.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    made = messages(seed)
    folder = root / "workflows/desks/datasets"
    folder.mkdir()
    for split, part in (("train", made[:48]), ("val", made[48:])):
        rows = [{"id": f"{split}-{n}", "text": text, "desk": desk} for n, (text, desk) in enumerate(part)]
        (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


def digest(root: Path) -> str:
    """Return the digest of what people wrote, `models.yaml` and what was made from it apart."""
    made = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if path.is_file() and name != "models.yaml" and not name.startswith((".aie/", "models/")):
            made.update(f"{name}\0".encode() + path.read_bytes())
    return made.hexdigest()[:16]


def answer(body: dict[str, Any], *, strange: bool = False) -> str:
    """Answer as a chat model would that knows the words."""
    text = json.dumps(body["messages"])
    desk = next((desk for desk, texts in WORDS.items() if any(each in text for each in texts)), "claims")
    return json.dumps({"label": "reception" if strange else desk})


def ask(root: Path, kind: str, cases: list[tuple[str, str]], shown: Shown) -> None:
    """Run the workflow on one kind of model."""
    (root / "models.yaml").write_text(MODELS[kind].replace("MODEL", os.environ.get("AIE_TEST_OPENAI_MODEL", "default")))
    if kind == "local":
        train(root, "desk")
    shown.files.add(digest(root))
    with open_app(root) as app, runner(app) as here:
        release = lock_release(app, "desks").release.id
        runs = []
        for n, (text, desk) in enumerate(cases):
            given = Given(name=f"{n}", folder=root, data={"id": f"{kind}-{n}", "text": text})
            runs.append((here.submit(given, release).run, desk))
        for run, desk in runs:
            row = here.wait(run, timeout=120)
            events = [each.event for each in app.store.read(run)]
            output = getattr(events[-2], "output", None) or {}
            shown.attempted += 1
            completed = row.state == "completed" and output.get("label") in DESKS
            shown.accepted += completed
            shown.refused += not completed
            shown.right[kind] += output.get("label") == desk
            shown.calls[kind] += sum(isinstance(each, AttemptSettled) for each in events)


def show(count: int, seed: int, *, control: str = "") -> Shown:
    """Run the show; `control` breaks one of its checks."""
    shown = Shown()
    with tempfile.TemporaryDirectory(prefix="one-workflow-") as home:
        root = Path(home)
        workspace(root, seed)
        cases = messages(seed + 1)[:count]
        ask(root, "local", cases, shown)
        if control == "files":
            (root / "workflows/desks/prompts/desk.md").write_text("Which desk? {{ text }}\n")
        with OpenAIServer(lambda body: answer(body, strange=control == "answers")) as server:
            os.environ["ONE_WORKFLOW_URL"] = server.url
            ask(root, "server", cases, shown)
        if os.environ.get("AIE_TEST_OPENAI_URL"):
            os.environ.setdefault("AIE_TEST_OPENAI_KEY", "none")
            ask(root, "third party", cases[:3], shown)
        else:
            shown.skipped["third party"] = "AIE_TEST_OPENAI_URL is not set"
    return shown


def main() -> int:
    """Run the show or its controls."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cases", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true")
    options = parser.parse_args()
    if not options.control:
        shown = show(options.cases, options.seed)
        print(json.dumps(shown.to_json(), indent=1))
        return 0 if shown.holds() else 1
    caught = {name: not show(options.cases, options.seed, control=name).holds() for name in ("files", "answers")}
    print(json.dumps({"control": caught, "held": all(caught.values())}, indent=1))
    return 0 if all(caught.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
