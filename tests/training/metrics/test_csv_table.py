"""CSV files that a spreadsheet opens without calculating anything."""

import csv
import io

import pytest

from training.metrics.csv_table import csv_table


@pytest.mark.parametrize("delimiter", [",", "\t"])
def test_no_text_is_a_formula(delimiter: str) -> None:
    formulas = ["=1+1", "+1+1", "-2+3", "@SUM(A1)", "\t=1", "\n=1", '=HYPERLINK("a,b")']
    table = csv_table(["=name", "runs/-a"], [[text, text[1:]] for text in formulas], delimiter)
    rows = list(csv.reader(io.StringIO(table, newline=""), delimiter=delimiter))
    assert rows[0] == ["'=name", "runs/-a"]
    assert [row[0] for row in rows[1:]] == [f"'{text}" for text in formulas]


def test_a_text_begins_no_line() -> None:
    """Python's writer leaves a carriage return unquoted, and spreadsheets begin a line there."""
    assert csv_table(["name"], [["\r=1+1"], ["a\r=1+1"]]) == "name\n\\x0d=1+1\na\\x0d=1+1\n"


def test_numbers_stay_numbers() -> None:
    cells = [-0.5, 3, "-0.500000", "-1e-5", "+2", float("-inf"), "-nan", ""]
    assert csv_table(["a"] * len(cells), [cells]).splitlines()[1] == ",".join(map(str, cells))
