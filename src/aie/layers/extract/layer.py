"""The extract layer: from a document to its text, and from a text to its fields."""

from collections.abc import Callable

from aie.config import DOCUMENTS, MERGED, ExtractStep, Site, StepSpec
from aie.layers.extract.documents import compile_reading, run_reading
from aie.layers.extract.fields import FIELDS, compile_fields, run_fields
from aie.layers.extract.merged import compile_merged, run_merged
from aie.layers.extract.recognition import Recogniser
from aie.layers.extract.sandbox import SHARED, Sandbox
from aie.layers.port import Compiled, LayerName, Result, Task, Tools
from aie.models import Chat, connect

__all__ = ["ExtractLayer"]


class ExtractLayer:
    """Reads documents, and finds fields in what was read.

    A document gives `{text, pages: [{number, start, end}], kind, name, parts: [{name, kind, start, end}], unread}`.
    Offsets count characters of `text`, `end` is exclusive; plain text has no pages. What comes out is untrusted:
    whoever wrote the document is outside the tenant's control.
    """

    name: LayerName = "extract"
    version: int = 1
    in_fibers = False

    def __init__(
        self,
        sandbox: Sandbox = SHARED,
        connect: Callable[[str], Chat] = connect,
        recogniser: Recogniser | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._recogniser = recogniser or Recogniser()
        self._connect = connect
        """Returns the adapter of a provider, for extractors that ask a model."""

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile an `extract` step."""
        assert isinstance(step, ExtractStep)
        if step.extract == MERGED:
            return compile_merged(step, site)
        return compile_reading(step, site) if step.extract in DOCUMENTS else compile_fields(step, site)

    def run(self, task: Task, tools: Tools) -> Result:
        """Read the document, or find the fields in what was read.

        Raises:
            StepFailure: with the class that says what is wrong with it.
        """
        if task.config["kind"] == FIELDS:
            return run_fields(task, tools, self._connect)
        if task.config["kind"] == MERGED:
            return run_merged(task, tools)
        return run_reading(task, tools, self._sandbox, self._recogniser)
