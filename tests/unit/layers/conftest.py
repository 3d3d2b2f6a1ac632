"""What tests of layers share: a task, its tools without any world behind them, and PDFs made on the spot."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest

from aie.core import JSON, Labels, Value
from aie.layers import LAYERS, Keys, NoOtherRuns, Result, Task, Tools


@dataclass
class World:
    """Everything a layer may reach, as plain values."""

    files: dict[str, bytes] = field(default_factory=dict)
    components: dict[str, bytes] = field(default_factory=dict)
    live: dict[str, Mapping[str, JSON]] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    keys: Keys = field(default_factory=NoOtherRuns)
    labels: Labels = field(default_factory=Labels)

    def read(self, ref: str) -> bytes:
        """Play the port to documents."""
        return self.files[ref]

    def tools(self) -> Tools:
        """Return the ports of a step."""

        def cache(key: str, load: Callable[[bytes], Any]) -> Any:
            return load(self.components[key])

        return Tools(
            files=self,
            attempts=None,  # type: ignore[arg-type]
            components=self.components.__getitem__,
            live=self.live.__getitem__,
            secret=self.secrets.__getitem__,
            cache=cache,
            keys=self.keys,
            labels=self.labels,
        )


@pytest.fixture
def world() -> World:
    """A world with nothing in it."""
    return World()


@pytest.fixture
def task() -> Callable[..., Task]:
    """Make a task from its pinned configuration and its inputs."""

    def make(config: dict[str, JSON], **inputs: JSON) -> Task:
        values = {
            name.replace("__", "."): given if isinstance(given, Value) else Value(data=given, ref=f"ref-{name}")
            for name, given in inputs.items()
        }
        return Task(path="step", config=config, inputs=values, workflow="claims")

    return make


@pytest.fixture
def read_files(world, task):
    """Read files as the layer does."""

    def run(*contents: bytes, name: str = "file", kind: str = "document", **config: JSON) -> Result:
        given = []
        for at, content in enumerate(contents):
            world.files[f"r{at}"] = content
            given.append({"ref": f"r{at}", "name": name, "media_type": "", "size": len(content)})
        value = Value(data=given if kind == "packet" else given[0], ref="v1")
        made = LAYERS["extract"].run(task({"kind": kind, **config}, **{"from": value}), world.tools())
        assert isinstance(made, Result)
        return made

    return run


@pytest.fixture
def pdf() -> Callable[..., bytes]:
    """Make a PDF of one page for each text."""
    return make_pdf


def make_pdf(*pages: str) -> bytes:
    """Return a minimal PDF whose pages hold one line of ASCII each."""
    kids = " ".join(f"{4 + 2 * at} 0 R" for at in range(len(pages)))
    bodies = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {len(pages)}>>",
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    ]
    for at, text in enumerate(pages):
        stream = f"BT /F 9 Tf 9 99 Td ({text}) Tj ET"
        bodies.append(
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 999 999]/Contents {5 + 2 * at} 0 R"
            "/Resources<</Font<</F 3 0 R>>>>>>"
        )
        bodies.append(f"<</Length {len(stream)}>>\nstream\n{stream}\nendstream")
    content = "%PDF-1.4\n"
    places = []
    for number, body in enumerate(bodies, 1):
        places.append(len(content))
        content += f"{number} 0 obj{body}endobj\n"
    table = "".join(f"{place:010} 00000 n \n" for place in places)
    size = len(bodies) + 1
    start = len(content)
    content += (
        f"xref\n0 {size}\n0000000000 65535 f \n{table}trailer<</Size {size}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n"
    )
    return content.encode("latin-1")
