"""The wheel holds everything that the checkout holds: templates, styles and type information as well as code."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

TOP = Path(__file__).parents[2]


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(tmp_path: Path):
    """What a checkout has and an installation has not would be found by a user only."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(build, cwd=TOP, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("applied_intelligence_engine-*.whl")
    held = set(zipfile.ZipFile(wheel).namelist())
    files = {
        path.relative_to(TOP / "src").as_posix()
        for path in (TOP / "src" / "aie").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert sorted(files - held) == []
    assert "aie/py.typed" in held
    assert [name for name in held if name.endswith("licenses/LICENSE")]
