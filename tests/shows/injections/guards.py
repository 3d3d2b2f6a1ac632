"""Each guard of the product switched off, from the check's side."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from typing import Any, Final
from unittest import mock
from urllib.parse import quote

from minijinja import Environment, TemplateError

from aie.config import composing, templates
from aie.fields import prompt
from aie.layers.agent.bounds import Bounds
from aie.layers.calling import answering
from aie.layers.check import layer as checking
from aie.layers.check.outcome import Findings
from aie.layers.extract import asked
from aie.layers.review import ReviewLayer
from tests.shows.injections.attempts import FORESEEN

__all__ = ["GUARDS"]


def _no_policy() -> AbstractContextManager[Any]:
    def anything(call: Mapping[str, Any], tools: Mapping[str, Any], _: Any) -> dict[str, Any]:
        tools.setdefault(call["tool"], tools["contact"])  # type: ignore[attr-defined]
        given = {each["name"]: each["value"] for each in call["arguments"]}
        return {"number": next(iter(given.values()), ""), **given}

    return mock.patch("aie.layers.agent.layer.checked", anything)


def _no_bounds() -> AbstractContextManager[Any]:
    strict = Bounds.__init__

    def wide(self: Bounds, attempts: Any, *, calls: int, cost: int, **others: Any) -> None:
        strict(self, attempts, calls=calls * 3, cost=cost * 3, **others)

    return mock.patch.object(Bounds, "__init__", wide)


def _no_fences() -> AbstractContextManager[Any]:
    compose = composing.compose
    return mock.patch.object(templates, "compose", lambda *given, **named: compose(*given, **named | {"fenced": False}))


@contextmanager
def _fences_foreseen() -> Iterator[None]:
    """Whoever writes a letter knows the tags, and what looks like one is left in place."""
    with (
        mock.patch.object(composing, "_nonce", return_value=FORESEEN),
        mock.patch.object(composing, "_LOOKALIKE", re.compile(r"(?!)")),
    ):
        yield


def _rendered_again() -> AbstractContextManager[Any]:
    """Values are templates, too."""
    compose = composing.compose

    def twice(*given: Any, **named: Any) -> Any:
        made = compose(*given, **named)
        return replace(made, text=re.sub(r"\{\{.*?\}\}", _rendered, made.text))

    return mock.patch.object(templates, "compose", twice)


def _rendered(tag: re.Match[str]) -> str:
    try:
        return Environment().render_str(tag[0])
    except TemplateError:
        return tag[0]


@contextmanager
def _no_quotes() -> Iterator[None]:
    """A quote is believed wherever it stands, by what finds and by what checks."""
    locate = prompt.locate

    def anywhere(finds: Any, answer: Any, source: Any) -> Any:
        for each in answer.values():
            if each is not None and each["quote"] not in source.text:
                object.__setattr__(source, "text", f"{source.text}\n{each['quote']}")
        return locate(finds, answer, source)

    with mock.patch.object(asked, "locate", anywhere), _no_grounding():
        yield


def _no_grounding() -> AbstractContextManager[Any]:
    kind = checking._KINDS["grounding"]
    believed = replace(kind, check=lambda *_: Findings(failed=[]))
    return mock.patch.dict(checking._KINDS, grounding=believed)


def _no_review() -> AbstractContextManager[Any]:
    run = ReviewLayer.run

    def nobody(self: ReviewLayer, task: Any, tools: Any) -> Any:
        sure = replace(task.inputs["unless"], data=True)
        return run(self, replace(task, inputs={**task.inputs, "unless": sure}), tools)

    return mock.patch.object(ReviewLayer, "run", nobody)


def _no_endorsement() -> AbstractContextManager[Any]:
    def as_it_is(task: Any) -> dict[str, Any]:
        return {name: each.data for name, each in sorted(task.inputs.items()) if not name.startswith("endorse.")}

    return mock.patch("aie.layers.act.layer.check_sensitive", as_it_is)


def _no_schema() -> AbstractContextManager[Any]:
    return mock.patch.object(answering, "mismatches", return_value=())


def _text_configures() -> AbstractContextManager[Any]:
    """Settings that stand in a prompt hold."""
    request_of = answering.request_of

    def talked_into(question: Any, candidate: Any = None) -> Any:
        request = request_of(question, candidate)
        told = re.search(r'"model": "([^"]+)", "max_tokens": (\d+)', question.user.replace("\\", ""))
        return request if told is None else replace(request, model=told[1], max_tokens=int(told[2]))

    return mock.patch.object(answering, "request_of", talked_into)


def _no_encoding() -> AbstractContextManager[Any]:
    """A value may be a path of its own in the address of a lookup."""
    return mock.patch("aie.layers.lookup.http.quote", lambda text, **_: quote(text, safe="/?=&"))


GUARDS: Final[Mapping[str, Callable[[], AbstractContextManager[Any]]]] = {
    "policy of tools and arguments": _no_policy,
    "bounds of the agent": _no_bounds,
    "fences": _no_fences,
    "tags that nobody foresees": _fences_foreseen,
    "values are no templates": _rendered_again,
    "quotes stand in the text": _no_quotes,
    "check of grounding": _no_grounding,
    "review": _no_review,
    "endorsement": _no_endorsement,
    "schema of answers": _no_schema,
    "text configures nothing": _text_configures,
    "encoding of addresses": _no_encoding,
}
"""Each is broken from outside of the product."""
