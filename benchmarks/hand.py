"""What clicks, presses keys and waits in a window."""

from __future__ import annotations

from typing import Any


def hand() -> Any:
    """Give Qt's QTest, as what it is: a class of functions that need no object."""
    from qtpy.QtTest import QTest

    functions: Any = QTest  # PyQt5's types say that an object comes first
    return functions
