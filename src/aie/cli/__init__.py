"""The command line: parses and prints. Data goes to stdout, talk to stderr; each command ends by naming the next."""

from aie.cli.main import main

__all__ = ["main"]
