"""What is looked for in the records by name."""

from pathlib import Path

import pytest

from aie.app import known_attributes, lock_release, open_app
from aie.errors import InputError
from tests.shows.one_workflow import MODELS, workspace

pytestmark = pytest.mark.slow


def test_search_attributes_are_those_that_a_release_declares(tmp_path: Path) -> None:
    """Of the workflow that is named, or of any; a slip is refused with what was meant."""
    workspace(tmp_path, 1)
    (tmp_path / "models.yaml").write_text(MODELS["server"])
    file = tmp_path / "workflows/desks/workflow.yaml"
    file.write_text(file.read_text().replace("case: input.id\n", "case: input.id\nsearch: {policy: input.text}\n"))
    with open_app(tmp_path) as app:
        lock_release(app, "desks")
        for workflow in ("", "desks"):
            assert known_attributes(app, workflow, {"policy": "NG-7"}) == {"policy": "NG-7"}
        with pytest.raises(InputError) as slip:
            known_attributes(app, "", {"polici": "NG-7"})
        assert slip.value.hints == ("did you mean `policy`?",)
        with pytest.raises(InputError):
            known_attributes(app, "others", {"policy": "NG-7"})
