"""What a prediction to Zarr was begun with, kept beside its chunks for those who go on."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from training import __version__
from training.console import list_names
from training.errors import UserError
from training.formats.file_times import file_times
from training.formats.stack import Stack
from training.masks.stack_writer import begun_otherwise
from training.model.model_card import ModelCard
from training.stacks.even_slices import pick_evenly
from training.stacks.fingerprint import fingerprint
from training.stacks.scaling import Scaling

if TYPE_CHECKING:
    from training.masks.zarr_chunks import ZarrChunks

_DIGITS = 16  # of a digest
_KNOWN_BY = 3  # slices that a stack is known again by
_TOLD = {
    "version": "by another version",
    "model": "with another model",
    "kind": "as another kind of result",
}


def describe(stack: Stack) -> dict[str, Any]:
    """Say by what a stack is known again: its shape, and the pixels of a few slices."""
    hashes: dict[str, str | None] = {}
    for index in pick_evenly(range(len(stack)), _KNOWN_BY):
        try:
            hashes[str(index)] = fingerprint([stack[index]])
        except (UserError, OSError):  # it may be mended before the next run
            hashes[str(index)] = None
    return {"shape": [*stack.shape], "dtype": stack.dtype.name, "slices": hashes}


def describe_job(model: str, stack: Stack, options: dict[str, Any]) -> dict[str, Any]:
    """Say what all results of a prediction depend on, but their kinds.

    Parameters
    ----------
    model : str
        Its digest.
    stack : Stack
    options : dict
        As a person gave them.
    """
    return {"version": __version__, "model": model, "stack": describe(stack), "options": options}


def write_how(card: ModelCard) -> dict[str, Any]:
    """Write down what a prediction takes from a card: a stack that is mended may give another."""
    scaling = asdict(card.scaling)
    return {"scaling": scaling, "zoom": card.zoom, "displacement": card.displacement}


def read_how(how: dict[str, Any], card: ModelCard) -> ModelCard:
    """Give a model's card what was written down."""
    zoom, displacement = how["zoom"], how["displacement"]
    return replace(
        card,
        scaling=Scaling.from_fields(how["scaling"]),
        zoom=None if zoom is None else (zoom[0], zoom[1]),
        displacement=(displacement[0], displacement[1]),
    )


def check_same(chunks: ZarrChunks, former: dict[str, Any], record: dict[str, Any]) -> None:
    """Refuse to go on with what depends on anything else.

    Raises
    ------
    UserError
    """
    different = find_differences(former, record)
    if different:
        raise begun_otherwise(chunks.folder, list_names(different))


def find_differences(former: dict[str, Any], record: dict[str, Any]) -> list[str]:
    """Say how a result was begun where that is not as a record says; empty: just so."""
    if former.get("version") != record["version"]:  # which may write down other things
        return [_TOLD["version"]]
    try:
        different = [told for key, told in _TOLD.items() if former[key] != record[key]]
        if not _is_same_stack(former["stack"], record["stack"]):
            different.append("of another stack")
        before, now = former["options"], record["options"]
        names = sorted(before.keys() | now.keys())
        others = [name for name in names if before.get(name) != now.get(name)]
    except (KeyError, TypeError, AttributeError, ValueError):
        return [_TOLD["version"]]
    if "--precision" in others:  # which may be the processor's choice
        begun, here = before.get("--precision"), now["--precision"]
        different.append(f"with --precision {begun} in place of {here}")
        others.remove("--precision")
    return different + ([f"with another {list_names(others)}"] if others else [])


def digest(record: dict[str, Any]) -> str:
    """Give a short name of what was written down: any other has another one."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:_DIGITS]


def edit_warning(stack: Stack, begun: Mapping[ZarrChunks, dict[str, Any]]) -> str:
    """Warn of a stack that may have been edited since predictions of it began; else empty.

    Their records have its ``files``, by which the slices count that it is not known by: see
    :func:`file_times`.
    """
    now = file_times(stack.path)
    changed = (
        chunks.folder
        for chunks, former in begun.items()
        if None not in (former.get("files"), now) and former["files"] != now
    )
    folder = next(changed, None)
    if folder is None:
        return ""
    return (
        f"The files of {stack.path} have changed since {folder} was begun: unless they were only "
        "copied, parts that are done are of the image before. Delete that folder to begin again."
    )


def _is_same_stack(one: dict[str, Any], other: dict[str, Any]) -> bool:
    both = (one["slices"][index] for index in one["slices"]), other["slices"].values()
    return (one["shape"], one["dtype"]) == (other["shape"], other["dtype"]) and all(
        first == second or None in (first, second) for first, second in zip(*both, strict=True)
    )
