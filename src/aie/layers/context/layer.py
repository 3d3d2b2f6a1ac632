"""The context layer: from a text to the passages worth their tokens, or to all of it in parts."""

from aie.config import CONTEXTS, ContextStep, Site, StepSpec
from aie.layers.context.recipe import RECIPE, compile_recipe, run_recipe
from aie.layers.context.sections import SECTIONS, compile_sections, run_sections
from aie.layers.context.words import choose_passages, compile_passages
from aie.layers.port import Compiled, LayerName, Result, Task, Tools

__all__ = ["ContextLayer"]


class ContextLayer:
    """Chooses passages, or cuts a text into sections.

    Output of `passages`: `{passages: [{id, text, page, start, end}], text}`; of a recipe the same with `source` and
    `heading` of each passage; of `sections`: `{sections: [{id, heading, text, page, start, end, pages}]}`. Every
    passage and section is verbatim `source.text[start:end]`. The report tells what was kept and dropped, and why.
    """

    name: LayerName = "context"
    version: int = 1
    in_fibers = False

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile a `context` step."""
        assert isinstance(step, ContextStep)
        if step.context == SECTIONS:
            return compile_sections(step, site)
        return compile_passages(step, site) if step.context in CONTEXTS else compile_recipe(step, site)

    def run(self, task: Task, tools: Tools) -> Result:
        """Choose the passages, or cut the text into sections.

        Raises:
            StepFailure: INVALID_INPUT for something without text, TOO_LARGE when not even one passage fits, or there
                are more parts than are allowed.
        """
        if task.config["kind"] == SECTIONS:
            return run_sections(task)
        return run_recipe(task, tools) if task.config["kind"] == RECIPE else choose_passages(task)
