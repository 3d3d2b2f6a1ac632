"""LangGraph: a state graph of five nodes with the checkpointer of its makers, at one of its durabilities."""

import sqlite3
from contextlib import ExitStack
from typing import Any, Literal, TypedDict

from langgraph.checkpoint.postgres import PostgresSaver
from langgraph.checkpoint.sqlite import SqliteSaver
from langgraph.graph import END, START, StateGraph
from psycopg.rows import dict_row
from psycopg_pool import ConnectionPool

from benchmarks.calling import Caller
from benchmarks.work import NODES, NOTE, Job, node_work

__all__ = ["Graphs"]


class _State(TypedDict):
    value: int
    note: str


class Graphs:
    """A thread of LangGraph for each run."""

    def __init__(self, job: Job, durability: Literal["sync", "exit"]) -> None:
        self._job = job
        self._durability = durability
        self._stack = ExitStack()
        self._graph = _graph(job).compile(checkpointer=self._saver())
        self._numbers: list[int] = []

    def run(self, number: int) -> None:
        """Invoke the graph."""
        config = {"configurable": {"thread_id": f"{self._job.worker}-{number}"}}
        state = self._graph.invoke({"value": number, "note": NOTE}, config, durability=self._durability)
        if state["value"] != number + len(NODES):
            raise ValueError(f"run {number} ended with {state['value']}")
        self._numbers.append(number)

    def check(self) -> int:
        """Read the last state of each run."""
        for number in self._numbers:
            config = {"configurable": {"thread_id": f"{self._job.worker}-{number}"}}
            state = self._graph.get_state(config)
            if state.next or state.values["value"] != number + len(NODES):
                raise ValueError(f"run {number} stands at {state.next}")
        return len(self._numbers)

    def close(self) -> None:
        """Close connections."""
        self._stack.close()

    def _saver(self) -> Any:
        if self._job.url.startswith("sqlite"):
            path = self._job.url.removeprefix("sqlite:///")
            connection = sqlite3.connect(path, timeout=60, check_same_thread=False)
            self._stack.callback(connection.close)
            saver: Any = SqliteSaver(connection)
            saver.setup()
            connection.execute("PRAGMA synchronous = FULL")
            return saver
        options = {"autocommit": True, "prepare_threshold": 0, "row_factory": dict_row}
        pool: Any = ConnectionPool(
            self._job.url, min_size=min(self._job.clients, 8), max_size=max(self._job.clients, 2), kwargs=options
        )
        self._stack.enter_context(pool)
        saver = PostgresSaver(pool)
        if self._job.worker == 0:
            saver.setup()
        return saver


def _graph(job: Job) -> Any:
    graph: Any = StateGraph(_State)
    work = node_work(job, Caller(job.socket))
    for name in NODES:
        graph.add_node(name, lambda state, do=work[name]: {"value": do(state["value"])})
    for before, after in zip((START, *NODES), (*NODES, END), strict=True):
        graph.add_edge(before, after)
    return graph
