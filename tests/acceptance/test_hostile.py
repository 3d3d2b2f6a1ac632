"""Inputs of somebody who means no good, or has no luck."""

import json
import os
from pathlib import Path

import pytest

from aie.app import Given, open_app, runner
from aie.app.running import choose_release
from aie.errors import InputError

FORM = {
    "claim_id": "C-901",
    "claimant": "Ann Example",
    "policy_number": "NG-554102",
    "loss_date": "2026-09-16",
    "amount": "410.00 USD",
    "file": "letter.txt",
}


def refusal(root: Path, **changed: object) -> str:
    """Return why an input is refused; nothing is stored of it."""
    data = {name: value for name, value in {**FORM, **changed}.items() if value is not None}
    with open_app(root) as app, runner(app, execute=False) as here:
        release, _ = choose_release(app, "claims")
        with pytest.raises(InputError) as caught:
            here.submit(Given(name="form", folder=root / "inbox", data=json.loads(json.dumps(data))), release)
        with app.store.connect() as connection:
            stored = connection.exec_driver_sql("SELECT (SELECT count(*) FROM blobs) + (SELECT count(*) FROM runs)")
            assert stored.scalar() == 0
    return caught.value.message


@pytest.fixture
def place(claims: Path) -> Path:
    """A workspace with an inbox, in which a letter lies."""
    inbox = claims / "inbox"
    inbox.mkdir()
    (inbox / "letter.txt").write_text("My travel policy NG-554102.")
    return claims


@pytest.mark.parametrize(
    "path",
    ["../aie.yaml", "../.aie/keys.json", "/etc/passwd", "/proc/self/environ", "/dev/zero", "link", "link/keys.json"],
)
def test_an_input_names_no_file_outside_its_folder(place: Path, path: str):
    """Else whoever writes an input reads with our eyes: keys, secrets of the environment."""
    (place / "inbox" / "link").symlink_to("../.aie")
    assert "outside the input's folder" in refusal(place, file=path)


@pytest.mark.parametrize("kind", ["pipe", "folder", "circle", "nul", "missing"])
def test_a_document_that_is_no_file_is_refused(place: Path, kind: str):
    """At once, where reading it would wait forever."""
    path = place / "inbox" / "it"
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "folder":
            path.mkdir()
        case "circle":
            path.symlink_to(path)
    assert "cannot be read" in refusal(place, file="i\0t" if kind == "nul" else "it")


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"claim_id": None}, "/claim_id: is required"),
        ({"amount": None}, "/amount: is required"),
        ({"amount": "٤١٠.00 USD"}, "/amount: an amount expected"),
        ({"loss_date": "２０２６-09-16"}, "/loss_date: a day expected"),
        ({"claim_id": "C" * 1001}, "the case has 1001 characters"),
    ],
)
def test_a_refused_input_leaves_nothing_behind(place: Path, changed: dict[str, object], why: str):
    """Not even its letter, which nothing would ever erase."""
    assert why in refusal(place, **changed)
