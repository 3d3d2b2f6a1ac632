"""The command as processes that are forked from one which has it imported: for tests that run it hundreds of times.

Each is a process of its own, with its arguments, environment, folder and streams, and ends as any process does; what it
shares is the import, which takes longer than most commands. That a process works which imports everything itself is
proven where commands are killed, piped or watched, and by the README, whose transcripts use the command as people do.
"""

import atexit
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO, Any

from tests.shows.forked.asking import Asked

__all__ = ["Ended", "Forked", "forked"]

_HERE = Path(__file__).parent


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A command that ended."""

    status: int
    out: str
    err: str

    @property
    def data(self) -> Any:
        """What it printed, as JSON."""
        return json.loads(self.out)


class Forked:
    """The process that commands are forked from; it ends with this one."""

    def __init__(self, source: Path) -> None:
        """Start it with the package in this folder."""
        self._folder = tempfile.mkdtemp(prefix="aie-forked-")
        self._address = str(Path(self._folder, "socket"))
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AIE_")}
        self._process = subprocess.Popen(
            [sys.executable, "-P", _HERE / "serving.py", self._address],
            env=environment | {"PYTHONPATH": str(source)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != b"ready\n":
            raise RuntimeError("the process that commands are forked from did not start")

    def words(self, before: str = "") -> list[str]:
        """Return a command line that asks for a command and ends as it ends; its arguments follow.

        Args:
            before: lines that the command's own process runs first.
        """
        return [sys.executable, "-IS", str(_HERE / "asking.py"), self._address, before]

    @property
    def shell(self) -> str:
        """The same as words of a shell."""
        return shlex.join(self.words())

    def run(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], before: str = "", seconds: float = 60.0
    ) -> Ended:
        """Run the command and return how it ended.

        Args:
            arguments: after `aie`.
            cwd: its folder.
            env: its whole environment.
            before: lines that the command's own process runs first.
            seconds: how long it may take.

        Raises:
            TimeoutError: it took too long, and was killed.
        """
        request = {"arguments": arguments, "cwd": str(cwd), "env": {**env}, "before": before}
        with (
            Path(os.devnull).open("rb") as nothing, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err,
            closing(Asked(self._address, (nothing.fileno(), out.fileno(), err.fileno()), request)) as asked,
        ):  # fmt: skip
            try:
                status = asked.ended(seconds)
            except TimeoutError:
                os.kill(asked.pid, signal.SIGKILL)
                raise
            return Ended(status=status, out=_content(out), err=_content(err))

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        shutil.rmtree(self._folder)


@cache
def forked(source: Path) -> Forked:
    """Return the one of this process for the package in a folder."""
    made = Forked(source)
    atexit.register(made.close)
    return made


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()
