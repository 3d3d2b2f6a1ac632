"""Start a program of the operator's in a closed process.

    python -I closed.py CPU_SECONDS MEMORY_MIB /path/to/program …

A child of `jail.py` may start no process, so what reads pictures is started here, with the same rights given up: no
network, no other user's files, no file written, no process of its own.
"""

import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType


def jail() -> ModuleType:
    """Return the module beside this file; an isolated interpreter does not look there by itself."""
    spec = importlib.util.spec_from_file_location("jail", Path(__file__).with_name("jail.py"))
    if spec is None or spec.loader is None:
        raise ImportError("jail.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(cpu: str, memory: str, *command: str) -> None:
    """Close the doors, become the program."""
    closing = jail()
    closing.leave_network()
    closing.give_up_rights(os.getppid(), int(cpu), int(memory))
    os.execv(command[0], command)  # noqa: S606 — a program the operator installed, no shell, arguments of ours


if __name__ == "__main__":
    main(*sys.argv[1:])
