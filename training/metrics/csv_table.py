"""Tables as CSV, for spreadsheets and scripts."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from training.console import printable

FORMULA_STARTS = tuple("=+-@\t\n")


def csv_table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], delimiter: str = ","
) -> str:
    """Write a table as CSV; no cell of it is a formula to a spreadsheet.

    Parameters
    ----------
    columns : sequence of str
        Their names, in the first line.
    rows : iterable of sequence
        Numbers and texts, as many as columns. A text that a spreadsheet would take for a formula
        gets an apostrophe in front, and controls are shown as codes; numbers stay as they are.
    delimiter : str
        Between cells.
    """
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator="\n")
    writer.writerows([_plain(cell) for cell in row] for row in (columns, *rows))
    return text.getvalue()


def _plain(cell: object) -> object:
    if not isinstance(cell, str):
        return cell
    text = printable(cell)
    return f"'{text}" if text.startswith(FORMULA_STARTS) and not _is_number(text) else text


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
