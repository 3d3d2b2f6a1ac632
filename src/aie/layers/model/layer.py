"""The model layer: one name in a workflow file, whichever kind of model stands behind it."""

from collections.abc import Callable
from typing import Literal, cast

from aie.config import ChatModel, ModelStep, OnnxClassifier, Route, Site, StepSpec, TabularClassifier, TextClassifier
from aie.layers.model.asking import compile_asking, run_asking
from aie.layers.model.choosing import compile_choosing, run_choosing
from aie.layers.model.classifying import classify, compile_classifying
from aie.layers.model.predicting import compile_predicting, predict
from aie.layers.model.scoring import compile_scoring, score
from aie.layers.port import Compiled, Result, Task, Tools
from aie.models import Chat, connect

__all__ = ["ModelLayer"]


class ModelLayer:
    """Runs classifiers and asks chat models.

    Output of a text classifier: `{label, confidence, accepted, alternatives}`, or for several labels
    `{labels, confidence, accepted, scores}`; of a tabular one: `{label, confidence, accepted, scores}`; of a chat
    model: what `returns` describes, else `{text}`.
    """

    name: Literal["model"] = "model"
    version = 1
    in_fibers = True

    def __init__(self, connect: Callable[[str], Chat] = connect) -> None:
        self._connect = connect
        """Returns the adapter of a provider."""

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile a `model` step."""
        assert isinstance(step, ModelStep)
        chosen = site.chosen("model", step.model)
        if chosen is None:
            return None
        if isinstance(chosen, TextClassifier) and step.returns is None:
            return compile_classifying(step, chosen, site)
        if isinstance(chosen, TabularClassifier):
            return compile_scoring(step, chosen, site)
        if isinstance(chosen, OnnxClassifier):
            return compile_predicting(step, chosen, site)
        entries = chosen.entries if isinstance(chosen, Route) else (chosen,)
        if isinstance(chosen, ChatModel) or all(isinstance(each, ChatModel) for each in entries):
            return compile_asking(step, cast("ChatModel | Route", chosen), site)
        return compile_choosing(step, chosen, site)

    def run(self, task: Task, tools: Tools) -> Result:
        """Run the model.

        Raises:
            StepFailure: the model may not be used, the call failed, or its answer is not what was asked for.
        """
        match task.config["kind"]:
            case "classifier":
                return classify(task, tools)
            case "tabular":
                return score(task, tools)
            case "onnx":
                return predict(task, tools)
            case "choice":
                return run_choosing(task, tools, self._connect)
            case _:
                return run_asking(task, tools, self._connect)
