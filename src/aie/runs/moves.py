"""Moves of the heart: what can begin, what follows from a node that is done, when the segment ends. All pure."""

from collections.abc import Iterable
from dataclasses import replace

from aie.errors import Failure
from aie.runs.paths import Index, item_path
from aie.runs.state import (
    DONE,
    Command,
    ExpandMap,
    Finish,
    GatherMap,
    Progress,
    RunStep,
    State,
    Status,
    Wait,
)

__all__ = [
    "Step",
    "attempts_of",
    "begin",
    "begin_items",
    "complete",
    "first_command",
    "follow",
    "issue",
    "mark",
    "put",
    "settle",
]

Step = tuple[State, tuple[Command, ...]]
"""A state and what is to be done next."""

# ---------------------------------------------------------------- what can begin


def begin(index: Index, state: State, among: Iterable[str]) -> Step:
    """Issue every top-level node among these that has not begun and whose needs are done."""
    commands: list[Command] = []
    for name in among:
        if name not in state.nodes and all(_is_done(state, need) for need in index.needs[name]):
            command = first_command(index, name)
            state = issue(mark(state, name, Status.RUNNING), command)
            commands.append(command)
    return state, tuple(commands)


def begin_items(index: Index, state: State, map_path: str, keys: Iterable[str]) -> Step:
    """Issue what can begin in the items of a map, and gather the map when all of them are done."""
    commands: list[Command] = []
    all_done = True
    for key in keys:
        state, begun, done = _begin_item(index, state, map_path, key)
        commands.extend(begun)
        all_done &= done
    if all_done:
        command = GatherMap(path=map_path)
        state = issue(state, command)
        commands.append(command)
    return state, tuple(commands)


def _begin_item(index: Index, state: State, map_path: str, key: str) -> tuple[State, list[Command], bool]:
    """Issue what can begin in one item; also whether every node of it is done."""
    body = index.bodies[map_path]
    commands: list[Command] = []
    done = True
    for name, node in body.items():
        path = item_path(map_path, key, name)
        if _is_done(state, path):
            continue
        done = False
        siblings = (item_path(map_path, key, need) for need in node.needs if need in body)
        if path not in state.nodes and all(_is_done(state, need) for need in siblings):
            command = first_command(index, path)
            state = issue(mark(state, path, Status.RUNNING), command)
            commands.append(command)
    return state, commands, done


def follow(index: Index, state: State, path: str) -> Step:
    """Issue what a node that is done makes runnable."""
    if state.cancelled or state.ending is not None:
        return settle(index, state, ())
    place = index.place(path)
    if not place.map_path:
        return settle(index, *begin(index, state, index.followers[path]))
    key = place.key
    state, commands, done = _begin_item(index, state, place.map_path, key)
    if done:
        items = state.done_items.get(place.map_path, 0) + 1
        state = state.but(done_items=state.done_items.set(place.map_path, items))
        if items == len(state.maps[place.map_path].keys):
            command = GatherMap(path=place.map_path)
            state = issue(state, command)
            commands.append(command)
    return settle(index, state, tuple(commands))


def settle(index: Index, state: State, commands: tuple[Command, ...]) -> Step:
    """Add the command that ends the segment when nothing is in flight."""
    if state.running:
        return state, commands
    last: Command
    reviews = tuple(sorted(path for path, each in state.nodes.items() if each.status is Status.REVIEW))
    effects = tuple(sorted(path for path, each in state.nodes.items() if each.status is Status.EFFECT))
    held = tuple(state.holds[path] for path, each in sorted(state.nodes.items()) if each.status is Status.HELD)
    if state.cancelled:
        last = Finish(state="cancelled")
    elif state.ending is not None:
        ending = state.ending
        last = Finish(state=ending.state, failure=ending.failure, path=ending.path, message=ending.message)
    elif all(_is_done(state, name) for name in index.nodes):
        last = Finish(state="completed")
    elif reviews or effects or held:
        last = Wait(reviews=reviews, effects=effects, held=held)
    else:
        last = Finish(
            state="failed", failure=Failure.INTERNAL.value, message="nothing is runnable and nothing is awaited"
        )
    return state, (*commands, last)


# ---------------------------------------------------------------- small moves


def first_command(index: Index, path: str) -> Command:
    """Return the command with which a node begins: a map is expanded, a step runs."""
    return ExpandMap(path=path) if index.place(path).node.map is not None else RunStep(path=path)


def issue(state: State, command: Command) -> State:
    """Return the state in which a command is under way."""
    steps = state.steps + 1 if isinstance(command, RunStep) else state.steps
    return state.but(running=state.running + 1, steps=steps)


def put(state: State, path: str, progress: Progress) -> State:
    """Return the state with a node's progress."""
    return state.but(nodes=state.nodes.set(path, progress))


def mark(state: State, path: str, status: Status) -> State:
    """Return the state with a node's status, the rest of its progress as it was."""
    before = state.nodes.get(path)
    return put(state, path, Progress(status=status) if before is None else replace(before, status=status))


def complete(state: State, path: str, status: Status) -> State:
    """Return the state in which a node is done and its command is no longer under way."""
    return mark(state, path, status).but(running=state.running - 1)


def _is_done(state: State, path: str) -> bool:
    progress = state.nodes.get(path)
    return progress is not None and progress.status in DONE


def attempts_of(state: State, path: str) -> int:
    """Return how many calls a step has intended."""
    count = 0
    while f"{path}#{count + 1}" in state.attempts:
        count += 1
    return count
