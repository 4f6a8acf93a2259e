"""Docstrings, without which nobody knows how an array lies, or what may go wrong."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SHAPE = re.compile(r"\(\w+, [^)]+\)|\(\w+,\)|\bshape\b")  # such as (Z, Y, X)
DTYPE = re.compile(r"\b(u?int\d*|integers?|float\d*|bool|dtypes?)\b")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def public_functions(body: list[ast.stmt]) -> Iterator[Function]:
    """Yield the functions of a module, and the methods of its classes, that others call."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body)
        elif isinstance(node, Function) and not node.name.startswith("_"):
            yield node


def has_arrays(function: Function) -> bool:
    returned = ast.unparse(function.returns) if function.returns else ""
    return "NDArray" in ast.unparse(function.args) + returned


def raises_errors(function: Function) -> bool:
    """Whether its own body makes and raises an error."""
    raised = (node.exc for node in ast.walk(function) if isinstance(node, ast.Raise))
    calls = (error.func for error in raised if isinstance(error, ast.Call))
    return any(ast.unparse(made).endswith("Error") for made in calls)


def silent_functions(source: str) -> Iterator[str]:
    """Name the functions of a module whose docstrings leave out what a caller must know.

    Without one, a method is documented where it is declared first; a command's is its help.
    """
    for function in public_functions(ast.parse(source).body):
        text = ast.get_docstring(function)
        is_command = "click.command" in "".join(map(ast.unparse, function.decorator_list))
        if has_arrays(function) and not SHAPE.search(text or ""):
            yield f"{function.name}: no shape"
        if has_arrays(function) and not DTYPE.search(text or ""):
            yield f"{function.name}: no dtype"
        if text and not is_command and raises_errors(function) and "Raises\n---" not in text:
            yield f"{function.name}: no errors"


def test_docstrings_say_how_arrays_lie_and_what_is_raised() -> None:
    silent = [
        f"{path.relative_to(ROOT)} {function}"
        for package in ("training", "napari_unet")
        for path in sorted(ROOT.glob(f"{package}/**/*.py"))
        for function in silent_functions(path.read_text(encoding="utf-8"))
    ]
    assert not silent


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Flip an image.", ["flip: no shape", "flip: no dtype", "flip: no errors"]),
        ("Flip an image (Y, X) of float32.", ["flip: no errors"]),
        ("Flip (Y, X), bool.\n\n    Raises\n    ------\n    ValueError", []),
    ],
)
def test_what_a_docstring_leaves_out_is_found(text: str, found: list[str]) -> None:
    source = f'class Image:\n  async def flip(self, x: NDArray) -> None:\n    """{text}"""\n'
    assert [*silent_functions(source + "    raise ValueError(x)\n")] == found
