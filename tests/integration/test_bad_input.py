"""Every hostile, damaged or odd file of a public collection ends in a value or in a class, and the check can fail."""

import pytest

from tests.shows.bad_input import LIMIT_MIB, Ended, Peaks, judged, run_show

FINE = Ended(kind="office", expected="accept", file="a.docx", text="words", first="words")
SMALL = Peaks(reader=40, engine=90)


@pytest.mark.slow
def test_every_bad_file_ends_in_a_value_or_in_its_class(aie_data):
    """The show as it is run on the folder of data."""
    assert run_show(aie_data)["missed"] == []


@pytest.mark.slow
def test_readers_that_crash_are_noticed(aie_data):
    """The control: the same files and limits, readers that abort, a parser that raises."""
    missed = run_show(aie_data, control=True)["missed"]
    assert {"no traceback", "every refusal of a well-formed file has its reason"} <= set(missed)


def changed(**other):
    return Ended(**{name: getattr(FINE, name) for name in Ended.__slots__} | other)


@pytest.mark.parametrize(
    ("ended", "references", "peaks", "missed"),
    [
        (FINE, {"a.docx": "words"}, SMALL, None),
        (changed(text=" "), {}, SMALL, "has content"),
        (changed(failure="hostile"), {}, SMALL, "has its reason"),
        (changed(kind="pdf", failure="blank"), {"a.docx": "words"}, SMALL, "has its reason"),
        (changed(kind="pdf", failure="blank"), {"a.docx": " \n"}, SMALL, None),
        (changed(expected="reject"), {}, SMALL, "must be refused is"),
        (changed(failure="encrypted", told=False), {}, SMALL, "a next step"),
        (FINE, {"a.docx": "words and as many more"}, SMALL, "reference parser"),
        (changed(expected="no-crash", failure="traceback"), {}, SMALL, "no traceback"),
        (changed(seconds=5.5), {}, SMALL, "above 5 s"),
        (FINE, {}, Peaks(reader=LIMIT_MIB + 1, engine=1), "above 512 MiB"),
        (FINE, {}, Peaks(reader=1, engine=LIMIT_MIB + 1), "above 512 MiB"),
    ],
)
def test_each_limit_of_the_show_can_be_missed(ended, references, peaks, missed):
    """One file each, as it must not be."""
    report = judged([ended], references, peaks)
    assert [missed in each for each in report["missed"]] == ([] if missed is None else [True])


def test_more_refusals_than_are_excused_miss_a_limit():
    """Each has its reason; together they are too many."""
    report = judged([changed(failure="encrypted")] * 21, {}, SMALL)
    assert report["missed"] == ["at most 20 of them"]
