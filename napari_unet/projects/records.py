"""What a project records of its stacks and layers."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from training import __version__
from training.errors import UserError
from training.files.untrusted_files import parse_json

LABELS, IMAGES, RUNS = "labels", "images", "runs"
_BLOCK = 2**22
_OWN_FILE = re.compile(rf"({LABELS}|{IMAGES})/[^/\0.][^/\0]*\.tif")


@dataclass(frozen=True)
class StackReference:
    """A stack that a project points to.

    Parameters
    ----------
    path : str
        Absolute.
    size, modified : int
        Bytes, and nanoseconds since the epoch, when it was last seen.
    sha256 : str
        Of its content.
    """

    path: str
    size: int
    modified: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> StackReference:
        """Look at a file; its hash is computed once for as long as it does not change."""
        state = path.stat()
        digest = _sha256(str(path), state.st_size, state.st_mtime_ns)
        return cls(str(path.absolute()), state.st_size, state.st_mtime_ns, digest)

    def problem(self) -> UserError | None:
        """What is wrong with the file now: it is gone, or has another content."""
        path = Path(self.path)
        if not path.is_file():
            return UserError(
                f"The stack {path} is missing.",
                "Put it back, or open it from where it is now; its labels are kept.",
            )
        state = path.stat()
        is_seen = (state.st_size, state.st_mtime_ns) == (self.size, self.modified)
        if is_seen or StackReference.of(path).sha256 == self.sha256:
            return None
        return UserError(
            f"The stack {path} has changed since the project was saved.",
            "Check that the labels still lie over it.",
        )


@dataclass(frozen=True)
class LayerRecord:
    """A layer as it was left.

    Parameters
    ----------
    kind : str
        ``image`` or ``labels``.
    file : str
        Within the project; empty for a stack by reference.
    stack : StackReference or None
        What it shows, where that isn't a file of the project.
    attributes : dict
        napari's: name, visible, contrast_limits...
    metadata : dict
        This plugin's: convention, role, corrected slices.
    """

    kind: str
    file: str
    attributes: dict[str, Any]
    metadata: dict[str, Any] = field(default_factory=dict)
    stack: StackReference | None = None

    def check(self) -> None:
        """Raise a ValueError for a record that no project writes, a TypeError for no record."""
        if self.kind not in ("image", "labels"):
            raise ValueError(f"a layer is {self.kind!r:.50}")
        if not isinstance(self.metadata, dict) or not isinstance(self.attributes, dict):
            raise TypeError("a layer has no attributes")
        if self.stack is None:
            if not isinstance(self.file, str) or not _OWN_FILE.fullmatch(self.file):
                raise ValueError(f"a layer's file is {self.file!r:.50}, outside the project")
        elif not isinstance(self.stack.path, str) or "\0" in self.stack.path:
            raise ValueError(f"a stack is {self.stack.path!r:.50}")


@dataclass(frozen=True)
class ProjectState:
    """All that ``project.json`` holds.

    Parameters
    ----------
    layers : tuple of LayerRecord
        From the lowest to the topmost.
    view : dict
        Slider, camera, active layer.
    settings : dict
        Choices that belong to the project: options of the training, threshold, model.
    """

    layers: tuple[LayerRecord, ...] = ()
    view: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> str:
        document = {"version": __version__, **dataclasses.asdict(self)}
        return json.dumps(document, indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str, source: str) -> ProjectState:
        """Read what :meth:`to_json` wrote; a UserError naming ``source`` if it isn't that."""
        try:
            document = parse_json(text)
            layers = []
            for record in document["layers"]:
                stack = record.pop("stack")
                reference = None if stack is None else StackReference(**stack)
                layer = LayerRecord(stack=reference, **record)
                layer.check()
                layers.append(layer)
            return cls(tuple(layers), dict(document["view"]), dict(document["settings"]))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(
                f"{source} is damaged: {error}.",
                "Its labels are whole: open them one by one, or take the file from a backup.",
            ) from error


@lru_cache(maxsize=64)
def _sha256(path: str, size: int, modified: int) -> str:
    """``size`` and ``modified`` are there so that a file that changed is read anew."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
