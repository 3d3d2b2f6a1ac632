"""Read a spreadsheet: a page a visible sheet, a line a row, cells between tabs."""

import datetime as dt
import io
import re
from decimal import Decimal
from typing import TypeAlias

import python_calamine
from lxml import etree

from .archives import Package
from .refusing import MOST_CHARACTERS, Refused
from .rows import line

MOST_CELLS = 4_000_000
"""Cells of the rectangle that a sheet's used cells span: the library holds all of it, the empty ones too."""

TABLE = "{urn:oasis:names:tc:opendocument:xmlns:table:1.0}"
_MOST_DIGITS = 10
"""Of a count that is believed; the library reads no more."""

Cell: TypeAlias = int | float | str | bool | dt.time | dt.date | dt.datetime | dt.timedelta | None

_REFERENCE = re.compile(rb'<(?:\w+:)?c [^>]*?\br="([A-Z]{1,3})([0-9]{1,7})"')


def read_xlsx(package: Package, content: bytes) -> dict[str, object]:
    """Return the sheets of an Excel workbook, with or without macros; these are never looked at."""
    for name in package.names:
        if name.startswith("xl/worksheets/") and name.endswith(".xml"):
            _bound(package.read(name))
        if name.endswith((".xml", ".rels")) and not name.startswith("xl/worksheets/"):
            package.tree(name)  # damage and entities are refused here, where both have a class
    return workbook(content, "xlsx")


def read_xlsb(package: Package, content: bytes) -> dict[str, object]:
    """Return the sheets of a binary Excel workbook."""
    return workbook(content, "xlsb")


def read_ods(package: Package, content: bytes) -> dict[str, object]:
    """Return the sheets of an OpenDocument workbook."""
    for table in package.tree("content.xml").iter(TABLE + "table"):
        _check_span(*_span(table))
    return workbook(content, "ods")


def workbook(content: bytes, kind: str) -> dict[str, object]:
    """Return the visible sheets of a workbook; hidden ones are named in the notes."""
    try:
        book = python_calamine.CalamineWorkbook.from_object(io.BytesIO(content))
        pages, hidden, total = [], [], 0
        for sheet in book.sheets_metadata:
            if sheet.typ is not python_calamine.SheetTypeEnum.WorkSheet:
                continue
            if sheet.visible is not python_calamine.SheetVisibleEnum.Visible:
                hidden.append(sheet.name)
                continue
            pages.append(_sheet(book.get_sheet_by_name(sheet.name)))
            total += len(pages[-1])
            if total > MOST_CHARACTERS:
                raise Refused("too_large", f"the workbook holds more than {MOST_CHARACTERS} characters")
    except python_calamine.PasswordError as error:
        raise Refused("encrypted", "the workbook needs a password") from error
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise Refused("invalid_input", "the workbook is damaged") from error
    return {"kind": kind, "pages": pages, "notes": {"hidden_sheets": len(hidden)}}


def _sheet(sheet: python_calamine.CalamineSheet) -> str:
    """Return a sheet under its name, without empty rows; nothing of an empty one."""
    lines = [each for row in sheet.iter_rows() if (each := line(map(shown, row)))]
    return "\n".join([sheet.name, *lines]) if lines else ""


def shown(cell: Cell) -> str:
    """Return a cell's value without the form it is shown in: numbers exact, dates as ISO 8601."""
    match cell:
        case None:
            return ""
        case bool():
            return "TRUE" if cell else "FALSE"
        case float():
            return format(Decimal(repr(cell)).normalize(), "f")
        case dt.datetime() | dt.time():
            return cell.isoformat(" ", "seconds") if isinstance(cell, dt.datetime) else cell.isoformat("seconds")
        case dt.date():
            return cell.isoformat()
        case _:
            return str(cell)


def _bound(xml: bytes) -> None:
    """Refuse a sheet whose used cells lie so far apart that the rectangle of them would fill the memory."""
    rows, columns = 0, 0
    for column, row in _REFERENCE.findall(xml):
        rows = max(rows, int(row))
        columns = max(columns, _number(column))
    _check_span(rows, columns)


def _check_span(rows: int, columns: int) -> None:
    if rows * columns > MOST_CELLS:
        raise Refused("bomb", f"a sheet spans {rows} rows and {columns} columns; {MOST_CELLS} cells are read at most")


def _span(table: etree._Element) -> tuple[int, int]:
    """Return how far the used cells of an OpenDocument sheet reach, with what its rows and cells repeat."""
    rows, used, columns = 0, 0, 0
    for row in table.iter(TABLE + "table-row"):
        rows += _repeated(row, "number-rows-repeated")
        width = 0
        for cell in row:
            width += _repeated(cell, "number-columns-repeated")
            if len(cell) or cell.text:
                used, columns = rows, max(columns, width)
    return used, columns


def _repeated(element: etree._Element, name: str) -> int:
    count = element.get(TABLE + name, "1")
    return int(count) if count.isascii() and count.isdecimal() and len(count) <= _MOST_DIGITS else 1


def _number(letters: bytes) -> int:
    number = 0
    for letter in letters:
        number = number * 26 + letter - 64
    return number
