"""The reference pages say what the code says."""

import pytest

from scripts.configuration import undocumented
from scripts.reference import FOLDER, PAGES


@pytest.mark.slow
@pytest.mark.parametrize("name", PAGES)
def test_the_page_is_what_the_code_says(name: str):
    """Every command, error and event is documented, since the page is written from them; `make docs` writes it anew."""
    assert (FOLDER / name).read_text(encoding="utf-8") == PAGES[name]()


def test_every_key_that_people_write_says_what_it_is():
    """One line under each field of each type; editors show it too."""
    assert undocumented() == []
