"""The event loop of the adapters, on which nothing outlives the call that began it.

A vendor's library reads a stream through a chain of asynchronous generators, and leaves it half read where it stops: at
the last event, or at one that it cannot read. Python would close each of them whenever it is found, in a task after the
call, or in whichever thread collects cycles: two of a chain at a time, and then they fail where nobody hears it.
"""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import suppress
from contextvars import ContextVar
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

__all__ = ["cancel_all", "leaving_nothing", "turn"]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_LEAVE: Final = 2.0
"""Seconds that what is cancelled has to end."""

_begun: ContextVar[list[AsyncGenerator[Any, Any]]] = ContextVar("_begun")
"""Asynchronous generators of the call under way, each before those that it reads from."""


def turn(loop: asyncio.AbstractEventLoop) -> None:
    """Run a loop in this thread until it is stopped, and close it."""
    loop.call_soon(_watch)
    try:
        loop.run_forever()
    finally:
        loop.close()


def leaving_nothing(call: Callable[_P, Coroutine[Any, Any, _T]]) -> Callable[_P, Coroutine[Any, Any, _T]]:
    """Return a call that closes the asynchronous generators begun for it before anyone hears how it ended."""

    @wraps(call)
    async def closing(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        begun: list[AsyncGenerator[Any, Any]] = []
        _begun.set(begun)
        try:
            return await call(*args, **kwargs)
        finally:
            while begun:
                # The outer one goes first: it may close those that it reads from. How the call ended is known by now.
                with suppress(Exception):
                    await begun.pop(0).aclose()

    return closing


async def cancel_all() -> None:
    """Cancel whatever else goes on on this loop, and wait for its end."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for each in others:
        each.cancel()
    if others:
        await asyncio.wait(others, timeout=_LEAVE)


def _watch() -> None:
    """Note each generator with its call; done on the loop, which has set hooks of its own as it began to run."""
    known = sys.get_asyncgen_hooks().firstiter

    def note(generator: AsyncGenerator[Any, Any]) -> None:
        _begun.get([]).append(generator)
        if known is not None:
            known(generator)

    sys.set_asyncgen_hooks(firstiter=note)
