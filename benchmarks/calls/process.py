"""One process of one contender: opens, warms up, says so, calls when told and says what it measured, checks.

python -m benchmarks.calls.process '{"contender": "openai", …}'      lines of JSON on standard output
"""

import asyncio
import json
import sys
import time
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from benchmarks.calls.job import Caller, Job
from benchmarks.calls.libraries import LIBRARIES, library
from benchmarks.calls.server import ANSWER
from benchmarks.floors import FloorProfile

__all__ = ["main"]

_WARM = 20
"""Calls before anything is measured."""
_TOLD = ("aiohttp", "openai", "pydantic-ai-slim", "litellm")


def main() -> int:
    """Do what the job says."""
    given = json.loads(sys.argv[1])
    profile = FloorProfile() if given.pop("profile", False) else None
    job = Job(**given)
    if job.contender in LIBRARIES:
        asyncio.run(_library(job))
        return 0
    from benchmarks.calls.ours import Ours  # noqa: PLC0415 - LiteLLM's environment has nothing of ours

    ours = Ours.open(job)
    _say(ready=True, versions=_versions())
    while (told := _told()) == "go":
        if profile is not None:
            profile.start()
        cpu, began = time.process_time(), time.monotonic()
        took = ours.work(until=began + job.seconds)
        wall, cpu = time.monotonic() - began, time.process_time() - cpu
        booked = None if profile is None else profile.stop()
        _say(calls=len(took) * ours.calls_a_run, wall=wall, cpu=cpu, took=took, floors=booked)
    if told == "check":
        _say(checked=ours.check())
    ours.close()
    return 0


async def _library(job: Job) -> None:
    caller, called = library(job), _WARM
    await caller.open()
    await _drive(caller, 1, lambda done: done < _WARM)
    _say(ready=True, versions=_versions())
    while (told := await asyncio.to_thread(_told)) == "go":
        cpu, began = time.process_time(), time.monotonic()
        until = began + job.seconds
        took = await _drive(caller, job.clients, lambda _, until=until: time.monotonic() < until)
        wall, cpu = time.monotonic() - began, time.process_time() - cpu
        called += len(took)
        _say(calls=len(took), wall=wall, cpu=cpu, took=took, floors=None)
    if told == "check":
        _say(checked=called)
    await caller.close()


async def _drive(caller: Caller, clients: int, go: Any) -> list[float]:
    """Let clients ask one call after the other while `go(how many it did)`; return what each call took."""
    took: list[float] = []

    async def client() -> None:
        done = 0
        while go(done):
            began = time.monotonic()
            answer = await caller.call()
            if answer != ANSWER:
                raise ValueError(f"another answer came: {answer[:100]}")
            took.append(time.monotonic() - began)
            done += 1

    await asyncio.gather(*(client() for _ in range(clients)))
    return took


def _versions() -> dict[str, str]:
    told = {}
    for name in _TOLD:
        try:
            told[name] = version(name)
        except PackageNotFoundError:
            continue
    return told


def _say(**what: object) -> None:
    print(json.dumps(what), flush=True)


def _told() -> str:
    return sys.stdin.readline().strip()


if __name__ == "__main__":
    sys.exit(main())
