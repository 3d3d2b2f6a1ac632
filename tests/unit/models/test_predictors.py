"""Graphs from elsewhere: what they say is checked, and before they may answer they answer a golden sample."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from aie.errors import Failure, InputError, StepFailure
from aie.models import Predictor, Signature, load_predictor
from aie.models.predictors import load_graph

WEIGHTS = np.array([[1.0, -1.0], [0.5, 2.0]], dtype=np.float32)
DECLARED: dict[str, Any] = {
    "inputs": {"x": ["amount", "days"]},
    "scores": "p",
    "scale": "chances",
    "labels": ["keep", "pay"],
    "reject": None,
}
TIME = 5_000_000


def graph(*nodes: Any, out: str = "p", shape: tuple[Any, ...] = (None, 2), weights: Any = None) -> bytes:
    """Return a graph from `x`, a row of two numbers; without nodes a logistic regression."""
    made = nodes or (
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Softmax", ["z"], ["p"], axis=1),
    )
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])
    output = helper.make_tensor_value_info(out, TensorProto.FLOAT, list(shape))
    initial = [numpy_helper.from_array(WEIGHTS, "w") if weights is None else weights]
    whole = helper.make_graph(list(made), "g", [given], [output], initial if not nodes else [])
    opsets = [helper.make_opsetid("", 13)]
    content: bytes = helper.make_model(whole, opset_imports=opsets, ir_version=8).SerializeToString()
    return content


def golden(*rows: tuple[Any, Any], tilt: float = 0.0) -> bytes:
    """Return what the regression says of rows, by numpy; `tilt` moves its confidence."""
    lines = []
    for row in rows:
        margins = np.array([float(each) for each in row]) @ WEIGHTS.astype(np.float64)
        chances = np.exp(margins - margins.max()) / np.exp(margins - margins.max()).sum()
        given = dict(zip(DECLARED["inputs"]["x"], row, strict=True))
        label = DECLARED["labels"][int(chances.argmax())]
        lines.append(json.dumps({"input": given, "label": label, "confidence": f"{chances.max() - tilt:.6f}"}))
    return "\n".join(lines).encode()


SAMPLE = golden((1, 0), ("0.25", 1), (3, -1))


def loaded(content: bytes | None = None, sample: bytes = SAMPLE, **declared: Any) -> Predictor:
    """Return a loaded predictor."""
    return load_predictor(content or graph(), Signature.from_json(DECLARED | declared), sample)


def test_an_answer_has_the_form_of_a_classifiers() -> None:
    """Label, confidence, alternatives; accepted by the threshold."""
    answer = loaded().predict({"amount": "0.25", "days": 1}, 9_000, timeout=TIME)
    assert answer.to_json() == {
        "label": "pay",
        "confidence": "0.7311",
        "accepted": False,
        "alternatives": [{"label": "keep", "confidence": "0.2689"}],
    }
    assert loaded(reject="pay").predict({"amount": 0, "days": 1}, timeout=TIME).accepted is False


def test_a_graph_that_answers_its_golden_sample_otherwise_is_refused() -> None:
    """A confidence that is off, and the weights of another model."""
    with pytest.raises(InputError, match="answers 3 of 3 golden lines otherwise"):
        loaded(sample=golden((1, 0), ("0.25", 1), (3, -1), tilt=0.001))
    with pytest.raises(InputError, match="golden lines otherwise"):
        loaded(graph(weights=numpy_helper.from_array(WEIGHTS[:, ::-1].copy(), "w")))


@pytest.mark.parametrize("sample", [b"", b"{}", b"[1]", b'{"input": {"amount": 1}, "label": "pay", "confidence": "1"}'])
def test_a_golden_sample_that_cannot_be_used_is_refused(sample: bytes) -> None:
    """Nothing in it, or lines that are not of its form."""
    with pytest.raises(InputError, match="golden sample"):
        loaded(sample=sample)


def test_weights_outside_the_graph_are_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They would be no part of the release: refused, although the file is there."""
    (tmp_path / "weights.bin").write_bytes(WEIGHTS.tobytes())
    monkeypatch.chdir(tmp_path)
    outside = onnx.TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL)
    for key, value in (("location", "weights.bin"), ("offset", "0"), ("length", "16")):
        outside.external_data.add(key=key, value=value)
    with pytest.raises(InputError, match="not an ONNX graph that can be run here"):
        loaded(graph(weights=outside))


def test_a_graph_without_end_is_stopped() -> None:
    """Its time is bounded, whatever it does."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["v"], ["u"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("v", TensorProto.FLOAT, [None, 2]),
        ],
        [
            helper.make_tensor_value_info("d", TensorProto.BOOL, []),
            helper.make_tensor_value_info("u", TensorProto.FLOAT, [None, 2]),
        ],
    )
    endless = graph(
        helper.make_node("Constant", [], ["m"], value=helper.make_tensor("m", TensorProto.INT64, [], [2**60])),
        helper.make_node("Constant", [], ["t"], value=helper.make_tensor("t", TensorProto.BOOL, [], [True])),
        helper.make_node("Loop", ["m", "t", "x"], ["p"], body=body),
    )
    graph_alone = Predictor(graph=load_graph(endless), signature=Signature.from_json(DECLARED))
    with pytest.raises(StepFailure) as caught:
        graph_alone.predict({"amount": 1, "days": 1}, timeout=50_000)
    assert caught.value.failure is Failure.TIMEOUT


def _strange() -> Iterator[tuple[bytes, dict[str, Any], str]]:
    margins = graph(helper.make_node("Identity", ["x"], ["p"]))
    yield margins, {}, "no chances"
    yield margins, {"labels": ["a", "b", "c"]}, "2 numbers for 3 labels"
    yield margins, {"scores": "q"}, "no output q"
    yield graph(helper.make_node("Log", ["x"], ["p"])), {}, "no number"


@pytest.mark.parametrize(("content", "declared", "why"), list(_strange()))
def test_numbers_that_are_no_chances_are_no_answer(content: bytes, declared: dict[str, Any], why: str) -> None:
    """A typed failure that says what they are instead."""
    strange = Predictor(graph=load_graph(content), signature=Signature.from_json(DECLARED | declared))
    with pytest.raises(StepFailure, match=why) as caught:
        strange.predict({"amount": -3, "days": 1}, timeout=TIME)
    assert caught.value.failure is Failure.INVALID_OUTPUT


def test_logits_become_chances() -> None:
    """By the softmax function, where the entry says so."""
    margins = Predictor(
        graph=load_graph(graph(helper.make_node("Identity", ["x"], ["p"]))),
        signature=Signature.from_json(DECLARED | {"scale": "logits"}),
    )
    assert margins.predict({"amount": 0, "days": 1}, timeout=TIME).to_json()["confidence"] == "0.7311"


@pytest.mark.parametrize("value", [None, "much", "NaN", "1e400", [1]])
def test_a_value_that_is_no_number_is_refused(value: Any) -> None:
    """By name, without the value."""
    with pytest.raises(StepFailure, match="`amount` is not a number") as caught:
        loaded().predict({"amount": value, "days": 1}, timeout=TIME)
    assert caught.value.failure is Failure.INVALID_INPUT


@pytest.mark.parametrize("content", [b"", b"no graph", b"\x08\x08" * 500])
def test_what_is_no_graph_is_refused(content: bytes) -> None:
    """A typed error, never the library's own."""
    with pytest.raises(InputError, match="not an ONNX graph"):
        load_graph(content)
