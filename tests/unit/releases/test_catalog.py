"""What the catalog says of the models that a release would name: mistakes, and what is worth a warning."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aie.config import day_start
from aie.releases import check
from tests.unit.releases.workspaces import CLAIMS, write

NOW = day_start("2026-11-01")
REGIONS = {"frankfurt": "eu", "dublin": "eu", "virginia": "us"}


def catalog(route: str, **extra: str) -> str:
    """Return a catalog with a route `reader` to three models, and more lines of some of them."""
    entries = "".join(
        f"  {name}:\n    kind: chat\n    provider: openai_compatible\n    endpoint: https://{name}.example/v1\n"
        f"    model: {name}-1\n    regions: [{region}]\n    context_window: 8000\n"
        + "".join(f"    {line}\n" for line in extra.get(name, "local: true").splitlines())
        for name, region in REGIONS.items()
    )
    return f"models:\n{entries}routes:\n  reader: {route}\n"


@pytest.fixture
def workspace(tmp_path: Path) -> Callable[..., Path]:
    """Write a workspace with this catalog."""

    def make(models: str, **files: str) -> Path:
        return write(tmp_path, {**CLAIMS, "models.yaml": models, **files})

    return make


@pytest.mark.parametrize(
    ("weights", "hint"),
    [
        ("{frankfurt: 7}", "add `dublin: 1`, `virginia: 1`"),
        ("{frankfurt: 7, dublin: 2, virginia: 1, oslo: 1}", "remove `oslo`"),
        ("{frankfurt: 7, dublin: 2, verginia: 1}", "add `virginia: 1`; remove `verginia`"),
    ],
)
def test_a_candidate_without_a_weight_is_told_with_what_to_add(workspace, weights: str, hint: str) -> None:
    """Once, at its key: a route that is written wrongly is not planned as well."""
    route = f"{{candidates: [frankfurt, dublin, virginia], strategy: {{kind: weighted, weights: {weights}}}}}"
    (problem,) = check(workspace(catalog(route)), now=NOW)
    assert (problem.code, problem.key, problem.hint) == ("bad-route", "routes.reader.strategy.weights", hint)
