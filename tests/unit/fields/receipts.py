"""Invented receipts of invented shops, drawn by a seed: what a trained extractor is taught in tests."""

import random

from aie.core import JSON
from aie.fields import Source
from aie.fields.trained import Example

__all__ = ["example", "examples", "lines"]

_TRADES = ("BAKERY", "HARDWARE", "BOOKS", "PHARMACY", "FLOWERS", "TOYS")
_NAMES = ("ALDER", "BIRCH", "CEDAR", "DOGWOOD", "ELM", "FIR", "HAZEL", "JUNIPER", "LARCH", "MAPLE", "OAK", "PINE")
_STREETS = ("HIGH STREET", "MILL LANE", "STATION ROAD", "CHURCH WALK", "MARKET SQUARE")
_TOWNS = ("NORTHAM", "EASTLEY", "WESTBURY", "SOUTHWICK")


def example(seed: int) -> Example:
    """Return one receipt with its known values."""
    draw = random.Random(seed)
    company = f"{draw.choice(_NAMES)} {draw.choice(_TRADES)} LTD"
    street = f"{draw.randint(1, 99)} {draw.choice(_STREETS)}"
    town = f"{draw.randint(10000, 99999)} {draw.choice(_TOWNS)}"
    day = f"{draw.randint(1, 28):02}/{draw.randint(1, 12):02}/2021"
    prices = [draw.randint(100, 2000) for _ in range(draw.randint(2, 4))]
    total = sum(prices)
    cash = (total // 1000 + 1) * 1000
    rows = [[company], [street], [town], [f"TEL {draw.randint(100000, 999999)}"], ["DATE:", f"{day} 10:{seed % 60:02}"]]
    rows += [[f"ITEM {draw.randint(100, 999)}", _amount(price)] for price in prices]
    rows += [["TOTAL", _amount(total)], ["CASH", _amount(cash)], ["CHANGE", _amount(cash - total)], ["THANK YOU"]]
    expected: dict[str, JSON] = {
        "company": company,
        "date": day,
        "address": f"{street} {town}",
        "total": f"EUR {_amount(total)}",
    }
    return Example(id=str(seed), source=_source(rows), expected=expected)


def examples(first: int, many: int) -> list[Example]:
    """Return receipts by rising seed."""
    return [example(seed) for seed in range(first, first + many)]


def lines(given: Example) -> list[JSON]:
    """Return a receipt's lines in the form of an input."""
    text = given.source.text
    return [{"text": text[line["start"] : line["end"]], "box": line["box"]} for line in given.source.lines]  # type: ignore[index]


def _source(rows: list[list[str]]) -> Source:
    text, made = "", []
    for number, row in enumerate(rows):
        for column, word in enumerate(row):
            left, top = 20 + 300 * column, 40 * number
            box: list[JSON] = [left, top, left + 10 * len(word), top + 20]
            made.append({"start": len(text), "end": len(text) + len(word), "page": 1, "box": box})
            text += word + "\n"
    return Source(text=text.rstrip("\n"), lines=tuple(made))  # type: ignore[arg-type]


def _amount(cents: int) -> str:
    return f"{cents // 100}.{cents % 100:02}"
