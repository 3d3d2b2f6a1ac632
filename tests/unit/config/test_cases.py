"""Datasets read as they are declared."""

import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from aie.config import Case, DatasetSpec, read_dataset
from aie.errors import InputError

ROWS = """\
{"id": "a", "text": "one", "tags": ["x"], "meta": {"day": "2019-05-01"}, "share": 0.10, "lang": "en"}

{"id": "b", "text": "two", "tags": [], "meta": {"day": "2021-05-01"}, "share": 2e3, "lang": "en"}
{"id": "c", "text": "three", "tags": ["y", "z"], "meta": {"day": "2022-05-01"}, "share": 1, "lang": "de"}
"""
SPEC: dict[str, Any] = {
    "file": "rows.jsonl",
    "format": "jsonl",
    "id": "id",
    "map": {"input.text": "text", "expected.tags": "tags", "at": "meta.day", "slice.lang": "lang"},
    "empty": "unlabelled",
}


def read(folder: Path, rows: str = ROWS, name: str = "rows.jsonl", **changes: Any) -> list[Case]:
    (folder / name).write_text(rows)
    return list(read_dataset(DatasetSpec.model_validate({**SPEC, **changes}), folder, environ={}))


def test_a_dataset_that_is_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    os.mkfifo(tmp_path / "rows.jsonl")
    with pytest.raises(InputError, match="not a regular file"):
        list(read_dataset(DatasetSpec.model_validate(SPEC), tmp_path, environ={}))


def test_fields_go_where_the_map_says(tmp_path: Path) -> None:
    """Nested fields, days, slices; an empty label is no label."""
    one, two, _ = read(tmp_path)
    assert one == Case(
        id="a", input={"text": "one"}, expected={"tags": ["x"]}, split="all", slice={"lang": "en"}, at="2019-05-01"
    )
    assert two.expected is None


def test_an_empty_label_can_be_an_answer_or_a_mistake(tmp_path: Path) -> None:
    """The declaration decides."""
    assert read(tmp_path, empty="label")[1].expected == {"tags": []}
    with pytest.raises(InputError, match=r"rows\.jsonl:3: `expected\.tags` is empty"):
        read(tmp_path, empty="error")


def test_a_field_that_no_row_has_is_told_with_those_it_has(tmp_path: Path) -> None:
    """A label under a misspelt name is not an empty label; names are told, values are not."""
    with pytest.raises(InputError, match=r"rows\.jsonl:1: no field `tgas`") as caught:
        read(tmp_path, empty="error", map={"input.text": "text", "expected.tags": "tgas"})
    assert "the row has `id`, `lang`, `meta`" in caught.value.hints[0]
    assert "one" not in caught.value.hints[0]


def test_fractions_stay_as_written(tmp_path: Path) -> None:
    """Nothing that is digested holds a float."""
    cases = read(tmp_path, map={"input.share": "share"})
    assert [case.input["share"] for case in cases] == ["0.10", "2000", 1]


def test_rows_are_chosen_by_value_and_by_presence(tmp_path: Path) -> None:
    """`where` compares, `needs` asks that something is there."""
    assert [case.id for case in read(tmp_path, where={"lang": "en"})] == ["a", "b"]
    assert [case.id for case in read(tmp_path, needs=["tags"])] == ["a", "c"]
    with pytest.raises(InputError, match="no field `lnag`"):
        read(tmp_path, where={"lnag": "en"})


def test_a_split_is_a_field_or_a_day_or_a_share_or_a_file(tmp_path: Path) -> None:
    """Each kind of rule."""
    assert [case.split for case in read(tmp_path, split={"by": "lang"})] == ["en", "en", "de"]
    by_day = {"date": "meta.day", "before": {"train": "2020-01-01", "val": "2022-01-01"}, "rest": "test"}
    assert [case.split for case in read(tmp_path, split=by_day)] == ["train", "val", "test"]
    (tmp_path / "t.jsonl").write_text(ROWS.replace('"id": "', '"id": "t-'))
    assert Counter(case.split for case in read(tmp_path, file={"train": "rows.jsonl", "test": "t.jsonl"})) == {
        "train": 3, "test": 3,
    }  # fmt: skip


def test_shares_are_kept_and_a_row_never_changes_its_split(tmp_path: Path) -> None:
    """The hash of the field decides, not the order of the rows."""
    rows = "".join(f'{{"id": "{number}", "text": "t"}}\n' for number in range(2000))
    rule = {"hash": "id", "shares": {"train": "80%", "val": "10%", "test": "10%"}}
    mapped = {"input.text": "text"}
    cases = read(tmp_path, rows, split=rule, map=mapped)
    count = Counter(case.split for case in cases)
    assert 1500 < count["train"] < 1700
    backwards = read(tmp_path, "".join(reversed(rows.splitlines(keepends=True))), split=rule, map=mapped)
    assert {case.id: case.split for case in cases} == {case.id: case.split for case in backwards}


def test_only_the_splits_asked_for_are_given(tmp_path: Path) -> None:
    """The rest is still checked."""
    (tmp_path / "rows.jsonl").write_text(ROWS)
    spec = DatasetSpec.model_validate({**SPEC, "split": {"by": "lang"}})
    assert [case.id for case in read_dataset(spec, tmp_path, environ={}, splits=frozenset({"de"}))] == ["c"]


def test_csv_is_read_as_strictly(tmp_path: Path) -> None:
    """Quotes, line breaks in fields, and rows of another length."""
    spec = {"file": "r.csv", "format": "csv", "id": "id", "map": {"input.text": "text"}}
    rows = 'id,text,ok\n1,"a, ""b""\nc",true\n2,d,false\n'
    cases = read(tmp_path, rows, "r.csv", **spec)
    assert [case.input["text"] for case in cases] == ['a, "b"\nc', "d"]
    assert [case.id for case in read(tmp_path, rows, "r.csv", **spec, where={"ok": True})] == ["1"]
    with pytest.raises(InputError, match=r"r\.csv:2: 2 fields, the header has 3"):
        read(tmp_path, "id,text,ok\n1,a\n", "r.csv", **spec)
    with pytest.raises(InputError, match="header with different names"):
        read(tmp_path, "id,id\n1,2\n", "r.csv", **spec)


def test_files_are_named_by_their_whole_path_and_lie_beside_the_dataset(tmp_path: Path) -> None:
    """A row cannot point at the rest of the machine."""
    spec = {"map": {"input.text": "text"}, "files": {"input.file": "pdf"}}
    (case,) = read(tmp_path, '{"id": "a", "text": "x", "pdf": "pdf/a.pdf"}\n', **spec)
    assert case.input["file"] == str(tmp_path.resolve() / "pdf" / "a.pdf")
    with pytest.raises(InputError, match="outside the dataset's folder"):
        read(tmp_path, '{"id": "a", "text": "x", "pdf": "../../etc/passwd"}\n', **spec)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("{", "rows.jsonl:1: not JSON"),
        ("\n[1]\n", "rows.jsonl:2: a row is an object"),
        ('{"id": "a", "text": NaN}', "rows.jsonl:1: not JSON"),
        ('{"id": "a"}', "rows.jsonl:1: no field `text`"),
        (ROWS + ROWS, "rows.jsonl:5: the id stands twice; first at rows.jsonl:1"),
        (ROWS.replace("2019-05-01", "May 2019"), "rows.jsonl:1: `meta.day` is not a date"),
        ('{"text": "x"}', "rows.jsonl:1"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, rows: str, message: str) -> None:
    """At the first one."""
    with pytest.raises(InputError) as caught:
        read(tmp_path, rows)
    assert message in caught.value.message


def test_a_reference_leads_to_the_folder_that_the_environment_names(tmp_path: Path) -> None:
    """Or says what to set."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "rows.jsonl").write_text(ROWS)
    spec = DatasetSpec.model_validate({**SPEC, "file": "env:DATA/set/rows.jsonl"})
    assert len(list(read_dataset(spec, tmp_path, environ={"DATA": str(tmp_path)}))) == 3
    with pytest.raises(InputError) as caught:
        list(read_dataset(spec, tmp_path, environ={}))
    assert "export DATA=" in caught.value.hints[0]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Missing, or not text."""
    with pytest.raises(InputError, match="no such file"):
        list(read_dataset(DatasetSpec.model_validate(SPEC), tmp_path, environ={}))
    (tmp_path / "rows.jsonl").write_bytes(b"\xff\xfe")
    with pytest.raises(InputError, match="not UTF-8"):
        list(read_dataset(DatasetSpec.model_validate(SPEC), tmp_path, environ={}))
