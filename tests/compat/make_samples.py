"""Write samples of what is stored, once for each version of a format: `python -m tests.compat.make_samples v2`.

The runs are of the claims template: one that nobody had to look at, one that a person corrected, one rejected, one
whose document is cut off, one that needs another runtime and one that was moved to it. A folder that exists is never
written again: what it holds is what an earlier version of the package stored, and must stay readable.
"""

import json
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, cast

from aie.app import (
    App,
    Runner,
    decide,
    executing,
    explain_run,
    export_for_audit,
    export_release,
    lock_release,
    migrate_run,
    open_app,
    promote_release,
    read_input,
    runner,
    save_heads,
    start_workspace,
    train,
)
from aie.layers import Layer
from aie.records import seal
from aie.records.events import encode

__all__ = ["FILES", "SAMPLES", "write_samples"]

SAMPLES: Final = Path(__file__).parent / "samples"
FILES: Final = ("release.aie", "events.jsonl", "explained.json", "export.zip", "heads.json")

_CLAIMS: Final = {
    "completed": ("001", "completed"),
    "corrected": ("029", "completed"),
    "rejected": ("028", "dead"),
    "unreadable": ("040", "dead"),
    "lacking": ("015", "needs_runtime"),
    "migrated": ("017", "completed"),
}
"""The runs: example of the template, and the state they must end in."""


@dataclass(frozen=True, slots=True)
class _Newer:
    """A layer that calls itself the next version."""

    layer: Layer

    @property
    def version(self) -> int:
        return self.layer.version + 1

    def __getattr__(self, name: str) -> Any:
        return getattr(self.layer, name)


def write_samples(folder: Path) -> None:
    """Make the runs in a workspace of their own and write what was stored of them.

    Raises:
        FileExistsError: the folder exists.
    """
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="samples-") as home:
        root = Path(home) / "claims"
        start_workspace(root, "claims")
        train(root, "desk")
        with open_app(root, actor="sample") as app:
            lock_release(app, "claims")
            release = promote_release(app, "claims", "production").after
            runs = _live(app, release)
            seal(app.store)
            export_release(app, release, folder / "release.aie")
            export_for_audit(app, folder / "export.zip")
            save_heads(app, folder / "heads.json")
            _write_events(app, runs, folder / "events.jsonl")
            explained = {name: explain_run(app, run).to_json() for name, run in runs.items()}
        _write_json(folder / "explained.json", explained)


def _live(app: App, release: str) -> dict[str, str]:
    runs = {}
    with runner(app) as here:
        for name, (number, _) in _CLAIMS.items():
            given = read_input(app.root / "examples" / f"claim-{number}.json")
            runs[name] = here.submit(given, release, environment="production").run
            here.wait(runs[name])
        decide(here, runs["corrected"], "correct", values={"label": "liability"}, reason="a third party's car")
        decide(here, runs["rejected"], "reject", reason="not insured here")
        for name in ("corrected", "rejected"):
            here.wait(runs[name])
    services = app.services
    layers = dict(services.layers) | {"review": cast("Layer", _Newer(services.layers["review"]))}
    with executing(replace(app, services=replace(services, layers=layers))) as newer:
        later = Runner(app, newer)
        for name in ("lacking", "migrated"):
            decide(later, runs[name], "approve")
            later.wait(runs[name])
        migrate_run(later, runs["migrated"], "the sample of a migration")
        later.wait(runs["migrated"])
    states = {name: later.wait(run).state for name, run in runs.items()}
    if states != {name: state for name, (_, state) in _CLAIMS.items()}:
        raise RuntimeError(f"the samples are not what they should be: {states}")
    return runs


def _write_events(app: App, runs: Mapping[str, str], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        for name, run in runs.items():
            for each in app.store.read(run):
                body, payload = encode(each.event)
                place = {key: getattr(each, key) for key in ("n", "at", "segment", "epoch", "writer", "writer_seq")}
                line = {"run": name, "stream": run, **place, "type": each.event.type, "body": body, "payload": payload}
                file.write(json.dumps(line, sort_keys=True, ensure_ascii=False) + "\n")


def _write_json(path: Path, data: object) -> None:
    path.write_text(json.dumps(data, sort_keys=True, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_samples(SAMPLES / sys.argv[1])
