"""Hand-made releases: small, complete, and independent of how workflow files are compiled."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from aie.core import Limits, canonical
from aie.errors import Failure
from aie.releases import FAIL, Handler, MapPlan, Node, Plan, Release, seal

MakeRelease = Callable[..., Release]

PLAN = Plan(
    workflow="claims",
    case="input.claim_id",
    subject=None,
    search={"product": "input.product"},
    risk="high",
    limits=Limits(cost=100_000, tokens=40_000, time=60_000),
    result={"amount": "fields.amount"},
    input_schema="schema:schemas/claim_in.json",
    output_schema="schema:schemas/claim_out.json",
    nodes=(
        Node(
            name="fields",
            layer="model",
            conduct="external",
            inputs={"note": "input.note"},
            config={"prompt": "prompt:prompts/fields.md", "model": "route:claim-fields"},
            handlers={
                Failure.PROVIDER_DOWN: Handler(kind="retry", times=2, then=Handler(kind="dead_letter")),
                Failure.INTERNAL: FAIL,
            },
        ),
        Node(
            name="lines",
            layer="map",
            conduct="pure",
            needs=("fields",),
            condition="fields.amount > 0",
            map=MapPlan(
                over="fields.lines",
                as_="line",
                key="line.id",
                at_most=20,
                nodes=(Node(name="check", layer="check", conduct="pure", inputs={"line": "line"}),),
            ),
        ),
    ),
)

FILES = {
    "workflows/claims/workflow.yaml": b"workflow: claims\n",
    "workflows/claims/prompts/fields.md": b"Read the note.\n\n{{ note }}\nAnswer in JSON.\n",
}

COMPONENTS = {
    "classifier:intent": canonical({"threshold": "0.71", "labels": ["a", "b"]}),
    "prompt:prompts/fields.md": FILES["workflows/claims/prompts/fields.md"],
    "schema:schemas/claim_in.json": canonical({"type": "object"}),
    "schema:schemas/claim_out.json": canonical({"type": "object"}),
}


@pytest.fixture
def make_release() -> MakeRelease:
    """Return a factory: keyword arguments replace fields of the plan, single files or single components."""

    def make(
        *,
        files: Mapping[str, bytes] | None = None,
        components: Mapping[str, bytes] | None = None,
        runtime: Mapping[str, int] | None = None,
        **plan: Any,
    ) -> Release:
        return seal(
            replace(PLAN, **plan),
            files={**FILES, **(files or {})},
            components={**COMPONENTS, **(components or {})},
            runtime=runtime or {"check": 1, "model": 3},
        )

    return make
