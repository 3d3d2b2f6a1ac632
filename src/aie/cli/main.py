"""The `aie` command: a table of verbs, each loaded when it is called.

Only typer is imported to print help or to refuse a typo; the floors below come with the verb's module.
"""

import io
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from itertools import pairwise
from typing import Annotated, Any, Final

import typer
import typer.core
from typer.main import get_command

from aie.cli.failing import BROKEN_PIPE, INTERRUPTED, defect, silence_stdout, tell
from aie.errors import AieError, Cancelled, InputError

__all__ = ["VERBS", "Verb", "command", "main"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verb:
    """One command and where it lives."""

    module: str
    """Module below `aie.cli.verbs`."""
    name: str
    """Its function there, or a group of functions."""
    help: str
    """One line for `aie --help`."""


VERBS: Final = {
    "init": Verb(module="workspace", name="init", help="Start a workspace from a template"),
    "check": Verb(module="workspace", name="check", help="Report every mistake in the workspace's files"),
    "label": Verb(module="labelling", name="label", help="Give a dataset its first labels"),
    "train": Verb(module="training", name="train", help="Fit the classifiers and extractors that learn here"),
    "models": Verb(module="models", name="models", help="Show the catalog: owners, calendar, what depends on each"),
    "plan": Verb(module="releases", name="plan", help="Show what a release would change, and why"),
    "release": Verb(module="releases", name="release", help="Lock a workflow and everything it uses"),
    "diff": Verb(module="releases", name="diff", help="Tell two releases apart in plain words"),
    "promote": Verb(module="releases", name="promote", help="Let an environment use a release"),
    "rollback": Verb(module="releases", name="rollback", help="Give an environment the release it had before"),
    "try": Verb(module="building", name="try_", help="Run one step again on what a run recorded"),
    "test": Verb(module="building", name="run_tests", help="Run the fixtures that tries were kept as"),
    "export": Verb(module="releases", name="export", help="Write a release as one file that travels"),
    "import": Verb(module="releases", name="import_", help="Take in a release that was exported"),
    "run": Verb(module="runs", name="run", help="Run a workflow on one input or many"),
    "runs": Verb(module="runs", name="runs", help="List runs, latest first"),
    "explain": Verb(module="runs", name="explain", help="Say why a run ended as it did"),
    "review": Verb(module="reviews", name="review", help="List, show and decide what waits for a person"),
    "cancel": Verb(module="runs", name="cancel", help="Stop a run"),
    "retry": Verb(module="runs", name="retry", help="Let failed runs go on from the failed step"),
    "migrate": Verb(module="runs", name="migrate", help="Move runs that need another runtime to this one"),
    "worker": Verb(module="worker", name="worker", help="Execute runs until stopped"),
    "status": Verb(module="workspace", name="status", help="Show releases, queues and what waits"),
    "budget": Verb(module="controls", name="budget", help="Show and set what may be spent on model calls"),
    "stop": Verb(module="controls", name="stop", help="Stop a model, a workflow or a tenant, at once"),
    "resume": Verb(module="controls", name="resume", help="Lift a stop"),
    "verify": Verb(module="records", name="verify", help="Prove that the records are what was written"),
    "erase": Verb(module="records", name="erase", help="Destroy the key to all that is held of one person"),
    "rebuild": Verb(module="records", name="rebuild", help="Make every projection anew from the events"),
    "doctor": Verb(module="workspace", name="doctor", help="Examine this machine and the store"),
    "schema": Verb(module="workspace", name="schema", help="Print the JSON Schema of a file, for editors"),
    "demo": Verb(module="demo", name="demo", help="Forty claims, offline: decided, crashed, resumed, explained"),
}
"""Every verb, in the order in which people meet them."""


class _Verbs(typer.core.TyperGroup):
    """A group that loads a verb's module when the verb is called."""

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        verb = VERBS.get(cmd_name)
        return None if verb is None else _load(cmd_name, verb)

    def list_commands(self, ctx: Any) -> list[str]:
        return list(VERBS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, verb.help) for name, verb in VERBS.items()])


def _load(name: str, verb: Verb) -> Any:
    target = getattr(import_module(f"aie.cli.verbs.{verb.module}"), verb.name)
    if isinstance(target, typer.Typer):
        loaded: Any = get_command(target)
    else:
        alone = typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False)
        alone.command(name)(target)
        loaded = get_command(alone)
    loaded.name = name
    return loaded


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - costs 20 ms that only this flag needs

        typer.echo(f"aie {version('applied-intelligence-engine')}")
        raise typer.Exit


def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """Turn volatile model capability into reliable, governable outcomes.

    Data goes to stdout and talk to stderr; every command takes --format json. Exit status: 0 done, 1 failed,
    2 wrong input or files, 3 not found, 4 conflict, 5 denied, 6 store, 7 records were altered, 130 interrupted.
    """


def command() -> Any:
    """Return the whole command."""
    root = typer.Typer(
        name="aie",
        cls=_Verbs,
        callback=_root,
        no_args_is_help=True,
        rich_markup_mode=None,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    built: Any = get_command(root)
    built.commands = dict.fromkeys(VERBS)  # what typer's "did you mean" looks into
    return built


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit with its status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a terminal of another encoding shows escapes, not a failure
            stream.reconfigure(errors="backslashreplace")
    sys.exit(_run(given))


def _run(given: Sequence[str]) -> int:
    as_json = "--format=json" in given or ("--format", "json") in pairwise(given)
    try:
        _check_readable(given)
        status = command().main(args=given, prog_name="aie", standalone_mode=False)
        sys.stdout.flush()
    except (AieError, typer.TyperException) as error:
        return tell(error, as_json=as_json)
    except (BrokenPipeError, SystemExit):  # typer answers a broken pipe with an exit of its own, and nothing else so
        silence_stdout()
        return BROKEN_PIPE
    except (KeyboardInterrupt, Cancelled, typer.Abort):
        return INTERRUPTED
    except OSError as error:
        if os.environ.get("AIE_TRACEBACK"):
            raise
        return tell(error, as_json=as_json)
    except Exception as error:
        if os.environ.get("AIE_TRACEBACK"):
            raise
        return tell(defect(error), as_json=as_json)
    return status if isinstance(status, int) else 0


def _check_readable(given: Sequence[str]) -> None:
    """Refuse arguments that are not text in the encoding of this system: no store can hold them."""
    settings = [os.environ.get(name, "") for name in ("AIE_ACTOR", "AIE_TENANT", "AIE_WORKSPACE")]
    for text in (*given, *settings):
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InputError(f"the argument {text!r} is not UTF-8", hints=("write it in UTF-8",)) from error
