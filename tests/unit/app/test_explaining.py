"""What the fold over a run's events says of it."""

from dataclasses import replace
from types import ModuleType

import pytest

from aie.app import explain_html, explain_text
from aie.app.wording import step_line
from aie.core import Spend
from aie.records.events import (
    AttemptIntended,
    AttemptSettled,
    EffectFailed,
    RunFinished,
    RunMigrated,
    RunNeedsRuntime,
    SegmentQueued,
    StepFailed,
    StepSkipped,
)
from aie.runs import AskedModel, Explanation, RefusedModel, explain


def test_the_outcome_the_case_and_the_release_are_those_of_the_events(decided: Explanation):
    """Nothing of the headline is invented."""
    assert (decided.state, decided.case, decided.environment) == ("completed", "C-029", "production")
    assert decided.output == {"desk": "liability", "amount": "485.00 USD"}
    assert decided.finished_at is not None


def test_each_step_names_the_versions_that_spoke(decided: Explanation):
    """The layer's version comes from the segment that ran it, the component's digest from the lock."""
    steps = {step.path: step for step in decided.steps}
    assert [step.path for step in decided.steps] == ["document", "passages", "desk", "agrees", "decision", "pay"]
    assert steps["desk"].version == 2
    [classifier] = steps["desk"].components
    assert (classifier.kind, classifier.name, classifier.digest[:7]) == ("classifier", "desk", "sha256:")


def test_evidence_is_quoted_with_the_name_of_the_document(decided: Explanation):
    """A cite's source is the value read; people know it by the document's name."""
    [evidence] = decided.evidence
    assert (evidence.document, evidence.quote[:11]) == ("claim-029.txt", "The visitor")


def test_what_was_dropped_is_told_with_its_words(decided: Explanation):
    """The report names a place; the words come from the text that was read."""
    [dropped] = decided.dropped
    assert (dropped.step, dropped.quote) == ("passages", "Kind regards, I. Mercer")


def test_a_correction_is_told_with_before_and_after(decided: Explanation):
    """Only fields that differ are changes."""
    [review] = decided.reviews
    assert review.changed == {"label": ("home", "liability")}
    assert (review.actor, review.decision) == ("dana", "correct")


def test_an_epoch_that_never_closed_is_a_process_that_died(decided: Explanation):
    """And the timeline says so in words."""
    assert [segment.executing_ms for segment in decided.segments] == [None, 41, 6]
    assert any("the process that ran it died" in moment.text for moment in decided.timeline)


def test_before_the_decision_the_run_waits_and_nothing_behind_it_was_reached(waiting: Explanation):
    """A step that waits for a person is neither running nor finished."""
    states = {step.path: step.status for step in waiting.steps}
    assert (waiting.state, states["decision"], states["pay"]) == ("waiting", "review", "not reached")
    assert waiting.output is None


def test_a_handled_failure_stays_visible(decided: Explanation):
    """A default that a handler gave is not the step's own word."""
    agrees = next(step for step in decided.steps if step.path == "agrees")
    assert [trouble.failure for trouble in agrees.troubles] == ["check_failed"]


def test_a_call_without_settlement_counts_at_its_reservation(lives: ModuleType):
    """It may have been billed; limits and cost say so."""
    release = lives.claims_release()
    worst = Spend(cost=300, tokens=50, calls=1).to_json()
    actual = Spend(cost=120, tokens=20, calls=1).to_json()
    events = lives.doubtful(release, decided=False)[:3]
    for attempt in ("desk#1", "desk#2"):
        events.append(AttemptIntended(attempt=attempt, path="desk", epoch=1, model="m", request="r", worst=worst))
    events.append(AttemptSettled(attempt="desk#1", path="desk", outcome="settled", spend=actual, resolved="m-1"))
    told = explain("run_1", lives.record(events), release)
    assert [(call.outcome, call.spend.cost) for call in told.calls] == [("settled", 120), ("open", 300)]
    assert {limit.name: limit.used for limit in told.limits}["cost"] == 420


def test_once_a_run_is_over_no_step_of_it_runs(lives: ModuleType):
    """One that failed beside the step that ended the run failed all the same."""
    release = lives.claims_release()
    events = [
        *lives.doubtful(release, decided=False)[:3],
        StepFailed(path="desk", failure="not_permitted", ms=4, message="no model may be asked"),
        StepFailed(path="document", failure="truncated", ms=4, message="the file is cut off"),
    ]
    going = {step.path: step.status for step in explain("run_1", lives.record(events), release).steps}
    assert (going["desk"], going["document"], going["pay"]) == ("running", "running", "not reached")
    ended = RunFinished(state="dead", epoch=1, failure="truncated", path="document", spend=Spend().to_json())
    told = explain("run_1", lives.record([*events, ended]), release)
    lines = {step.path: step_line(step) for step in told.steps}
    assert (lines["desk"], lines["document"]) == ("failed: not_permitted", "failed: truncated")
    assert lines["pay"] == "not reached"
    assert "running" not in explain_html(told)


def test_the_page_has_every_heading_of_the_text(decided: Explanation):
    """What the text tells of tools, policy and models stands in the page as well."""
    turn = {
        "call": {"tool": "balance", "arguments": [{"name": "id", "value": "A-1"}]},
        "outcome": "refused",
        "why": "x",
    }
    desk = next(step for step in decided.steps if step.path == "desk")
    agent = replace(desk, layer="agent", report={"turns": [{**turn, "gave": None}]})
    asked = AskedModel(
        step="desk", route="", model="dublin", outcome="open", failure="", why="", confidence="", calls=1, failed=0,
        snapshot="", resolved="", regions=(), repairs=0, spend=Spend(), forfeited=Spend(),
    )  # fmt: skip
    refused = RefusedModel(step="desk", route="", model="virginia", reason="regions", why="it processes in us")
    policy = ("input.age: proven unused in result.label",)
    told = replace(decided, steps=(agent,), asked_models=(asked,), refused_models=(refused,), policy=policy)
    headings = {line for line in explain_text(told) if line and not line.startswith(" ")}
    page = explain_html(told)
    for heading in headings & {"Models asked", "Models refused", "Tools", "Policy", "People", "Done outside"}:
        assert f"<h2>{heading}</h2>" in page
    assert {"Models asked", "Tools", "Policy"} <= headings
    assert "balance(id: A-1): refused (x)" in page
    assert "<p>input.age: proven unused in result.label</p>" in page


def test_a_failed_run_names_its_step_and_class(lives: ModuleType):
    """Also when nothing was decided."""
    release = lives.claims_release()
    events = [
        *lives.doubtful(release, decided=False)[:3],
        StepFailed(path="document", failure="truncated", ms=4, message="the file is cut off"),
        RunFinished(
            state="dead",
            epoch=1,
            failure="truncated",
            path="document",
            spend=Spend().to_json(),
            message="the file is cut off",
        ),
    ]
    told = explain("run_1", lives.record(events), release)
    assert (told.state, told.failure, told.failed_at) == ("dead", "truncated", "document")
    assert next(step.status for step in told.steps if step.path == "document") == "failed"


def test_a_skipped_step_says_why_and_a_refused_effect_its_class(lives: ModuleType):
    """Neither is silent."""
    release = lives.claims_release()
    events = [
        each
        for each in lives.doubtful(release)
        if each.type not in ("effect.delivered", "run.finished", "segment.closed")
        and getattr(each, "path", "") != "agrees"
    ]
    events.insert(4, StepSkipped(path="agrees", why="its condition is false"))
    refused = EffectFailed(key="key-1", path="pay", attempt=1, failure="receiver_refused", final=True, message="no")
    events[-1] = refused
    told = explain("run_1", lives.record(events), release)
    assert next(step.why for step in told.steps if step.path == "agrees") == "its condition is false"
    assert [(effect.state, effect.failure) for effect in told.effects] == [("failed", "receiver_refused")]


@pytest.mark.parametrize(
    ("failure", "told"),
    [
        ("not_permitted", "pay: kept from payments (not_permitted: `payments` is in us)"),
        ("receiver_refused", "pay: refused by payments (receiver_refused: `payments` is in us)"),
    ],
)
def test_an_effect_that_may_not_leave_is_told_from_one_that_was_refused(
    lives: ModuleType, failure: str, told: str
) -> None:
    """With the reason, as text and as a page."""
    release = lives.claims_release()
    events = [
        each
        for each in lives.doubtful(release)
        if each.type not in ("effect.delivered", "run.finished", "segment.closed")
    ]
    why = "`payments` is in us"
    events[-1] = EffectFailed(key="key-1", path="pay", attempt=1, failure=failure, final=True, message=why)
    explanation = explain("run_29", lives.record(events), release)
    assert told in " ".join(" ".join(explain_text(explanation, width=200)).split())
    assert told.removeprefix("pay: ") in explain_html(explanation)


def test_an_erased_run_is_explained_without_its_words(lives: ModuleType):
    """Facts of operation stay, what people wrote is gone."""
    release = lives.claims_release()
    records = lives.record(lives.doubtful(release))
    bare = []
    for record in records:
        private = [
            name for name, kept in type(record.event).__dataclass_fields__.items() if kept.metadata.get("private")
        ]
        event = record.event
        for name in private:
            object.__setattr__(event, name, None)
        bare.append(replace(record, event=event, erased=True))
    told = explain("run_29", bare, release)
    assert told.erased
    assert (told.case, told.input, told.output, told.evidence) == ("", None, None, ())
    assert told.reviews[0].actor == "dana"
    assert "liability" not in str(told.to_json())


def test_a_run_that_no_worker_can_serve_says_what_it_waits_for(lives: ModuleType):
    """It never runs under newer behaviour on the quiet."""
    release = lives.claims_release()
    events = [*lives.doubtful(release, decided=False)[:2], RunNeedsRuntime(needs={"model": 2}, provided={"model": 3})]
    told = explain("run_1", lives.record(events), release)
    assert (told.state, told.needs_runtime) == ("needs_runtime", {"model": 2})
    assert explain_text(told)[0] == "claims C-029: needs runtime: a worker that provides model 2"


def test_a_run_without_its_runtime_says_what_is_here_and_both_ways_on(lives: ModuleType):
    """An older worker, or a migration; where the versions are installed, a worker alone."""
    release = lives.claims_release()
    events = [*lives.doubtful(release, decided=False)[:2], RunNeedsRuntime(needs={"model": 2}, provided={"model": 3})]
    newer = "\n".join(explain_text(explain("run_1", lives.record(events), release, installed={"model": 3}), width=200))
    assert "a worker that provides model 2; this installation has model 3" in newer
    assert "aie worker, of an installation that has model 2" in newer
    assert "aie migrate run_1 --reason TEXT: it goes on with model 3" in newer
    older = "\n".join(explain_text(explain("run_1", lives.record(events), release, installed={"model": 2}), width=200))
    assert "aie worker: this installation has model 2" in older
    assert "aie migrate" not in older


def test_a_migration_stays_visible(lives: ModuleType):
    """Who moved the run, why, and from which versions to which; layers that the run does not use are not told."""
    release = lives.claims_release()
    runtime = release.runtime | {"model": 3, "lookup": 9}
    moved = RunMigrated(actor="mia", runtime=runtime, reason="checked side by side")
    events = [*lives.doubtful(release, decided=False)[:2], moved, SegmentQueued(segment=1, why="migrated")]
    told = explain("run_1", lives.record(events), release)
    [migration] = told.migrations
    assert (migration.actor, dict(migration.layers)) == ("mia", {"model": (2, 3)})
    assert "mia" in explain_text(told, width=200)[3]
    assert "model 2 → 3: checked side by side" in explain_text(told, width=200)[3]
    assert "model 2 → 3: checked side by side" in explain_html(told)
