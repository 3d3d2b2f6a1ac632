"""Text classifiers: trained on a handful of texts, repeatably, and run without scikit-learn."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aie.config import TextClassifier
from aie.errors import InputError
from aie.models import Classifier, Example, Trained, read_artefact, train_text_classifier

ROOT = Path(__file__).parents[3]
TOPICS = {
    "refund": ["give my money back", "i want a refund now", "refund this order", "please return my money"],
    "delivery": ["where is my parcel", "the parcel is late", "track my delivery", "delivery never came"],
    "other": ["tell me a joke", "what is the weather", "sing a song", "who are you"],
}


def spec(**changes: object) -> TextClassifier:
    """Return an entry of models.yaml."""
    written = {"kind": "text_classifier", "train": "mail", "artefact": "m.aie", "recipe": {"min_count": 1}, **changes}
    return TextClassifier.model_validate(written)


def examples(split: int) -> list[Example]:
    """Return every topic's texts, worded a little differently by split."""
    return [
        Example(text=f"{text} {'please' * split}", labels=(topic,)) for topic, texts in TOPICS.items() for text in texts
    ]


@pytest.fixture(scope="module")
def trained() -> Trained:
    """A classifier with a threshold and a label for what fits nothing."""
    return train_text_classifier(
        examples(0), examples(1), spec(reject="other", threshold={"error_rate": "0%", "on": "val"})
    )


def test_it_learns_what_it_is_shown(trained: Trained) -> None:
    """And says how sure it is, in text and not in floats."""
    answer = Classifier.load(trained.content).predict("refund my money").to_json()
    assert answer["label"] == "refund"
    assert answer["accepted"] is True
    assert isinstance(answer["confidence"], str)
    assert [sorted(each) for each in answer["alternatives"]] == [["confidence", "label"]] * 2  # type: ignore[union-attr, arg-type]


def test_the_label_for_what_fits_nothing_is_never_accepted(trained: Trained) -> None:
    """However sure the classifier is of it."""
    prediction = Classifier.load(trained.content).predict("tell me a joke")
    assert prediction.labels == ("other",)
    assert not prediction.accepted


def test_the_report_counts_what_was_seen(trained: Trained) -> None:
    """Training and validation examples, and the errors that the threshold was chosen by."""
    report = trained.report
    assert (report.train, report.val, report.unlabelled, report.errors, report.changed) == (12, 12, 0, 0, 0)
    assert report.size == len(trained.content)


def test_the_same_seed_gives_the_same_digest_and_another_recipe_another(trained: Trained) -> None:
    """The second half is the negative control."""
    threshold = {"error_rate": "0%", "on": "val"}
    again = train_text_classifier(examples(0), examples(1), spec(reject="other", threshold=threshold))
    other = train_text_classifier(examples(0), examples(1), spec(reject="other", threshold=threshold, seed=1))
    assert again.content == trained.content
    assert other.report.digest != trained.report.digest


@pytest.mark.slow
def test_the_digest_does_not_depend_on_the_hash_seed(trained: Trained) -> None:
    """No order of a set or of a dictionary reaches the artefact."""
    program = (
        "import importlib.util as u, sys; s = u.spec_from_file_location('t', sys.argv[1]); m = u.module_from_spec(s);"
        "s.loader.exec_module(m); print(m.train_text_classifier(m.examples(0), m.examples(1), m.spec(reject='other',"
        "threshold={'error_rate': '0%', 'on': 'val'})).report.digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program, __file__],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {trained.report.digest}


@pytest.mark.slow
def test_inference_imports_no_library_for_training(trained: Trained, tmp_path: Path) -> None:
    """A cold run pays for numpy alone."""
    (tmp_path / "m.aie").write_bytes(trained.content)
    program = (
        "import sys, pathlib; from aie.models import Classifier;"
        "print(Classifier.load(pathlib.Path(sys.argv[1]).read_bytes()).predict('refund').labels,"
        "sorted({'sklearn', 'scipy', 'pydantic_ai', 'openai'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "m.aie")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "('refund',) []"


def test_a_row_that_nobody_labelled_is_left_out_and_is_no_negative_example() -> None:
    """Unlabelled rows change nothing but their count."""
    unlabelled = [Example(text="refund refund parcel", labels=None)] * 5
    with_them = train_text_classifier(examples(0) + unlabelled, examples(1), spec(task="multi"))
    without = train_text_classifier(examples(0), examples(1), spec(task="multi"))
    assert with_them.content == without.content
    assert with_them.report.unlabelled == 5


def test_several_labels_may_be_given_and_none_may_be() -> None:
    """`multi` decides every label on its own."""
    both = [Example(text="refund my late parcel delivery", labels=("refund", "delivery"))] * 4
    none = [Example(text="good morning to you", labels=())] * 4
    shown = [each for each in examples(0) if each.labels != ("other",)] + both + none
    model = Classifier.load(train_text_classifier(shown, shown, spec(task="multi")).content)
    assert set(model.predict("refund my late parcel delivery").labels) == {"refund", "delivery"}
    assert model.predict("good morning to you").labels == ()


def test_a_text_without_a_known_feature_gets_an_answer(trained: Trained) -> None:
    """Empty and foreign texts are decided, not refused."""
    model = Classifier.load(trained.content)
    for text in ("", "漢字", "!?", "x" * 100_000):
        assert not model.predict(text).accepted or model.predict(text).labels


@pytest.mark.parametrize(
    ("train", "val", "changes", "said"),
    [
        ([], examples(1), {}, "0 labels that can be learnt"),
        (examples(0), [], {}, "no labelled validation example"),
        (examples(0), examples(1), {"reject": "spam"}, "no training example has the label 'spam'"),
        (examples(0), examples(1), {"recipe": {"min_count": 500}}, "no word is in 500"),
        ([Example(text="a", labels=("x", "y"))] * 3, examples(1), {}, "several labels"),
    ],
)
def test_examples_that_cannot_teach_are_refused(
    train: list[Example], val: list[Example], changes: dict[str, object], said: str
) -> None:
    """With what is missing and how to mend it."""
    with pytest.raises(InputError, match=said) as caught:
        train_text_classifier(train, val, spec(**changes))
    assert caught.value.hints


def test_evidence_names_the_words_that_spoke_for_a_label(trained: Trained) -> None:
    """For `explain`: shares of what spoke for it, the largest first."""
    words = [each["words"] for each in Classifier.load(trained.content).evidence("a refund of my money", "refund")]  # type: ignore[index, call-overload]
    assert "refund" in words


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_an_artefact_with_other_contents_is_refused_or_still_answers(trained: Trained, data: st.DataObject) -> None:
    """Whatever an artefact holds, loading it is the only place that may fail, and it fails typed."""
    artefact = read_artefact(trained.content)
    name = data.draw(st.sampled_from(sorted(artefact.arrays)))
    array = artefact.arrays[name]
    at = data.draw(st.integers(0, len(array.data) - 1))
    noise = data.draw(st.binary(min_size=1, max_size=8))
    changed = (array.data[:at] + noise + array.data[at + len(noise) :])[: len(array.data)]
    broken = replace(artefact, arrays={**artefact.arrays, name: replace(array, data=changed)})
    try:
        model = Classifier(broken)
    except InputError:
        return
    assert model.predict("give my money back, refund this order").labels
