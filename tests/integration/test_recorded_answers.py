"""What a system of record said to a run is what the run keeps, and its key stays outside the records. Invented rows."""

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from aie.app import Given, decide, explain_run, lock_release, open_app, runner

KEY = "canary-7f3e9b"
WORKFLOW = """\
workflow: claims
owner: claims@example.com
case: input.id
input: schemas/in.json
output: schemas/out.json
limits: {time: 60 s, steps: 100}
steps:
  policy: {lookup: policies, by: {number: input.number}}
  decision: {review: desk, of: [input.amount], show: [policy.row]}
  covered:
    check: rules
    rules: {most: policy.row != null && decision.amount <= policy.row.most}
    then: tell
result: {passed: covered.passed, as_of: policy.as_of}
on: {"*": fail}
"""
ROW = {
    "type": "object",
    "required": ["most"],
    "properties": {"most": {"type": "string", "format": "money"}},
}
IN = {
    "type": "object",
    "required": ["id", "number", "amount"],
    "properties": {
        "id": {"type": "string"},
        "number": {"type": "string"},
        "amount": {"type": "string", "format": "money"},
    },
}
OUT = {"type": "object", "properties": {"passed": {"type": "boolean"}, "as_of": {"type": ["string", "null"]}}}


@pytest.fixture
def endpoint() -> Iterator[tuple[http.server.HTTPServer, list[str]]]:
    """A system of record on this machine, and the keys it was shown."""
    shown: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers["Authorization"])
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b'{"most": "500.00 USD", "holder": "Ann Oak"}')

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server, shown
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def root(tmp_path: Path, endpoint, monkeypatch) -> Path:
    """The workspace's files."""
    monkeypatch.setenv("POLICIES_KEY", KEY)
    flow = tmp_path / "workflows" / "claims"
    (flow / "schemas").mkdir(parents=True)
    lookup = {
        "kind": "http",
        "url": f"http://127.0.0.1:{endpoint[0].server_port}",
        "path": "/policies/{number}",
        "by": ["number"],
        "row": "row.json",
        "headers": {"Authorization": "Bearer env:POLICIES_KEY"},
    }
    settings = {"environments": ["production"], "desks": {"desk": {}}, "lookups": {"policies": lookup}}
    (tmp_path / "aie.yaml").write_text(json.dumps(settings))
    (tmp_path / "row.json").write_text(json.dumps(ROW))
    (flow / "workflow.yaml").write_text(WORKFLOW)
    (flow / "schemas" / "in.json").write_text(json.dumps(IN))
    (flow / "schemas" / "out.json").write_text(json.dumps(OUT))
    return tmp_path


def test_a_run_keeps_what_it_was_told(root, endpoint):
    """While it waited for a person the address moved to where nobody answers; the answer is the recorded one."""
    given = Given(data={"id": "1", "number": "P-1", "amount": "400.00 USD"}, name="a test", folder=root)
    with open_app(root, actor="tester") as app:
        release = lock_release(app, "claims").release.id
        with runner(app) as running:
            run = running.submit(given, release).run
            assert running.wait(run, 20).state == "waiting"
    settings = root / "aie.yaml"
    settings.write_text(settings.read_text().replace(f":{endpoint[0].server_port}", ":1"))
    with open_app(root, actor="tester") as app, runner(app) as running:
        told = explain_run(app, run)
        decide(running, run, "approve")
        assert running.wait(run, 20).state == "completed"
        policy = next(step.output for step in told.steps if step.path == "policy")
        assert policy["row"] == {"most": "500.00 USD"}, "what the schema does not name was not taken"
        assert explain_run(app, run).output == {"passed": True, "as_of": policy["as_of"]}
        other = running.submit(Given(data={**given.data, "id": "2"}, name="a test", folder=root), release).run
        ended = running.wait(other, 20)
        assert (ended.state, ended.failure) == ("failed", "provider_down"), "the address is live, a new run feels it"
    assert endpoint[1] == [f"Bearer {KEY}"]


def test_the_key_of_a_system_is_nowhere_in_the_records(root, endpoint):
    """Neither in the store nor in the release; what the system said of a person is sealed."""
    given = Given(data={"id": "1", "number": "P-1", "amount": "400.00 USD"}, name="a test", folder=root)
    with open_app(root, actor="tester") as app:
        release = lock_release(app, "claims").release
        with runner(app) as running:
            running.wait(running.submit(given, release.id).run, 20)
    assert KEY not in str(release)
    stored = b"".join(path.read_bytes() for path in (root / ".aie").rglob("*") if path.is_file())
    assert KEY.encode() not in stored
    assert b"500.00 USD" not in stored
    assert endpoint[1] == [f"Bearer {KEY}"], "it was used"
