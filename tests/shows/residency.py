"""Show: when every lawful candidate is down, the handler is followed, and not one byte reaches another region.

    python -m tests.shows.residency [--runs 20] [--seed 1] [--control]

A route allows `eu` only. Its candidates: one in the EU that cannot be reached, one in the EU that answers 503, 429 or
nothing, by seed, and one in the US that would answer at once. A connection to the US counts, whatever is sent over it.
A run is accepted when it waits at the desk that its handler names and `aie explain` says of the US candidate that it
was refused, and why. Exit 1 unless all are, both EU candidates were tried and the US server saw nothing.

`--control` lets the catalog call the US server European: then it is asked, and the show must fail; exit 0 only then.
"""

import argparse
import json
import os
import socket
import sys
import tempfile
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Self

from aie.app import Given, explain_run, lock_release, open_app, runner
from aie.records.events import AttemptIntended
from aie.testing.openai_server import Fault, OpenAIServer

DOWN: tuple[Fault, ...] = ("unavailable", "rate_limited", "hang_up", "server_error")
FILES = {
    "aie.yaml": "environments: [production]\ndesks: {people: {}}\n",
    "workflows/notes/workflow.yaml": """\
workflow: notes
owner: notes@northgate.example
case: input.id
risk: low
limits: {cost: 1.00 USD, model_calls: 10, steps: 10}
input: schemas/note.json
output: schemas/words.json
steps:
  words: {model: reader, prompt: prompts/words.md, with: {note: input.note}}
result: {text: words.text}
on: {provider_down: escalate people, rate_limited: escalate people, "*": dead_letter}
""",
    "workflows/notes/prompts/words.md": "Say this in other words.\n\n{{ note }}\n",
}
ENTRY = """\
  {name}:
    kind: chat
    provider: openai_compatible
    endpoint: env:{endpoint}
    model: reader-2026-05
    regions: [{region}]
    price: {{input_per_million: 1.00 USD, output_per_million: 4.00 USD}}
    context_window: 8000
    timeout: 500 ms
    breaker: {{failures: 1000000}}    # each run is to ask them
"""
ROUTE = """\
routes:
  reader:
    owner: platform@northgate.example
    candidates: [frankfurt, dublin, virginia]
    constraints: {regions: [eu]}
    strategy: {kind: fallback}
"""
SCHEMAS = {"note": ("id", "note"), "words": ("text",)}


class Wire:
    """A listener before a server: counts connections and bytes, and passes them on."""

    def __init__(self, behind: str) -> None:
        host, _, port = behind.removeprefix("http://").removesuffix("/v1").partition(":")
        self._behind = (host, int(port))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self._open: list[socket.socket] = []
        self.connections = 0
        self.bytes = 0

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for each in (self._socket, *self._open):
            each.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._socket.accept()
            except OSError:
                return
            self.connections += 1
            far = socket.create_connection(self._behind)
            self._open += [near, far]
            threading.Thread(target=self._pass, args=(near, far, True), daemon=True).start()
            threading.Thread(target=self._pass, args=(far, near, False), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        try:
            while data := source.recv(65536):
                self.bytes += len(data) if counted else 0
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


@dataclass
class Shown:
    """What the show counted."""

    attempted: int = 0
    accepted: int = 0
    refused: int = 0
    skipped: int = 0
    asked: Counter[str] = field(default_factory=Counter)
    """Calls by candidate."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Refusals that `aie explain` names, by candidate and reason."""
    connections: int = 0
    """To the US server."""
    bytes: int = 0

    def holds(self) -> bool:
        """Tell whether every check held."""
        return (
            0 < self.attempted == self.accepted
            and self.connections == 0
            and self.bytes == 0
            and self.asked["frankfurt"] >= self.attempted
            and self.asked["dublin"] >= self.attempted
            and self.reasons["virginia: regions"] == self.attempted
        )

    def to_json(self) -> dict[str, Any]:
        """Return the counts."""
        return {**vars(self), "held": self.holds()}


def workspace(root: Path, *, control: bool) -> None:
    """Write the workspace; the control's catalog is wrong about where a server stands."""
    entries = [
        ENTRY.format(name="frankfurt", endpoint="RESIDENCY_GONE", region="eu"),
        ENTRY.format(name="dublin", endpoint="RESIDENCY_DOWN", region="eu"),
        ENTRY.format(name="virginia", endpoint="RESIDENCY_US", region="eu" if control else "us"),
    ]
    files = FILES | {"models.yaml": f"models:\n{''.join(entries)}{ROUTE}"}
    for name, keys in SCHEMAS.items():
        schema = {"type": "object", "properties": {key: {"type": "string"} for key in keys}, "required": list(keys)}
        files[f"workflows/notes/schemas/{name}.json"] = json.dumps(schema)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)


def show(count: int, seed: int, *, control: bool = False) -> Shown:
    """Run the show."""
    shown, drawn = Shown(), Random(seed)
    with OpenAIServer() as gone:
        os.environ["RESIDENCY_GONE"] = gone.url
    faults = [drawn.choice(DOWN) for _ in range(4 * count)]
    with (
        tempfile.TemporaryDirectory(prefix="residency-") as home,
        OpenAIServer(faults=faults) as down,
        OpenAIServer("in other words") as us,
        Wire(us.url) as wire,
    ):
        os.environ |= {"RESIDENCY_DOWN": down.url, "RESIDENCY_US": wire.url}
        root = Path(home)
        workspace(root, control=control)
        with open_app(root) as app, runner(app) as here:
            release = lock_release(app, "notes").release.id
            runs = [
                here.submit(Given(name=f"{n}", folder=root, data={"id": f"{n}", "note": f"note {n}"}), release).run
                for n in range(count)
            ]
            for run in runs:
                _judge(shown, here.wait(run, timeout=60).state, explain_run(app, run).to_json())
                events = [each.event for each in app.store.read(run)]
                shown.asked.update(each.model for each in events if isinstance(each, AttemptIntended))
        shown.connections, shown.bytes = wire.connections, wire.bytes
    return shown


def _judge(shown: Shown, state: str, explained: dict[str, Any]) -> None:
    refused = {f"{each['model']}: {each['reason']}" for each in explained["refused_models"] if each["why"]}
    shown.reasons.update(refused)
    desks = [each["desk"] for each in explained["reviews"]]
    followed = state == "waiting" and desks == ["people"]
    shown.attempted += 1
    shown.accepted += followed
    shown.refused += not followed


def main() -> int:
    """Run the show or its control."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--control", action="store_true")
    options = parser.parse_args()
    shown = show(options.runs, options.seed, control=options.control)
    print(json.dumps(shown.to_json() | {"control": options.control}, indent=1))
    return 0 if shown.holds() != options.control else 1


if __name__ == "__main__":
    sys.exit(main())
