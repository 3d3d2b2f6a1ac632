"""The lookup layer: what systems of record answer, and everything that is no answer. All rows here are invented."""

import http.server
import json
import os
import socket
import sqlite3
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from aie.config import Problems, Site, load_settings, load_workspace, type_of
from aie.core import Labels, Value
from aie.errors import ConfigError, Failure, StepFailure
from aie.layers import Compiled, Task, lookup_facts
from aie.layers.lookup import LookupLayer
from aie.layers.lookup.sql import statement

WORKFLOW = """workflow: claims
owner: claims@example.com
case: input.number
input: schemas/in.json
output: schemas/in.json
steps:
  s: STEP
result: {number: input.number}
on: {"*": fail}
"""
ROW = {
    "type": "object",
    "properties": {
        "number": {"type": "string"},
        "limit": {"type": "string", "format": "money"},
        "in_force": {"type": "boolean"},
        "visits": {"type": ["integer", "null"]},
        "since": {"type": "string", "format": "date"},
    },
    "required": ["number", "limit"],
    "additionalProperties": False,
}
INPUT = {
    "type": "object",
    "properties": {"number": {"type": ["string", "null"]}, "parts": {"type": "array", "items": {"type": "string"}}},
    "required": ["number", "parts"],
}
CSV = "number,limit,in_force,visits,since,note\nP-1,500.00 USD,true,3,2026-01-01,x\nP-2,9.00 USD,false,,2025-01-01,y\n"
P1 = {"number": "P-1", "limit": "500.00 USD", "in_force": True, "visits": 3, "since": "2026-01-01"}
TABLE = "{kind: table, file: tables/policies.csv, by: [number], row: rows.json%s}"
STEP = "{lookup: policies, by: {number: input.number}}"
NOW = 1_793_000_000_000_000
"""26 October 2026."""


class Standing:
    """A clock that stands."""

    def now(self) -> int:
        """Return the same moment."""
        return NOW

    def monotonic(self) -> int:
        """Return the same moment."""
        return NOW


@dataclass
class Made:
    """A compiled lookup in its workspace."""

    compiled: Compiled | None
    problems: list[str]
    world: Any
    root: Any

    def result(self, number: Any = "P-1", *, mode: str = "live", time_left_ms: int | None = None, **by: Any) -> Any:
        """Run the step."""
        assert self.compiled is not None, self.problems
        self.world.components.update({f"{each.kind}:{each.name}": each.content for each in self.compiled.components})
        self.world.live["lookup:policies"] = lookup_facts("policies", load_settings(self.root), self.root)
        inputs = {f"by.{name}": Value(data=value, ref="r") for name, value in ({"number": number} | by).items()}
        task = Task(
            path="s",
            config=self.compiled.config,
            inputs=inputs,
            workflow="claims",
            mode=mode,
            time_left_ms=time_left_ms,
        )
        return LookupLayer(Standing()).run(task, self.world.tools())

    def run(self, number: Any = "P-1", **more: Any) -> Any:
        """Run the step and return its value."""
        return self.result(number, **more).data

    def failure(self, number: Any = "P-1", **more: Any) -> Failure:
        """Run the step and return the class of its failure, which never tells what was looked for."""
        with pytest.raises(StepFailure) as caught:
            self.result(number, **more)
        assert caught.value.failure in self.compiled.failures | {Failure.PROVIDER_REFUSED}
        assert str(number) not in caught.value.message
        return caught.value.failure


@pytest.fixture
def lookup(tmp_path, world) -> Callable[..., Made]:
    """Compile a lookup from its entry in `aie.yaml`."""

    def make(entry: str, step: str = STEP, files: dict[str, str] | None = None, more: str = "") -> Made:
        written = {
            "aie.yaml": f"lookups:\n  policies: {entry}\n{more}",
            "rows.json": json.dumps(ROW),
            "tables/policies.csv": CSV,
            "workflows/claims/workflow.yaml": WORKFLOW.replace("STEP", step),
            "workflows/claims/schemas/in.json": json.dumps(INPUT),
            **(files or {}),
        }
        for name, text in written.items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(text)
        workspace, problems = load_workspace(tmp_path), Problems()
        workflow = workspace.workflows["claims"]
        site = Site(
            workspace=workspace,
            workflow=workflow,
            step=workflow.steps["s"],
            scope={"input": type_of(INPUT)},
            problems=problems,
            path=("steps", "s"),
        )
        compiled = LookupLayer().compile(workflow.steps["s"], site)
        return Made(compiled, [f"{each.file}:{each.key}:{each.code}" for each in problems], world, tmp_path)

    return make


# ---------------------------------------------------------------- tables


def test_a_row_is_found_by_its_key_as_its_schema_says(lookup):
    """Typed, and without the columns that the schema does not name."""
    made = lookup(TABLE % "")
    assert made.run() == {"found": True, "row": P1, "as_of": None, "source": "policies"}
    assert made.run("P-2")["row"]["visits"] is None


def test_a_row_that_is_not_there_is_a_value_or_a_failure(lookup):
    """As the step says; what is not known is not looked for."""
    made = lookup(TABLE % "")
    assert (made.run("P-3")["found"], made.run("P-3")["row"]) == (False, None)
    assert made.run(None)["found"] is False
    assert made.compiled.failures == frozenset()
    strict = lookup(TABLE % "", STEP.replace("}}", "}, missing: fail}"))
    assert strict.compiled.failures == {Failure.LOOKUP_MISSING}
    assert strict.failure("P-3") is Failure.LOOKUP_MISSING


def test_a_table_of_the_release_stays_as_it_was(lookup):
    """A run that began under it ends under it; one that is read by the run is read anew."""
    pinned, live = lookup(TABLE % ""), lookup(TABLE % ", read: run")
    assert [each.kind for each in pinned.compiled.components] == ["lookup", "row", "table"]
    assert [each.kind for each in live.compiled.components] == ["lookup", "row"]
    (pinned.root / "tables" / "policies.csv").write_text(CSV.replace("500.00", "700.00"))
    assert pinned.run()["row"]["limit"] == "500.00 USD"
    assert live.run()["row"]["limit"] == "700.00 USD"


def test_a_live_table_has_an_age(lookup):
    """Its own, by the file's time; older than allowed it is no answer."""
    made = lookup(TABLE % ", read: run, freshness: 1 h")
    file = made.root / "tables" / "policies.csv"
    os.utime(file, (NOW / 1e6 - 3_000, NOW / 1e6 - 3_000))
    assert made.run()["as_of"] == "2026-10-26T06:43:20.000Z"
    os.utime(file, (NOW / 1e6 - 4_000, NOW / 1e6 - 4_000))
    assert made.failure() is Failure.PROVIDER_DOWN
    file.unlink()
    assert made.failure() is Failure.PROVIDER_DOWN
    file.write_text("number\nP-1,too,many\n")
    assert made.failure() is Failure.INVALID_OUTPUT


def test_a_row_may_say_since_when_it_holds(lookup):
    """A day is its beginning, UTC."""
    made = lookup(TABLE % ", as_of: since, freshness: 365 days")
    assert made.run()["as_of"] == "2026-01-01T00:00:00.000Z"
    assert made.failure("P-2") is Failure.PROVIDER_DOWN
    assert made.run("P-2", mode="replay")["found"] is True, "a trial repeated next year says the same"


@pytest.mark.parametrize(
    ("table", "line"),
    [
        (CSV + "P-1,1.00 USD,true,1,2026-01-01,z\n", "line 4: its number stands twice"),
        (CSV + "P-3,many,true,1,2026-01-01,z\n", "line 4"),
        (CSV + "P-3,1.00 USD,maybe,1,2026-01-01,z\n", "line 4"),
        (CSV + "P-3,1.00 USD\n", "line 4: not as many columns"),
        ("limit\n1.00 USD\n", "line 2"),
    ],
)
def test_a_table_that_cannot_be_used_is_told_before_any_run(lookup, table, line):
    """At its place in `aie.yaml`, with the line and not the value."""
    made = lookup(TABLE % "", files={"tables/policies.csv": table})
    assert made.compiled is None
    assert made.problems == ["aie.yaml:lookups.policies.file:bad-table"]


def test_json_lines_are_a_table_too(lookup):
    """With the same meaning."""
    lines = '{"number": "P-1", "limit": "5.00 USD"}\n\n{"number": "P-2", "limit": "6.00 USD", "other": 1.5}\n'
    made = lookup("{kind: table, file: tables/p.jsonl, by: [number], row: rows.json}", files={"tables/p.jsonl": lines})
    assert made.run("P-2")["row"] == {"number": "P-2", "limit": "6.00 USD"}


def test_a_row_carries_the_labels_of_its_system(lookup):
    """What it was looked for by is joined by the run."""
    result = lookup(TABLE % ", classes: [personal], regions: [eu]").result()
    assert result.labels == Labels(classes=frozenset({"personal"}), regions=frozenset({"eu"}))
    assert lookup(TABLE % ", integrity: untrusted").result().labels.integrity == "untrusted"


@pytest.mark.parametrize(
    ("entry", "step", "problems"),
    [
        (TABLE % "", "{lookup: policy, by: {number: input.number}}", "steps.s.lookup:unknown-lookup"),
        (
            TABLE % "",
            "{lookup: policies, by: {number: input.number, n: input.number}}",
            "steps.s.by.n:unknown-parameter",
        ),
        (TABLE % "", "{lookup: policies, by: {number: input.parts}}", "steps.s.by.number:bad-type"),
        (TABLE % ", fixtures: none.jsonl", STEP, "lookups.policies.fixtures:missing-file"),
        (TABLE % ", freshness: 1 h", STEP, "lookups.policies.freshness:bad-value"),
        (TABLE % ", as_of: then", STEP, "lookups.policies.as_of:unknown-field"),
        ((TABLE % "").replace("rows.json", "row.json"), STEP, "lookups.policies.row:missing-file"),
    ],
)
def test_mistakes_are_told_where_they_are_written(lookup, entry, step, problems):
    """In the step, or in `aie.yaml`."""
    made = lookup(entry, step)
    assert made.compiled is None
    assert made.problems[0].partition(":")[2] == problems


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("{kind: http, url: 'http://x.example', by: [a], row: r.json}", "write `{a}`"),
        ("{kind: http, url: 'http://x.example', path: '/{a}/{b}', by: [a], row: r.json}", "`b` is not among"),
        ("{kind: http, url: 'http://{a}.example', path: '/{a}', by: [a], row: r.json}", "expected"),
        ("{kind: http, url: 'http://x.example/?q=', path: '/{a}', by: [a], row: r.json}", "expected"),
        ("{kind: http, url: 'file:///etc/passwd', path: '/{a}', by: [a], row: r.json}", "expected"),
        ("{kind: http, url: 'http://x.example', path: '@y/{a}', by: [a], row: r.json}", "expected"),
        ("{kind: sql, url: 'env:X', select: 'SELECT 1', by: [a], row: r.json}", "write `:a`"),
        ("{kind: sql, url: 'env:X', select: 'SELECT :a, :b', by: [a], row: r.json}", "`b` is not among"),
        ("{kind: table, file: t.parquet, by: [a], row: r.json}", "expected"),
    ],
)
def test_an_entry_takes_only_declared_values_and_each_of_them(lookup, entry, message):
    """And none of them says where a request goes."""
    with pytest.raises(ConfigError) as caught:
        lookup(entry)
    assert [message in each.message for each in caught.value.problems] == [True]


# ---------------------------------------------------------------- trials


def test_trials_ask_nothing_that_changes(lookup):
    """Fixtures answer there; without them only what the release holds."""
    entry = "{kind: http, url: 'http://127.0.0.1:1', path: '/{number}', by: [number], row: rows.json%s}"
    assert lookup(entry % "").failure(mode="eval") is Failure.PROVIDER_REFUSED
    known, unknown = {"by": {"number": "P-1"}, "row": {"number": "P-1", "limit": "5.00 USD"}}, {"number": "P-9"}
    lines = f"{json.dumps(known)}\n{json.dumps({'by': unknown, 'row': None})}\n"
    made = lookup(entry % ", fixtures: fix.jsonl", files={"fix.jsonl": lines})
    for mode in ("eval", "replay"):
        assert made.run(mode=mode)["source"] == "fixtures of policies"
        assert made.run("P-9", mode=mode)["found"] is False
    assert made.failure(mode="live") is Failure.PROVIDER_DOWN
    assert lookup(TABLE % "").run(mode="eval")["row"] == P1


# ---------------------------------------------------------------- endpoints


@dataclass
class Served:
    """An endpoint on this machine and what it heard."""

    port: int = 0
    status: int = 200
    answer: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    heard: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"


@pytest.fixture
def served() -> Iterator[Served]:
    """Serve what a test puts there."""
    played = Served(answer=json.dumps({"data": {**P1, "secret": "x", "visits": 3.0}}).encode())

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            played.heard.append((self.command, self.path, dict(self.headers), body))
            self.send_response(played.status)
            for name, value in {"Content-Length": str(len(played.answer)), **played.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(played.answer)

        do_POST = do_GET  # noqa: N815 - as http.server wants it

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    played.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield played
    server.shutdown()
    thread.join()
    server.server_close()


def entry(served: Served, **more: Any) -> str:
    """Return an endpoint's entry."""
    written = {
        "kind": "http",
        "url": served.url,
        "path": "/v1/policies/{number}",
        "by": ["number"],
        "row": "rows.json",
        "row_at": "/data",
        "timeout": "2 s",
        **more,
    }
    return json.dumps({name: value for name, value in written.items() if value is not None})


def test_an_endpoint_is_asked_by_declared_values_only(lookup, served, world):
    """Percent-encoded into the path, with its secret in a header, and nothing of the answer beyond the row's fields."""
    served.answer = json.dumps({"data": {**P1, "secret": "x"}}).encode()
    world.secrets["env:TOKEN"] = "s3cret"
    made = lookup(entry(served, headers={"Authorization": "Bearer env:TOKEN"}))
    found = made.run("P-1/../x?y=1#z ü")
    assert (found["row"], found["as_of"]) == (P1, "2026-10-26T07:33:20.000Z")
    method, path, headers, _ = served.heard[0]
    assert (method, path) == ("GET", "/v1/policies/P-1%2F..%2Fx%3Fy%3D1%23z%20%C3%BC")
    assert headers["Authorization"] == "Bearer s3cret"
    assert "s3cret" not in str(made.compiled) + str(world.live)


@pytest.mark.parametrize(("path", "secret"), [("/ü/{number}", "s3cret"), ("/v1/{number}", "se\u20acret")])
def test_an_address_or_header_that_http_does_not_carry_is_refused(lookup, served, world, path, secret):
    """The class of a mistake of the settings, without the words of the secret."""
    world.secrets["env:TOKEN"] = secret
    made = lookup(entry(served, path=path, headers={"Authorization": "Bearer env:TOKEN"}))
    with pytest.raises(StepFailure, match="HTTP does not carry") as caught:
        made.run("P-1")
    assert caught.value.failure is Failure.PROVIDER_REFUSED
    assert secret not in caught.value.message


@pytest.mark.parametrize("value", ["..", ".", ""])
def test_a_value_that_would_change_the_path_is_no_key(lookup, served, value):
    """It is not even asked for."""
    assert lookup(entry(served)).run(value)["found"] is False
    assert served.heard == []


def test_post_sends_the_values_as_an_object(lookup, served):
    """Those that the path does not hold."""
    served.answer = json.dumps([P1]).encode()
    made = lookup(entry(served, path="/find", method="POST", row_at=None))
    assert made.run('P"1')["row"] == P1
    assert served.heard[0][0] == "POST"
    assert json.loads(served.heard[0][3]) == {"number": 'P"1'}


@pytest.mark.parametrize(
    ("status", "answer", "becomes"),
    [
        (404, b"", None),
        (204, b"", None),
        (200, b'{"data": null}', None),
        (200, b'{"data": []}', None),
        (200, b'{"other": 1}', None),
        (200, b'{"data": [{}, {}]}', Failure.INVALID_OUTPUT),
        (200, b'{"data": {"number": "P-1"}}', Failure.INVALID_OUTPUT),
        (200, b'{"data": 7}', Failure.INVALID_OUTPUT),
        (200, b"<html>", Failure.INVALID_OUTPUT),
        (200, b"\xff", Failure.INVALID_OUTPUT),
        (200, b'{"data": "' + b"x" * 2_000 + b'"}', Failure.INVALID_OUTPUT),
        (301, b"", Failure.PROVIDER_REFUSED),
        (302, b"", Failure.PROVIDER_REFUSED),
        (401, b"", Failure.PROVIDER_REFUSED),
        (429, b"", Failure.RATE_LIMITED),
        (500, b"", Failure.PROVIDER_DOWN),
        (503, b"", Failure.PROVIDER_DOWN),
    ],
)
def test_what_an_answer_comes_to(lookup, served, status, answer, becomes):
    """Not there, of no use, refused or away: never a guess."""
    served.status, served.answer = status, answer
    served.headers = {"Location": "http://169.254.169.254/"}
    made = lookup(entry(served, at_most=1_000))
    if becomes is None:
        assert made.run()["found"] is False
    else:
        assert made.failure() is becomes
    assert len(served.heard) == 1, "a redirect is not followed"


def test_an_answer_that_breaks_off_is_none(lookup, served):
    """Half a row is no row."""
    served.headers = {"Content-Length": "5000"}
    assert lookup(entry(served)).failure() is Failure.PROVIDER_DOWN


def test_an_endpoint_that_drips_is_cut_off(lookup):
    """By the step's time, or by what the run has left."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = Served(port=server.getsockname()[1])
        assert lookup(entry(silent, timeout="100 ms")).failure() is Failure.TIMEOUT
        assert lookup(entry(silent, timeout="60 s")).failure(time_left_ms=100) is Failure.TIMEOUT
    assert lookup(entry(silent)).failure() is Failure.PROVIDER_DOWN, "nobody listens there any more"


def test_a_name_within_the_network_is_asked_only_if_the_operator_says_so(lookup, served, monkeypatch):
    """The address itself, written out, is such a saying; a name that leads there is not."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("127.0.0.1", served.port))])
    served.answer = json.dumps({"data": P1}).encode()
    named = entry(served, url=f"http://policies.example:{served.port}")
    assert lookup(named).failure() is Failure.PROVIDER_REFUSED
    assert served.heard == []
    allowed = lookup(named, more="network: {allow: [127.0.0.0/8]}\n")
    assert allowed.run()["found"] is True
    assert served.heard[0][2]["Host"] == f"policies.example:{served.port}"


# ---------------------------------------------------------------- databases


@pytest.fixture
def database(tmp_path) -> str:
    """A SQLite file with two policies."""
    with sqlite3.connect(tmp_path / "policies.db") as made:
        made.execute("CREATE TABLE policies (number TEXT, amount REAL, in_force INT, visits INT)")
        made.executemany("INSERT INTO policies VALUES (?, ?, ?, ?)", [("P-1", 500.5, 1, 3), ("P-2", 9, 0, None)])
    made.close()
    return "sqlite:///policies.db"


SELECT = "SELECT number, amount || '0 USD' AS \"limit\", visits FROM policies WHERE number = :number"


def sql(url: str, select: str = SELECT, **more: Any) -> str:
    """Return a database's entry."""
    return json.dumps({"kind": "sql", "url": url, "select": select, "by": ["number"], "row": "rows.json", **more})


def test_a_database_is_asked_with_bound_values(lookup, database):
    """A value is never part of the statement."""
    made = lookup(sql(database))
    assert made.run()["row"] == {"number": "P-1", "limit": "500.50 USD", "visits": 3}
    assert made.run("' OR 1=1 --")["found"] is False


def test_a_statement_cannot_write(lookup, database):
    """Neither as written, which is refused, nor by what it calls."""
    for select in ("DELETE FROM policies WHERE number = :number", SELECT + "; DELETE FROM policies"):
        with pytest.raises(ConfigError) as caught:
            lookup(sql(database, select))
        assert [each.key for each in caught.value.problems] == ["lookups.policies.select"]
    made = lookup(
        sql(database, "WITH n AS (SELECT :number) INSERT INTO policies (number) SELECT * FROM n RETURNING number")
    )
    assert made.failure("P-7") is Failure.PROVIDER_REFUSED
    with sqlite3.connect(made.root / "policies.db") as again:
        assert again.execute("SELECT count(*) FROM policies").fetchone() == (2,)
    again.close()


@pytest.mark.parametrize(
    ("select", "becomes"),
    [
        ("SELECT number, '1.00 USD' AS \"limit\" FROM policies WHERE number <> :number", Failure.INVALID_OUTPUT),
        ("SELECT number FROM policies WHERE number = :number", Failure.INVALID_OUTPUT),
        ("SELECT x'00' AS number FROM policies WHERE number = :number", Failure.INVALID_OUTPUT),
        ("SELECT missing FROM policies WHERE number = :number", Failure.PROVIDER_REFUSED),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n WHERE :number = i",
            Failure.TIMEOUT,
        ),
    ],
)
def test_what_a_database_comes_to(lookup, database, select, becomes):
    """More than one row, another shape, bytes, a mistake, no end."""
    assert lookup(sql(database, select, timeout="200 ms")).failure("P-3" if "<>" in select else "P-1") is becomes


def test_a_database_that_is_not_there_is_down(lookup):
    """And it is not created."""
    made = lookup(sql("sqlite:///nowhere.db"))
    assert made.failure() is Failure.PROVIDER_DOWN
    assert not (made.root / "nowhere.db").exists()


def test_parameters_are_told_from_what_only_looks_like_them():
    """For Postgres's driver; texts, quoted names and casts stay as they are."""
    written = "SELECT ':a', \":b\", x::date, 7 % 2 FROM t WHERE n = :name AND m LIKE '%z'"
    assert statement(written) == "SELECT ':a', \":b\", x::date, 7 %% 2 FROM t WHERE n = %(name)s AND m LIKE '%%z'"


def test_a_database_within_the_network_is_asked_only_if_the_operator_says_so(lookup, world, monkeypatch):
    """As endpoints are."""
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", ("10.0.0.1", 5432))])
    world.secrets["env:POLICIES"] = "postgresql://reader@policies.example/policies"
    assert lookup(sql("env:POLICIES")).failure() is Failure.PROVIDER_REFUSED
