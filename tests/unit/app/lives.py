"""The lives of two claims, told as their events: one corrected by a person after a crash, one without anybody."""

from dataclasses import replace
from typing import Any

from aie.core import Labels, Limits
from aie.errors import Failure
from aie.records import Recorded
from aie.records.events import (
    EffectAttempted,
    EffectDelivered,
    EffectQueued,
    Event,
    ReviewDecided,
    ReviewOpened,
    RunFinished,
    RunSubmitted,
    RunWaiting,
    SegmentClosed,
    SegmentQueued,
    SegmentStarted,
    StepFailed,
    StepFinished,
)
from aie.releases import Handler, Node, Plan, Release, seal

LETTER = (
    "Dear claims team,\n\nOn 7 October a branch <broke> off & fell on a visitor's car.\n\n"
    "The visitor wants 485.00 USD. NG-322419 is my policy.\n\nKind regards, I. Mercer"
)
BEGIN = 1_760_000_000_000_000
TRUSTED, UNTRUSTED = Labels().to_json(), Labels(integrity="untrusted").to_json()
RUNTIME = {"extract": 1, "context": 1, "model": 2, "check": 1, "review": 1, "act": 1}
FILE = {"ref": "doc:1", "name": "claim-029.txt", "media_type": "text/plain", "size": len(LETTER)}
GIVEN = {"claim_id": "C-029", "amount": "485.00 USD", "file": FILE}


def node(name: str, layer: str, conduct: Any, **fields: Any) -> Node:
    """Return a step of the plan."""
    return Node(name=name, layer=layer, conduct=conduct, **fields)


def claims_release() -> Release:
    """Return a release like that of the claims template."""
    default = Handler(kind="default", value={"passed": False, "failed": []})
    plan = Plan(
        workflow="claims",
        case="input.claim_id",
        subject=None,
        search={},
        risk="high",
        limits=Limits(cost=0, time=60_000, steps=20),
        result={"desk": "decision.label", "amount": "decision.amount"},
        input_schema="schema:in",
        output_schema="schema:out",
        nodes=(
            node("document", "extract", "slow", inputs={"from": "input.file"}),
            node("passages", "context", "pure", needs=("document",), inputs={"from": "document"}),
            node("desk", "model", "pure", needs=("document",), config={"artefact": "classifier:desk"}),
            node("agrees", "check", "pure", needs=("document",), handlers={Failure.CHECK_FAILED: default}),
            node("decision", "review", "human", needs=("agrees", "desk", "passages")),
            node("pay", "act", "effect", needs=("decision",), config={"receiver": "receiver:payments"}),
        ),
    )
    parts = {"classifier:desk": b"weights", "receiver:payments": b"{}", "schema:in": b"{}", "schema:out": b"{}"}
    return seal(plan, components=parts, files={"workflows/claims/workflow.yaml": b"x"}, runtime=RUNTIME)


def finished(path: str, output: Any, **fields: Any) -> StepFinished:
    """Return the event of a step that has its value."""
    given = {"ref": f"value:{path}", "labels": UNTRUSTED, "reads": {}, "ms": 3, "cpu_us": 2_500, "cites": []}
    return StepFinished(path=path, output=output, **(given | fields))


def submitted(release: Release) -> RunSubmitted:
    """Return the event that begins a run."""
    return RunSubmitted(
        workflow="claims",
        release=release.id,
        environment="production",
        mode="live",
        actor="mailroom",
        case="hash",
        subject="hash",
        idempotency_key="k",
        body_hash="b",
        input=GIVEN,
        input_labels=UNTRUSTED,
        case_text="C-029",
    )


def _machine(confidence: str) -> list[Event]:
    start, cut = LETTER.index("The visitor"), LETTER.index("\n\nKind")
    quote = LETTER[start:cut]
    accepted = confidence > "0.5"
    prediction = {"label": "home", "confidence": confidence, "accepted": accepted, "alternatives": []}
    cite = {"path": "/passages/0", "source": "value:document", "start": start, "end": cut, "quote": quote, "page": None}
    report = {
        "budget": 30,
        "tokens": 22,
        "kept": ["p2"],
        "dropped": [{"id": "p3", "page": None, "start": cut + 2, "end": len(LETTER)}],
    }
    return [
        finished("document", {"text": LETTER, "pages": [], "kind": "text", "name": "claim-029.txt"}),
        finished(
            "passages",
            {"passages": [{"id": "p2"}], "text": quote},
            cites=[cite],
            report=report,
            reads={"from": "value:document"},
        ),
        finished("desk", prediction, reads={"text": "value:document"}),
    ]


def doubtful(release: Release, *, decided: bool = True) -> list[Event]:
    """Return the events of a claim whose process dies once and which a person corrects."""
    started = SegmentStarted(segment=1, epoch=1, executor="exec-a", runtime=RUNTIME, engine="local")
    opened = ReviewOpened(
        review="rev_1",
        path="decision",
        desk="claims-desk",
        shown_hash="sha256:" + "ab" * 32,
        why="uncertain",
        due=BEGIN + 172_800_000_000,
        shown={"fields": {"label": {"value": "home"}, "amount": {"value": "485.00 USD"}}, "answer": {}},
    )
    events: list[Event] = [
        submitted(release),
        SegmentQueued(segment=1, why="submitted"),
        started,
        *_machine("0.3801"),
        SegmentQueued(segment=1, why="recovered"),
        replace(started, epoch=2, executor="exec-b"),
        StepFailed(path="agrees", failure="check_failed", ms=1, message="not as it must be: amount"),
        finished("agrees", {"passed": False, "failed": []}),
        opened,
        RunWaiting(reviews=["decision"], effects=[]),
        SegmentClosed(segment=1, epoch=2, executing_ms=41),
    ]
    if not decided:
        return events
    values = {"label": "liability", "amount": "485.00 USD"}
    return [
        *events,
        ReviewDecided(
            review="rev_1",
            path="decision",
            actor="dana",
            decision="correct",
            shown_hash=opened.shown_hash,
            values=values,
            reason="the visitor's car is a third party's",
        ),
        SegmentQueued(segment=2, why="decided"),
        replace(started, segment=2, epoch=3, executor="exec-b"),
        finished("decision", values, labels=TRUSTED, ms=0, cpu_us=0),
        *_paid(),
        SegmentClosed(segment=2, epoch=3, executing_ms=6),
    ]


def _paid() -> list[Event]:
    body = {"claim_id": "C-029", "amount": "485.00 USD"}
    return [
        EffectQueued(
            key="key-1", path="pay", receiver="receiver:payments", semantics="idempotent", body_hash="h", request=body
        ),
        EffectAttempted(key="key-1", path="pay", attempt=1, executor="exec-b"),
        EffectDelivered(key="key-1", path="pay", attempt=1, receipt={"file": "key-1.json"}),
        finished("pay", {"file": "key-1.json"}, ms=2, cpu_us=900),
        RunFinished(
            state="completed",
            epoch=3,
            spend={"cost": 0, "tokens": 0, "calls": 0},
            output={"desk": "liability", "amount": "485.00 USD"},
        ),
    ]


def record(events: list[Event]) -> list[Recorded]:
    """Return the events with places and times of a run's stream, 20 ms apart."""
    epoch = segment = 0
    records = []
    for n, event in enumerate(events, 1):
        if isinstance(event, SegmentStarted):
            epoch, segment = event.epoch, event.segment
        inside = not isinstance(event, RunSubmitted | ReviewDecided)
        records.append(
            Recorded(
                tenant="default",
                stream="run_29",
                n=n,
                at=BEGIN + n * 20_000,
                segment=segment if inside else 0,
                epoch=epoch if inside else 0,
                writer="w",
                writer_seq=n,
                event=event,
            )
        )
    return records
