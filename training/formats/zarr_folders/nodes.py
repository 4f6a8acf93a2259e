"""Groups and arrays of a Zarr folder, and what their documents say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.formats.array_folders import read_object
from training.formats.chunked_stack import unreadable

DOCUMENTS = {"zarr.json", ".zarray", ".zgroup", ".zattrs", ".zmetadata"}
"""Files that are no chunks."""

_WORDS = {
    "z": ("depth", "plane", "slice"),
    "y": ("height", "row"),
    "x": ("width", "col", "column"),
    "c": ("channel",),
    "t": ("time",),
}
_LETTERS = {word: letter for letter, words in _WORDS.items() for word in words}


@dataclass(frozen=True)
class Node:
    """A group or an array of a Zarr folder.

    Parameters
    ----------
    folder : Path
        Where it is.
    document : dict
        What Zarr says of it.
    attributes : dict
        What others do.
    """

    folder: Path
    document: dict[str, Any]
    attributes: dict[str, Any]

    @classmethod
    def read(cls, folder: Path, container: Path) -> Node | None:
        """Read a folder's metadata; None where it is neither a group nor an array.

        Parameters
        ----------
        folder, container : Path
            The folder, and the outermost Zarr folder, which it must lie in.

        Raises
        ------
        UserError
            If they are damaged, or lie outside of the container.
        """
        for name in ("zarr.json", ".zarray", ".zgroup"):
            if (document := read_object(folder / name, container)) is not None:
                attributes = (
                    document.get("attributes", {})
                    if name == "zarr.json"
                    else read_object(folder / ".zattrs", container) or {}
                )
                if not isinstance(attributes, dict):
                    raise unreadable(folder / name, ValueError("its attributes are no object"))
                return cls(folder, document, attributes)
        return None

    @property
    def is_array(self) -> bool:
        return self.document.get("node_type") == "array" or "dtype" in self.document

    @property
    def version(self) -> int:
        """Zarr's: 2 or 3."""
        return 3 if "node_type" in self.document else 2


def axis_names(names: Any) -> tuple[str, ...]:
    """Read the names of axes, as letters where these are what programs call z, y, x, c and t.

    Raises
    ------
    ValueError
        If they are no texts.
    """
    if names is None or (isinstance(names, list) and all(map(_is_name, names))):
        read = ((name or "").lower().removesuffix("^") for name in names or ())  # daisy's mark
        return tuple(_LETTERS.get(name, name) for name in read)
    raise ValueError("the names of its axes are no texts")


def _is_name(name: Any) -> bool:
    return name is None or isinstance(name, str)
