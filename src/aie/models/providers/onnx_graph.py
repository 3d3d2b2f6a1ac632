"""ONNX graphs on the processor: one thread, no files, nothing that is not in the graph's own bytes."""

import math
from collections.abc import Mapping
from threading import Timer
from typing import Any, Final

import numpy as np
import onnxruntime  # type: ignore[import-untyped]

from aie.errors import Failure, InputError, StepFailure
from aie.models.predictors import Kind

__all__ = ["OnnxGraph"]

_KINDS: Final[Mapping[str, tuple[Kind, type[Any]]]] = {
    "tensor(float)": ("number", np.float32),
    "tensor(double)": ("number", np.float64),
    "tensor(int64)": ("integer", np.int64),
    "tensor(int32)": ("integer", np.int32),
    "tensor(bool)": ("truth", np.bool_),
    "tensor(string)": ("text", np.object_),
}
_NOWHERE: Final = "/dev/null/none"
"""A folder that cannot exist. Weights in files of their own would be read from wherever the process was started, and
would be no part of the release: here they are looked for in vain, and the graph is refused."""
_LOADING: Final = 30.0
"""Seconds. Constants are computed when a graph is loaded, and a loop may be one."""
_FATAL: Final = 4


class OnnxGraph:
    """A loaded graph; see the protocol `Graph`."""

    def __init__(self, content: bytes) -> None:
        options = _options()
        timer = Timer(_LOADING, options.set_load_cancellation_flag, (True,))
        timer.start()
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # The library's errors share no class, and their texts name places in its own sources.
            raise InputError(
                f"not an ONNX graph that can be run here ({type(error).__name__})",
                hints=("export it whole, with its weights inside and with standard operators",),
            ) from error
        finally:
            timer.cancel()
        inputs = self._session.get_inputs()
        strange = [each.name for each in inputs if each.type not in _KINDS or len(each.shape) > 2]
        if strange:
            raise InputError(f"the graph's input {strange[0]} is no row of numbers, truth values or texts")
        self._types = {each.name: _KINDS[each.type] for each in inputs}
        self._ranks = {each.name: len(each.shape) for each in inputs}
        self._outputs = {each.name for each in self._session.get_outputs()}

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """What each input takes."""
        return {name: kind for name, (kind, _) in self._types.items()}

    def scores(self, rows: Mapping[str, list[Any]], output: str, *, timeout: int) -> list[float]:
        """Return the numbers of one output for one row of each input; `timeout` in microseconds."""
        if output not in self._outputs:
            raise StepFailure(Failure.INVALID_OUTPUT, f"the graph has no output {output}")
        given = {name: self._tensor(name, row) for name, row in rows.items()}
        run = onnxruntime.RunOptions()
        run.log_severity_level = _FATAL
        timer = Timer(timeout / 1_000_000, setattr, (run, "terminate", True))
        timer.start()
        try:
            (made,) = self._session.run([output], given, run)
        except Exception as error:
            if run.terminate:
                raise StepFailure(Failure.TIMEOUT, f"no answer within {timeout // 1000} ms") from error
            raise StepFailure(Failure.INVALID_OUTPUT, f"the graph failed ({type(error).__name__})") from error
        finally:
            timer.cancel()
        if not isinstance(made, np.ndarray) or made.dtype.kind != "f" or made.size != math.prod(made.shape[-1:]):
            raise StepFailure(Failure.INVALID_OUTPUT, f"the output {output} is no row of numbers")
        return [float(each) for each in made.reshape(-1)]

    def _tensor(self, name: str, row: list[Any]) -> Any:
        try:
            made = np.array(row, dtype=self._types[name][1])
        except OverflowError:
            raise StepFailure(Failure.INVALID_INPUT, f"a value of the graph's input {name} is too large") from None
        return made.reshape((1, -1) if self._ranks[name] == 2 else -1)


def _options() -> Any:
    """Return options under which the same graph gives the same numbers, as far as one library and machine can."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.use_deterministic_compute = True
    options.log_severity_level = _FATAL
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", _NOWHERE)
    return options
