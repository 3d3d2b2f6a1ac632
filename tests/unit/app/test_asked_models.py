"""Which models a run asked, as its explanation tells it."""

from types import ModuleType

from aie.app import explain_html, explain_text
from aie.app.wording import asked_lines
from aie.core import Spend
from aie.records.events import AttemptIntended, AttemptSettled, Event, RunFinished, StepFailed
from aie.runs import explain


def tried(*came: dict[str, str], route: str = "reader", **report: object) -> dict[str, object]:
    """Return the report of a step that asked these models."""
    return {"route": {"route": route, "candidates": [], "refused": [], "tried": list(came)}, **report}


def call(number: int, model: str, outcome: str, *, failure: str = "", cost: int = 0) -> list[Event]:
    """Return the events of a call of the step `desk`, of 50 micro-USD at worst; open, where nothing came of it."""
    name, worst = f"desk#{number}", Spend(cost=50, tokens=9, calls=1).to_json()
    intent = AttemptIntended(
        attempt=name,
        path="desk",
        epoch=1,
        model=model,
        request="r",
        worst=worst,
        snapshot=f"{model}-05",
        route="reader",
    )
    spend = Spend(cost=cost, tokens=7, calls=1).to_json()
    resolved = f"{model}-05" if outcome == "settled" else ""
    settled = AttemptSettled(
        attempt=name, path="desk", outcome=outcome, spend=spend, failure=failure, ms=4, resolved=resolved
    )
    return [intent] if outcome == "open" else [intent, settled]


def test_who_failed_who_was_unsure_and_who_answered_is_told(lives: ModuleType):
    """In the order in which they were asked, the answer with what it was, where and what it cost."""
    release = lives.claims_release()
    events = lives.doubtful(release, decided=False)[:3]
    for each in (
        call(1, "frankfurt", "released", failure="provider_down"),
        call(2, "frankfurt", "forfeited", failure="timeout", cost=50),
        call(3, "dublin", "released", failure="rate_limited"),
        call(4, "dublin", "settled", cost=30),
    ):
        events += each
    came = (
        {"model": "sorter", "unsure": "0.3992"},
        {"model": "frankfurt", "failure": "provider_down"},
        {"model": "frankfurt", "failure": "timeout", "why": "no answer in time"},
        {"model": "dublin", "failure": "rate_limited"},
        {"model": "dublin"},
    )
    report = tried(*came, model="dublin", repairs=1, facts={"regions": ["eu"]})
    told = explain("run_1", lives.record([*events, lives.finished("desk", {"label": "home"}, report=report)]), release)
    line = (
        "desk: sorter was not sure (0.3992), frankfurt failed twice (timeout, 0.00005 USD may have been billed), "
        "dublin failed once, then answered (dublin-05, eu, 0.00003 USD, repaired once)"
    )
    assert [*asked_lines(told.asked_models)] == [line]
    assert line in " ".join(" ".join(explain_text(told)).split())
    assert line.removeprefix("desk: ") in explain_html(told)
    assert [each.why for each in told.asked_models] == ["", "no answer in time", ""]
    moments = [each.text for each in told.timeline if each.who == "desk"]
    assert moments[:4] == [
        "call desk#1 of frankfurt failed: provider_down, nothing billed",
        "call desk#2 of frankfurt failed: timeout, 0.00005 USD may have been billed",
        "call desk#3 of dublin failed: rate_limited, nothing billed",
        "call desk#4 of dublin answered in 4 ms, 0.00003 USD",
    ]


def test_models_are_told_before_their_step_ends_and_where_no_report_names_them(lives: ModuleType):
    """A call under way, one whose process died, and the turns of an agent of which only the last one is reported."""
    release = lives.claims_release()
    events = lives.doubtful(release, decided=False)[:3]
    events += [*call(1, "frankfurt", "forfeited", cost=50), *call(2, "dublin", "open")]
    going = explain("run_1", lives.record(events), release)
    assert [*asked_lines(going.asked_models)] == [
        "desk: frankfurt failed (its process died, 0.00005 USD may have been billed), dublin has not answered yet"
    ]
    turns = lives.doubtful(release, decided=False)[:3]
    for number in (1, 2, 3):
        turns += call(number, "dublin", "settled", cost=10)
    done = lives.finished("desk", {"label": "home"}, report=tried({"model": "dublin"}))
    told = explain("run_1", lives.record([*turns, done]), release)
    assert [*asked_lines(told.asked_models)] == ["desk: dublin answered (dublin-05, 0.00003 USD, 3 calls)"]


def test_the_causes_of_a_failed_step_stand_where_its_failure_does(lives: ModuleType):
    """A model that was not asked is no model that failed; what was said of it last is not all that is known."""
    release = lives.claims_release()
    closed = "no model may be asked: dublin: its circuit breaker is open for another 9.0 s"
    down = "the provider turned the call away with HTTP status 503"
    report = tried(
        {
            "model": "frankfurt",
            "failure": "provider_down",
            "why": "frankfurt was not asked: its circuit breaker is open",
        },
        {"model": "dublin", "failure": "provider_down", "why": down},
        {"model": "dublin", "failure": "provider_down", "why": closed},
    )
    events = [
        *lives.doubtful(release, decided=False)[:3],
        *call(1, "dublin", "released", failure="provider_down"),
        StepFailed(path="desk", failure="provider_down", ms=4, message=closed, report=report),
        RunFinished(
            state="dead", epoch=1, failure="provider_down", path="desk", spend=Spend().to_json(), message=closed
        ),
    ]
    told = explain("run_1", lives.record(events), release)
    assert [*asked_lines(told.asked_models)] == [
        "desk: frankfurt was not asked (provider_down), dublin failed (provider_down)"
    ]
    text, page = " ".join(" ".join(explain_text(told)).split()), explain_html(told)
    why = f"{closed}; frankfurt was not asked: its circuit breaker is open; dublin failed: {down}"
    assert f"desk failed, provider_down {why}" in text
    assert f"desk: provider_down: {why}" in text
    assert page.count(why) == 2


def test_a_failure_that_names_no_model_is_told_once_with_its_model(lives: ModuleType):
    """The message and the cause are the same words."""
    release = lives.claims_release()
    report = tried({"model": "dublin", "failure": "timeout", "why": "no answer in time"}, route="")
    failed = StepFailed(path="desk", failure="timeout", ms=4, message="no answer in time", report=report)
    told = explain("run_1", lives.record([*lives.doubtful(release, decided=False)[:3], failed]), release)
    assert "desk: timeout: dublin failed: no answer in time" in " ".join(" ".join(explain_text(told)).split())
