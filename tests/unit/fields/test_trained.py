"""Trained extractors: taught by known values alone, repeatably, and run without scikit-learn."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aie.config import FieldSpec, TrainedSpec
from aie.errors import InputError
from aie.fields import Source, assemble
from aie.fields.trained import Example, TrainedExtractor, TrainedFields, train_extractor, value_in
from aie.fields.truth import known
from aie.models import read_artefact
from tests.unit.fields.receipts import examples

ROOT = Path(__file__).parents[3]
FINDS = {
    "company": FieldSpec(type="name"),
    "date": FieldSpec(type="date"),
    "address": FieldSpec(type="text"),
    "total": FieldSpec(type="decimal"),
}
SPEC = TrainedSpec(artefact="m.aie")
PARTIES = {"party": FieldSpec(type="name", many=True), "until": FieldSpec(type="date", required=False)}


@pytest.fixture(scope="module")
def trained() -> TrainedFields:
    """An extractor of receipts."""
    return train_extractor(examples(0, 24), FINDS, SPEC)


def test_it_finds_in_receipts_that_it_never_saw(trained: TrainedFields) -> None:
    """Words, runs of lines, dates, and the one amount among several that is meant."""
    extractor = TrainedExtractor.load(FINDS, trained.content)
    right = dict.fromkeys(FINDS, 0)
    for each in examples(1000, 20):
        values = assemble(FINDS, extractor.find(each.source), each.source)["values"]
        for name, spec in FINDS.items():
            truth = known(spec, each.expected[name], value_in)
            assert truth is not None
            right[name] += truth.holds(values[name])  # type: ignore[index, call-overload]
    assert all(count >= 18 for count in right.values()), right


def test_every_candidate_is_a_stretch_of_the_text_with_a_value(trained: TrainedFields) -> None:
    """And its score a whole number of ten-thousandths."""
    source = examples(2000, 1)[0].source
    found = TrainedExtractor.load(FINDS, trained.content).find(source)
    assert {each.field for each in found} == set(FINDS)
    assert all(0 <= each.start < each.end <= len(source.text) for each in found)
    assert all(type(each.confidence) is int and 0 <= each.confidence <= 10_000 for each in found)


def test_the_same_cases_give_the_same_artefact(trained: TrainedFields) -> None:
    """Whatever the hash seed."""
    program = (
        "from tests.unit.fields.receipts import examples; from tests.unit.fields.test_trained import *;"
        "print(train_extractor(examples(0, 24), FINDS, SPEC).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", program],
            cwd=ROOT,
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert digests == {trained.digest}


def test_finding_imports_no_library_of_training(trained: TrainedFields, tmp_path: Path) -> None:
    """Neither scikit-learn nor scipy: a worker has neither."""
    (tmp_path / "m.aie").write_bytes(trained.content)
    program = (
        "import sys; from pathlib import Path; from aie.config import FieldSpec; from aie.fields import Source;"
        "from aie.fields.trained import TrainedExtractor;"
        "finds = {'company': FieldSpec(type='name'), 'date': FieldSpec(type='date'),"
        " 'address': FieldSpec(type='text'), 'total': FieldSpec(type='decimal')};"
        f"found = TrainedExtractor.load(finds, Path({str(tmp_path / 'm.aie')!r}).read_bytes());"
        "found.find(Source(text='ALDER BAKERY LTD\\nDATE 01/02/2021\\nTOTAL 3.50'));"
        "print(sorted({'sklearn', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_known_value_that_stands_nowhere_teaches_nothing() -> None:
    """It is left out and counted; a typing error in a long text is not."""
    given_cases = examples(0, 12)
    wrong = {**given_cases[0].expected, "total": "999999.99", "address": f"{given_cases[0].expected['address']}X"}
    given_cases[0] = Example(id="0", source=given_cases[0].source, expected=wrong)
    report = train_extractor(given_cases, FINDS, SPEC).fields
    assert (report["total"].cases, report["total"].not_found) == (11, 1)
    assert (report["address"].cases, report["address"].not_found) == (12, 0)


def test_a_field_that_nothing_teaches_is_refused() -> None:
    """With its name and what to look at."""
    with pytest.raises(InputError, match="'due'") as error:
        train_extractor(examples(0, 4), {"due": FieldSpec(type="date")}, SPEC)
    assert error.value.hints


def agreements() -> list[Example]:
    """Return invented agreements in prose; half of them say until when."""
    names = [
        "Alder Mills",
        "Birch Trading",
        "Cedar Works",
        "Fir Holdings",
        "Larch Systems",
        "Oak Partners",
        "Elm Press",
    ]
    made = []
    for number in range(28):
        one, two = names[number % 7], names[(number + 1 + number // 7) % 7]
        end = f" It ends on 0{1 + number % 9} March 2024." if number % 2 else ""
        text = (
            f"This Agreement is made between {one} Inc. and {two} Ltd. on terms set out by the Board of Trade. "
            f"The Receiving Party shall keep secrets.{end} Signed in Northam on 1{number % 9} May 2020."
        )
        until = f"0{1 + number % 9} March 2024" if number % 2 else None
        made.append(
            Example(
                id=str(number),
                source=Source(text=text),
                expected={"party": [f"{one} Inc", f"{two} Ltd"], "until": until},
            )
        )
    return made


def test_names_are_found_in_prose_and_absent_values_are_not() -> None:
    """Several names each; a date that is not meant is not taken for one that is missing."""
    cases = agreements()
    spec = TrainedSpec(artefact="m.aie", kind="spans")
    extractor = TrainedExtractor.load(PARTIES, train_extractor(cases[:20], PARTIES, spec).content)
    for each in cases[20:]:
        values = assemble(PARTIES, extractor.find(each.source), each.source)["values"]
        for name, field in PARTIES.items():
            truth = known(field, each.expected[name], value_in)
            found = values[name]  # type: ignore[index, call-overload]
            given_values = found if isinstance(found, list) else [] if found is None else [found]
            assert truth is not None
            assert {truth.form(value) for value in given_values} == set(truth.values), each.source.text


@given(st.text(max_size=300))
@settings(max_examples=60, deadline=None)
def test_any_text_can_be_looked_at(trained: TrainedFields, text: str) -> None:
    """Blank, broken or strange: candidates or none, never an error."""
    TrainedExtractor.load(FINDS, trained.content).find(Source(text=text))


def test_an_artefact_of_something_else_is_refused(trained: TrainedFields) -> None:
    """Another kind of content, or other fields."""
    with pytest.raises(InputError):
        TrainedExtractor.load({"other": FieldSpec()}, trained.content)
    with pytest.raises(InputError):
        TrainedExtractor.load(FINDS, b"nothing of the kind")
    assert "float" not in repr(read_artefact(trained.content).parameters)


@pytest.mark.parametrize(
    "text", ["5" + " " * 50_000 + "x", "a" * 50_000, "1," * 25_000 + "%", "1-" * 25_000, "(" * 9_000]
)
def test_no_text_makes_it_think_for_long(trained: TrainedFields, text: str) -> None:
    """Patterns take linear time on what was made to slow them down."""
    started = time.process_time()
    TrainedExtractor.load(FINDS, trained.content).find(Source(text=text))
    assert time.process_time() - started < 5
