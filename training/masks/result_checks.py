"""Refuses results that would take the place of each other, or of what they are made of."""

from __future__ import annotations

import os
from collections.abc import Iterable
from itertools import product
from pathlib import Path

from training.errors import UserError
from training.formats.location import FILE_ENDINGS, is_slice_folder, locate
from training.masks.tif_writer import check_output

_SHEETS = (".xlsx", ".xls", ".ods")  # which can't be read if they hold CSV
_NO_TABLES = (*FILE_ENDINGS, *_SHEETS, ".onnx", ".safetensors", ".ckpt", ".mindir", ".zip")


def check_kept(
    results: Iterable[Path],
    inputs: Iterable[Path],
    kind: str = "the stack itself",
    what: str = "images",
) -> None:
    """Refuse results that would replace a stack, or a part of it; call before any long work.

    Parameters
    ----------
    results : iterable of Path
        Files, Zarr folders or datasets, whether they are there or not.
    inputs : iterable of Path
        Stacks, as :func:`training.opening.open_stack` takes them.
    kind : str
        What messages say that these are.
    what : str
        What they hold, "images" or "labels", to choose among several in a file.

    Raises
    ------
    UserError
    """
    named = [*results]
    for source, result in product(inputs, named):
        told = _tell_replaced(result, source, kind, what)
        if told:
            raise UserError(told, "Choose another name for the result.")


def check_tables(paths: Iterable[Path], overwrite: bool) -> None:
    """Refuse tables that can't be written, have one name, or are named as stacks or models are.

    Raises
    ------
    UserError
        That too as :func:`check_output`.
    """
    seen = set()
    for path in paths:
        file = os.path.realpath(path)
        if file in seen:
            raise UserError(f"{path} is named twice.", "Give each file a name of its own.")
        seen.add(file)
        if path.suffix.lower() in _NO_TABLES:
            raise UserError(f"{path} is not named as a table is.", "End its name in .csv or .json.")
        check_output(path, overwrite)


def _tell_replaced(result: Path, source: Path, kind: str, what: str) -> str:
    """Say what of a stack a result would replace; empty where that is nothing."""
    file = Path(os.path.realpath(result))  # Path.resolve fails for a ring of links
    if Path(os.path.realpath(source)).is_relative_to(file):
        return f"{source} is {kind}."
    if is_slice_folder(source):
        if file.exists() and any(os.path.realpath(page) == str(file) for page in source.iterdir()):
            return f"{result} is a slice of {source}."
        return ""
    container = Path(os.path.realpath(source))
    if locate(source).inner or not (container.is_file() and file.is_relative_to(container)):
        return ""
    from training.formats.hdf5_stack import find_dataset  # not needed for other formats

    dataset = find_dataset(source, what)
    return f"{source / dataset} is {kind}." if container / dataset == file else ""
