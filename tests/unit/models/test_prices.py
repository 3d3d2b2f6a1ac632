"""What a model costs at a time: own sheets by their days, list prices of the installed package, or nobody knows."""

from decimal import Decimal
from typing import Any

import pytest

from aie.config import ModelsSpec, day_start
from aie.models import Price, live_facts, price_at


def entry(price: Any, **changes: Any) -> Any:
    """Return a chat model with a price."""
    given = {
        "kind": "chat",
        "provider": "openai_compatible",
        "endpoint": "https://api.openai.com/v1",
        "model": "gpt-5.5",
        "context_window": 8000,
        "price": price,
        **changes,
    }
    return ModelsSpec.model_validate({"models": {"m": given}}).models["m"]


def sheet(dollars: str, **days: str) -> dict[str, str]:
    """Return a price sheet."""
    return {"input_per_million": f"{dollars} USD", "output_per_million": "1.00 USD", **days}


def input_rate(made: Any, day: str) -> int | None:
    """Return the input rate on a day."""
    price = price_at(made, day_start(day))
    return None if price is None else price.input_per_million


def test_a_price_that_changes_in_mid_month_is_that_of_its_own_time() -> None:
    """To the microsecond."""
    made = entry([sheet("1.00", **{"from": "2026-01-01"}), sheet("2.00", **{"from": "2026-11-15"})])
    assert input_rate(made, "2026-11-14") == 1_000_000
    assert input_rate(made, "2026-11-15") == 2_000_000
    before = price_at(made, day_start("2026-11-15") - 1)
    assert before is not None
    assert before.input_per_million == 1_000_000


def test_a_sheet_for_a_while_gives_way_to_the_one_that_still_holds() -> None:
    """One without an end is over when another begins: nobody said that it comes back."""
    meanwhile = sheet("0.50", **{"from": "2026-11-01", "until": "2026-11-15"})
    made = entry([sheet("1.00", until="2027-01-01"), meanwhile])
    assert [input_rate(made, day) for day in ("2026-10-31", "2026-11-01")] == [1_000_000, 500_000]
    assert [input_rate(made, day) for day in ("2026-11-15", "2027-01-01")] == [1_000_000, None]
    assert input_rate(entry([sheet("1.00"), meanwhile]), "2026-11-15") is None


def test_before_the_first_sheet_and_after_the_last_nobody_knows() -> None:
    """And what nobody knows is not called."""
    made = entry(sheet("1.00", **{"from": "2026-01-01", "until": "2026-12-01"}))
    assert input_rate(made, "2025-12-31") is None
    assert input_rate(made, "2026-11-30") == 1_000_000
    assert input_rate(made, "2026-12-01") is None
    free = made.model_copy(update={"price": None, "local": True})
    models = ModelsSpec(models={"m": free})
    assert live_facts(models, "model:m", 0)["price"] == Price(input_per_million=0, output_per_million=0).to_json()
    assert live_facts(models, "model:other", 0) == {}


def test_list_prices_come_from_the_installed_package_without_a_network() -> None:
    """The same figures as its own calculation gives."""
    prices = pytest.importorskip("genai_prices")
    price = price_at(entry("genai-prices"), day_start("2026-11-22"))
    assert price is not None
    for tokens_in, tokens_out in ((1000, 100), (300_000, 1000)):
        usage = prices.Usage(input_tokens=tokens_in, output_tokens=tokens_out)
        theirs = prices.calc_price(usage, "gpt-5.5", provider_id="openai").total_price
        assert price.of(tokens_in, tokens_out) == (theirs * 1_000_000).to_integral_value(rounding="ROUND_CEILING")
        assert Decimal(price.worst(tokens_in, tokens_out)) >= theirs * 1_000_000


def test_a_model_that_the_package_does_not_know_has_no_price() -> None:
    """Nor one behind an endpoint that tells no provider; naming the provider mends it."""
    assert price_at(entry("genai-prices", model="no-such-model-1"), 0) is None
    assert price_at(entry("genai-prices", endpoint="env:URL"), 0) is None
    assert price_at(entry("genai-prices:openai", endpoint="env:URL"), day_start("2026-11-22")) is not None


def test_a_price_is_recorded_and_read_back() -> None:
    """As plain JSON."""
    price = price_at(entry("genai-prices"), day_start("2026-11-22"))
    assert price is not None
    assert Price.from_json(price.to_json()) == price
    assert price.tiers


@pytest.mark.parametrize(
    ("provider", "endpoint", "model"),
    [
        ("google", "https://generativelanguage.googleapis.com", "gemini-2.5-flash"),
        (
            "bedrock",
            "https://bedrock-runtime.eu-central-1.amazonaws.com",
            "eu.anthropic.claude-haiku-4-5-20251001-v1:0",
        ),
        ("mistral", "https://api.mistral.ai", "mistral-small-latest"),
    ],
)
def test_the_endpoint_of_each_provider_tells_whose_list_prices_hold(provider: str, endpoint: str, model: str) -> None:
    """Under the name that the package has for it."""
    ours = price_at(entry("genai-prices", provider=provider, endpoint=endpoint, model=model), day_start("2026-11-22"))
    assert ours is not None
    assert ours.output_per_million > ours.input_per_million > 0
