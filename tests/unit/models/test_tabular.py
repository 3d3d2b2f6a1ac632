"""Tabular classifiers: learnt from features by name, canonical as files, exact in integers."""

import random
import subprocess
import sys
from dataclasses import replace

import pytest

from aie.config import ModelsSpec, TabularClassifier
from aie.core import JSON
from aie.errors import InputError
from aie.models import Row, TabularModel, read_artefact, train_tabular_classifier, write_artefact

FEATURES: dict[str, JSON] = {"make": {"category": "input.make"}, "price": {"number": "input.price"}}


def spec(**own: JSON) -> TabularClassifier:
    entry = {"kind": "tabular_classifier", "train": "a/b", "artefact": "x.aie", "features": FEATURES, **own}
    made = ModelsSpec.model_validate({"models": {"risk": entry}}).models["risk"]
    assert isinstance(made, TabularClassifier)
    return made


def rows(count: int, seed: int = 1) -> list[Row]:
    """Red ones above 50 are bad; a tenth of all values is missing."""
    draw = random.Random(seed)
    made = []
    for _ in range(count):
        make, price = draw.choice(["red", "blue", "green"]), draw.randrange(100)
        label = "bad" if make == "red" and price > 50 else "good"
        missing = draw.random() < 0.1
        made.append(Row(features={"make": make, "price": None if missing else str(price)}, label=label))
    return made


@pytest.fixture(scope="module")
def model() -> TabularModel:
    return TabularModel.load(train_tabular_classifier(rows(600), rows(200, seed=2), spec()).content)


def test_it_learns_what_only_two_features_together_tell(model: TabularModel) -> None:
    assert model.score({"make": "red", "price": 80}).label == "bad"
    assert model.score({"make": "red", "price": 20}).label == "good"
    assert model.score({"make": "blue", "price": 80}).label == "good"


def test_a_number_is_the_same_written_as_a_text(model: TabularModel) -> None:
    assert model.margins({"make": "red", "price": 80}) == model.margins({"make": "red", "price": "80.0"})


def test_missing_and_unknown_values_are_allowed(model: TabularModel) -> None:
    scored = model.score({"make": "never seen", "price": ""})
    assert sum(scored.scores.values()) in range(9_999, 10_002)


@pytest.mark.parametrize(
    "row", [{"make": ["red"], "price": 1}, {"make": "red", "price": "dear"}, {"make": 1, "price": "NaN"}]
)
def test_what_is_no_category_or_number_is_refused_without_telling_it(model: TabularModel, row: dict[str, JSON]) -> None:
    with pytest.raises(InputError) as caught:
        model.score(row)
    assert "dear" not in caught.value.message


def test_the_same_cases_give_the_same_bytes() -> None:
    one, other = (train_tabular_classifier(rows(200), rows(60, seed=2), spec()) for _ in range(2))
    assert one.content == other.content
    assert write_artefact(read_artefact(one.content)) == one.content
    assert one.report.changed == 0


def test_three_labels_have_a_margin_each() -> None:
    given = [replace(row, label=str(row.features["make"])) for row in rows(300)]
    model = TabularModel.load(train_tabular_classifier(given, given, spec()).content)
    assert [model.score({"make": make, "price": 1}).label for make in ("red", "blue", "green")] == [
        "red",
        "blue",
        "green",
    ]


def test_evidence_names_the_features_that_spoke_for_the_label(model: TabularModel) -> None:
    evidence = model.evidence({"make": "red", "price": 80}, "bad")
    assert {each["feature"] for each in evidence if isinstance(each, dict)} == {"make", "price"}


def test_a_threshold_chosen_on_a_split_keeps_its_error_rate() -> None:
    noisy = [replace(row, label="bad") if at % 9 == 0 else row for at, row in enumerate(rows(900))]
    trained = train_tabular_classifier(noisy[:600], noisy[600:], spec(threshold={"error_rate": "2%", "on": "val"}))
    assert trained.report.errors <= 0.02 * trained.report.accepted


def test_a_tree_that_goes_in_circles_is_no_artefact(model: TabularModel) -> None:
    content = train_tabular_classifier(rows(200), rows(60, seed=2), spec()).content
    artefact = read_artefact(content)
    nodes = artefact.arrays["nodes"]
    looped = replace(nodes, data=(0).to_bytes(4, "little") * 3 + nodes.data[12:])
    with pytest.raises(InputError, match="what is not there"):
        TabularModel(replace(artefact, arrays={**artefact.arrays, "nodes": looped}))


def test_one_label_cannot_be_learnt() -> None:
    with pytest.raises(InputError, match="1 labels that can be learnt"):
        train_tabular_classifier([Row(features={"make": "red", "price": 1}, label="bad")] * 9, [], spec())


def test_inference_needs_neither_numpy_nor_scikit_learn() -> None:
    code = "import sys; from aie.models import TabularModel; assert not {'numpy', 'sklearn'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
