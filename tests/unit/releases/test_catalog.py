"""What the catalog says of the models that a release would name: mistakes, and what is worth a warning."""

from collections.abc import Callable
from pathlib import Path

import pytest

from aie.config import day_start, load_workspace
from aie.releases import check, compile_release, warnings
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


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        ("[frankfurt, reader]", "`reader` is a route: candidates are models"),
        ("[frankfurt, dublin, frankfurt]", "`frankfurt` stands here twice"),
    ],
)
def test_a_candidate_that_is_none_is_named(workspace, candidates: str, message: str) -> None:
    """A list of many is not to be searched by eye."""
    problems = check(workspace(catalog(f"{{candidates: {candidates}}}")), now=NOW)
    assert [each.message for each in problems if each.file == "models.yaml"] == [message]


SHEET = "{input_per_million: 1 USD, output_per_million: 2 USD"


def sheets(*, until: str, begins: str) -> str:
    """Return two price sheets, one after the other."""
    first = f"{{input_per_million: 1 USD, output_per_million: 2 USD, until: {until}}}"
    return f"price: [{first}, {{input_per_million: 2 USD, output_per_million: 4 USD, from: {begins}}}]"


def told(root: Path) -> list[str]:
    """Return the warnings of a workspace that has no mistakes."""
    assert check(root, now=NOW) == ()
    found = load_workspace(root)
    return list(warnings(found, [compile_release(found, name) for name in found.workflows], NOW))


def test_a_sound_catalog_warns_of_nothing(workspace) -> None:
    """Negative control."""
    route = "{candidates: [frankfurt, dublin], constraints: {regions: [eu]}}"
    assert told(workspace(catalog(route, frankfurt=sheets(until="2026-11-15", begins="2026-11-15")))) == []


@pytest.mark.parametrize(
    ("extra", "why"),
    [
        ("local: true\napproved: false", "dublin can never be asked: it is not approved any more"),
        ("local: true\nparameters: {max_tokens: 9000}", "dublin can never be asked: about 9000 tokens with the answer"),
        ("price: genai-prices:opnai", "dublin cannot be asked: nobody knows what it costs now"),
        (
            "price: {input_per_million: 1 USD, output_per_million: 2 USD, from: 2026-12-01}",
            "dublin cannot be asked: nobody knows what it costs now",
        ),
    ],
)
def test_a_candidate_that_nobody_can_ask_is_warned_of_beside_one_that_can_be(workspace, extra: str, why: str) -> None:
    """With the reason that planning gives."""
    (warning,) = told(workspace(catalog("{candidates: [frankfurt, dublin]}", dublin=extra)))
    assert warning.startswith(f"routes.reader: {why}")


def test_a_candidate_abroad_is_warned_of(workspace) -> None:
    """The release is made: the others can be asked."""
    route = "{candidates: [frankfurt, virginia], constraints: {regions: [eu]}}"
    assert told(workspace(catalog(route))) == [
        "routes.reader: virginia can never be asked: it processes in us; the route allows eu"
    ]


@pytest.mark.parametrize(
    ("extra", "warning"),
    [
        (
            sheets(until="2026-12-01", begins="2026-11-15"),
            "price: two sheets hold from 2026-11-15 until 2026-12-01: the later one counts",
        ),
        (
            sheets(until="2026-12-01", begins="2026-12-15"),
            "price: nobody knows it from 2026-12-01 until 2026-12-15: no call is made",
        ),
        (
            f"price: {SHEET}, until: 2026-12-31}}",
            "price: nobody knows it from 2026-12-31: no call is made",
        ),
        (
            f"price: [{SHEET}}}, {SHEET}, from: 2026-11-15, until: 2026-12-31}}]",
            "price: nobody knows it from 2026-12-31: no call is made",
        ),
        (
            f"price: [{SHEET}}}, {SHEET}}}]",
            "price: two sheets begin at the same time: the one written first counts",
        ),
        (
            "local: true\nrates: {tpm: 100}\nparameters: {max_tokens: 500}",
            "rates.tpm: a call may need more than the 500 tokens of its answer, 100 a minute never fit it",
        ),
        (
            "local: true\nparameters: {temperature: 5}",
            "parameters.temperature: 5 is above 2, the most that the protocol has",
        ),
    ],
)
def test_an_entry_that_will_disappoint_is_warned_of(workspace, extra: str, warning: str) -> None:
    """At its key."""
    root = workspace(catalog("{candidates: [frankfurt, dublin]}", dublin=extra))
    assert told(root) == [f"models.dublin.{warning}"]


@pytest.mark.parametrize(
    ("endpoint", "warned"),
    [
        ("http://models.example/v1", True),
        ("http://10.0.0.7:8000/v1", True),
        ("http://localhost:8000/v1", False),
        ("http://127.0.0.1:8000/v1", False),
        ("http://[::1]:8000/v1", False),
        ("env:READER_URL", False),
    ],
)
def test_plain_http_to_another_machine_is_warned_of(workspace, endpoint: str, warned: bool) -> None:
    """On this machine nobody reads along."""
    models = catalog("{candidates: [frankfurt]}").replace("https://frankfurt.example/v1", endpoint)
    assert [each.startswith("models.frankfurt.endpoint: plain http to ") for each in told(workspace(models))] == (
        [True] if warned else []
    )


def test_an_endpoint_with_credentials_is_refused_and_they_are_not_repeated(workspace) -> None:
    """The key is a reference."""
    models = catalog("{candidates: [frankfurt]}").replace("https://frankfurt", "https://user:secretpw@frankfurt")
    (problem,) = check(workspace(models), now=NOW)
    assert problem.key == "models.frankfurt.endpoint"
    assert "api_key: env:NAME" in problem.message
    assert "secretpw" not in f"{problem} {problem.hint}"


def test_a_step_whose_models_may_not_be_shown_what_it_reads_is_warned_of(workspace) -> None:
    """With the class that was probably meant."""
    flow = CLAIMS["workflows/claims/workflow.yaml"]
    labelled = flow.replace("steps:\n", "labels: {input.note: [personel]}\nsteps:\n", 1)
    models = catalog("{candidates: [frankfurt]}", frankfurt="local: true\ndata_classes: [personal]")
    path = "workflows/claims/workflow.yaml"
    files = {path: labelled, "aie.yaml": CLAIMS["aie.yaml"].replace("folder: out", "folder: out, clearance: CLEAR")}
    files["aie.yaml"] = files["aie.yaml"].replace("CLEAR", "{classes: [personel, personal]}")
    (warning,) = told(workspace(models, **files))
    assert warning == (
        "claims: fields can ask nobody: frankfurt: it may not be shown data of class personel; "
        "did you mean `personal` by `personel`?"
    )
    files[path] = labelled.replace("personel", "personal")
    assert told(workspace(models, **files)) == []


def test_a_budget_of_a_workflow_that_does_not_exist_is_refused(workspace) -> None:
    """At its key, with the name that was probably meant."""
    aie = CLAIMS["aie.yaml"] + "budgets:\n  workflows:\n    claim: {cost: 1.00 USD}\n"
    (problem,) = check(workspace(CLAIMS["models.yaml"], **{"aie.yaml": aie}), now=NOW)
    place = f"{problem.file}:{problem.line}:{problem.col}"
    assert (problem.code, problem.key) == ("unknown-workflow", "budgets.workflows.claim")
    assert (place, problem.hint) == (f"aie.yaml:{aie.count(chr(10))}:5", "did you mean `claims`?")
    assert problem.edit is not None
    assert problem.edit.lines == ("    claims: {cost: 1.00 USD}",)
