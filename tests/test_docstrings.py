"""Docstrings, without which nobody knows how an array lies."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHAPE = re.compile(r"\(\w+, [^)]+\)|\(\w+,\)|\bshape\b")  # such as (Z, Y, X)


def public_functions(body: list[ast.stmt]) -> Iterator[ast.FunctionDef]:
    """Yield the functions of a module, and the methods of its classes, that others call."""
    for node in body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield from public_functions(node.body)
        elif isinstance(node, ast.FunctionDef) and not node.name.startswith("_"):
            yield node


def has_arrays(function: ast.FunctionDef) -> bool:
    returned = ast.unparse(function.returns) if function.returns else ""
    return "NDArray" in ast.unparse(function.args) + returned


def test_a_function_of_arrays_says_their_shapes() -> None:
    silent = [
        f"{path.relative_to(ROOT)}:{function.lineno} {function.name}"
        for package in ("training", "napari_unet")
        for path in sorted(ROOT.glob(f"{package}/**/*.py"))
        for function in public_functions(ast.parse(path.read_text(encoding="utf-8")).body)
        if has_arrays(function) and not SHAPE.search(ast.get_docstring(function) or "")
    ]
    assert not silent
