"""What the documents show is what the commands print."""

from pathlib import Path

import pytest

from scripts.transcripts import read_blocks, run_document
from tests.shows.forked import forked

TOP = Path(__file__).parents[2]
DOCUMENTS = sorted(
    document
    for document in [*TOP.glob("*.md"), *TOP.glob("docs/**/*.md"), *TOP.glob("src/aie/templates/*/README.md")]
    if any(read_blocks(document.read_text(encoding="utf-8").splitlines()))
)


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: str(document.relative_to(TOP)))
def test_every_transcript_is_what_the_commands_print(document: Path, tmp_path: Path):
    """Each document in an empty folder of its own; `make docs` writes them anew.

    The commands of the README are processes that import everything themselves, as those of its readers are.
    """
    how = {} if document == TOP / "README.md" else {"aie": forked(TOP / "src").shell}
    _, differences = run_document(document.read_text(encoding="utf-8"), tmp_path, **how)
    assert differences == [], "\n".join(differences)


def test_the_readme_is_short():
    assert len((TOP / "README.md").read_text(encoding="utf-8").splitlines()) <= 200


def test_the_numbers_of_the_readme_are_those_that_were_measured():
    """Its table is copied from what `make bench ARGS=--write` wrote, missed aims included."""
    measured = (TOP / "benchmarks" / "README.md").read_text(encoding="utf-8").splitlines()
    text = (TOP / "README.md").read_text(encoding="utf-8").partition("## Numbers")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("|")]
    aims = [line for line in measured if line.endswith(("met |", "**not met** |"))]
    assert rows[2:] == aims
    assert aims
