"""The measured process of the soak: one worker that lets runs go on and says what its memory is made of.

python -m benchmarks.soaking '{"workflow": "chat", …}'      a line of JSON for each look
"""

import json
import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from aie.app import Given, Runner, lock_release, open_app, runner
from aie.models import connect
from benchmarks.memory import kinds, memory, trim

__all__ = ["Soak", "main"]

_SCHEMA: Final = json.dumps(
    {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"], "additionalProperties": False}
)
_WORKFLOW: Final = """\
workflow: soak
owner: bench@larkfield.example
case: input.id
risk: low
limits: {cost: 0.01 USD, tokens: 100000, steps: 10, model_calls: 12}
input: schemas/one.json
output: schemas/one.json
steps:
  named: STEP
result: {id: input.id}
on: {"*": {default: {id: none}}}
"""
_STEPS: Final = {
    "pure": "{check: rules, of: input, rules: {id: size(input.id) > 0}, then: tell}",
    "chat": "{model: reader, prompt: prompts/say.md, with: {id: input.id}, returns: schemas/one.json}",
}
_MODELS: Final = """\
models:
  reader:
    kind: chat
    provider: openai_compatible
    endpoint: env:SOAK_ENDPOINT
    model: reader-1
    parameters: {max_tokens: 60}
    features: [json_schema]
    price: {input_per_million: 1.00 USD, output_per_million: 4.00 USD}
    context_window: 4000
    timeout: 2 s
    stream: STREAM
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Soak:
    """What a process has to do."""

    workflow: str
    """`pure`: one step that only computes; `chat`: one call of a chat model."""
    runs: int
    every: int
    """Runs between two looks."""
    stream: bool = False
    """Answers come piece by piece."""
    faults: float = 0.0
    """Share of requests that the server serves badly."""
    trace: bool = False
    """Trace what Python allocates, and at the end tell where."""
    trim: bool = False
    """Let the C library give back what it keeps, before each look."""
    together: bool = False
    """The chat server is in the measured process."""


def main() -> int:
    """Do what the job says."""
    soak = Soak(**json.loads(sys.argv[1]))
    with ExitStack() as stack:
        root = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="aie-soak-")))
        if soak.workflow == "chat":
            os.environ["SOAK_ENDPOINT"] = stack.enter_context(_server(soak))
            connect("openai_compatible")
        _write(root, soak)
        here = stack.enter_context(runner(stack.enter_context(open_app(root))))
        release = lock_release(here.app, "soak").release.id
        _go_on(here, release, root, range(min(soak.every, 200)))
        if soak.trace:
            tracemalloc.start()
        before, first = kinds(), tracemalloc.take_snapshot() if soak.trace else None
        _tell(soak, 0)
        for done in range(0, soak.runs, soak.every):
            _go_on(here, release, root, range(1_000_000 + done, 1_000_000 + done + soak.every))
            _tell(soak, done + soak.every)
        more = dict((kinds() - before).most_common(12))
        places = [] if first is None else tracemalloc.take_snapshot().compare_to(first, "lineno")[:12]
        print(json.dumps({"more": more, "places": [str(each) for each in places]}), flush=True)
    return 0


def _go_on(here: Runner, release: str, root: Path, numbers: range) -> None:
    """Let so many runs go on to their end."""
    given = [Given(name=f"case-{number}", folder=root, data={"id": f"case-{number}"}) for number in numbers]
    for run in [here.submit(each, release).run for each in given]:
        state = here.wait(run, timeout=120).state
        if state != "completed":
            raise ValueError(f"a run of the soak is {state}")


def _tell(soak: Soak, runs: int) -> None:
    if soak.trim:
        trim()
    print(json.dumps({"runs": runs, **asdict(memory())}), flush=True)


def _write(root: Path, soak: Soak) -> None:
    models = _MODELS.replace("STREAM", str(soak.stream).lower()) if soak.workflow == "chat" else "models: {}\n"
    for path, text in {
        "aie.yaml": "environments: [production]\n",
        "models.yaml": models,
        "workflows/soak/workflow.yaml": _WORKFLOW.replace("STEP", _STEPS[soak.workflow]),
        "workflows/soak/schemas/one.json": _SCHEMA,
        "workflows/soak/prompts/say.md": "Say {{ id }}.\n",
    }.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")


@contextmanager
def _server(soak: Soak) -> Iterator[str]:
    """Answer calls until the block ends; yields where."""
    if soak.together:
        from benchmarks.chatting import server  # noqa: PLC0415 - else not of this process

        with server(soak.faults) as made:
            yield made.url
        return
    command = [sys.executable, "-m", "benchmarks.chatting", str(soak.faults)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.kill()


if __name__ == "__main__":
    sys.exit(main())
