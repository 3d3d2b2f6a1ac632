"""The agent layer: turn after turn until an answer or a bound."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, cast

from aie.config import AgentStep, Expression, Site, StepSpec, read_schema
from aie.core import JSON, Labels, Value, canonical, join
from aie.errors import Failure, StepFailure
from aie.layers.agent.asking import Turn, action_schema, compose_turn, load_task
from aie.layers.agent.bounds import BoundReached, Bounds, Limit
from aie.layers.agent.compiling import compile_agent
from aie.layers.agent.policy import Refusal, checked
from aie.layers.calling import Answer, Question, ask
from aie.layers.port import Compiled, Layer, LayerName, Result, Task, Tools
from aie.models import Chat, connect

__all__ = ["AgentLayer"]

_LARGEST: Final = 20_000
"""Bytes of what a tool gives that a model is shown."""
_ONE_OF_BOTH: Final = Refusal(reason="no_action", why="exactly one of call and answer is wanted")


class AgentLayer:
    """Lets a chat model use tools.

    Output: `{complete, stopped, answer, calls}`. `answer` is what `returns` describes; it is null when a bound was
    reached, and `stopped` says which.
    """

    name: LayerName = "agent"
    version: int = 1
    in_fibers = False

    def __init__(self, layers: Mapping[str, Layer], connect: Callable[[str], Chat] = connect) -> None:
        self._layers = layers
        """Those whose steps can be tools: `lookup` and `model`."""
        self._connect = connect
        """Returns the adapter of a provider."""

    def compile(self, step: StepSpec, site: Site) -> Compiled | None:
        """Compile an `agent` step."""
        assert isinstance(step, AgentStep)
        return compile_agent(step, site, self._layers)

    def run(self, task: Task, tools: Tools) -> Result:
        """Ask, use tools, ask again.

        Raises:
            StepFailure: the model may not be used, a call of it failed, or its answer is not what `returns` describes.
                What a tool fails with is told to the model.
        """
        return _Agent(task, tools, self._layers, self._connect).run()


class _Agent:
    """One try of one step."""

    def __init__(self, task: Task, tools: Tools, layers: Mapping[str, Layer], connect: Callable[[str], Chat]) -> None:
        limits = cast("dict[str, int]", task.config["limits"])
        left = limits["time"] if task.time_left_ms is None else min(limits["time"], task.time_left_ms * 1000)
        self._task, self._tools, self._layers, self._connect = task, tools, layers, connect
        self._bounds = Bounds(tools.attempts, calls=limits["calls"], cost=limits["cost"], time_us=left, past=task.past)
        self._listed = cast("dict[str, Any]", task.config["tools"])
        self._inputs = {slot: value.data for slot, value in task.inputs.items()}
        self._turns: list[Turn] = []
        self._labels = Labels()
        """Of everything that tools gave."""
        self._last: dict[str, JSON] = {}

    def run(self) -> Result:
        try:
            while True:
                said = self._ask()
                if said["answer"] is not None and said["call"] is None:
                    return self._result(said["answer"], None)
                self._turns.append(self._turn(said))
        except BoundReached as bound:
            return self._result(None, bound.limit)
        except StepFailure as error:
            if error.failure is Failure.TIMEOUT and self._bounds.left_us <= 0:
                return self._result(None, "time")
            error.report = {**cast("dict[str, JSON]", error.report or {}), **self._report()}
            raise

    def _ask(self) -> dict[str, Any]:
        """Return what the model wants next."""
        config, tools = self._task.config, self._now()
        template = tools.cache(cast("str", config["prompt"]), load_task)
        schema = tools.cache(cast("str", config["schema"]), read_schema)
        text, origins = compose_turn(
            template, self._task.inputs, cast("str", config["told"]), self._turns, self._bounds.told_calls - 1
        )
        question = Question(route=cast("str", config["model"]), user=text, schema=action_schema(schema))
        hurried = replace(tools, attempts=self._bounds, live=self._bounds.hurried(tools.live))
        answer: Answer = ask(question, hurried, self._connect)
        self._last = {**answer.report(), "prompt": origins}
        return cast("dict[str, Any]", answer.data)

    def _turn(self, said: Mapping[str, Any]) -> Turn:
        """Do what the model wants, if it may."""
        self._bounds.count()
        call = said["call"]
        both = call is None or said["answer"] is not None
        arguments = _ONE_OF_BOTH if both else checked(call, self._listed, self._inputs)
        if isinstance(arguments, Refusal):
            gave: JSON = {"refused": arguments.why}
            return Turn(call=cast("JSON", call), outcome="refused", why=arguments.reason, gave=gave)
        try:
            gave = self._use(self._listed[call["tool"]], arguments)
        except StepFailure as error:
            return Turn(call=call, outcome="failed", why=error.failure.value, gave={"failed": error.failure.value})
        if len(canonical(gave)) > _LARGEST:
            return Turn(call=call, outcome="failed", why="too_large", gave={"failed": "too_large"})
        return Turn(call=call, outcome="answered", gave=gave)

    def _use(self, tool: Mapping[str, Any], arguments: Mapping[str, JSON]) -> JSON:
        """Return what a tool gives; its labels stay with everything that comes after."""
        if tool["kind"] == "compute":
            return Expression(tool["program"]).evaluate({"args": dict(arguments)})
        tools = self._now()
        inputs = {
            slot: Value(data=arguments[name], ref="", labels=tools.labels) for slot, name in tool["inputs"].items()
        }
        left = max(1, self._bounds.left_us // 1000)
        inner = replace(self._task, config=tool["config"], inputs=inputs, time_left_ms=left)
        made = self._layers[tool["kind"]].run(inner, tools)
        assert isinstance(made, Result), "what reads or computes has a value"
        self._labels = join((self._labels, made.labels or Labels()))
        return made.data

    def _now(self) -> Tools:
        """Return the ports under the labels of everything read so far: what a tool gave may not be shown to anyone."""
        return replace(self._tools, labels=join((self._tools.labels, self._labels)))

    def _report(self) -> dict[str, JSON]:
        turns: list[JSON] = [each.to_json() for each in self._turns]
        return {"turns": turns, "calls": self._bounds.calls, "cost": self._bounds.cost}

    def _result(self, answer: JSON, stopped: Limit | None) -> Result:
        data: dict[str, JSON] = {
            "complete": stopped is None,
            "stopped": stopped,
            "answer": answer,
            "calls": self._bounds.calls,
        }
        return Result(data=data, labels=self._labels, report={**self._last, **self._report()})
