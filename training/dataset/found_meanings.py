"""What labels were found to mean, kept in a run: counting those of a large stack takes minutes."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.files.untrusted_files import parse_json, read_document
from training.formats.location import locate
from training.label_classes import NO_CLASSES, LabelClasses
from training.label_convention import IdBorders, LabelConvention
from training.stacks.label_meaning import LabelMeaning


class FileState(NamedTuple):
    """A file's path, and the numbers that tell whether it has changed."""

    path: str
    device: int
    inode: int
    size: int
    changed: int  # in nanoseconds


@dataclass(frozen=True)
class FoundMeaning:
    """What labels mean, and what that was found of.

    Parameters
    ----------
    state : str
        That of the files, see :func:`files_state`.
    ids : IdBorders
        Which pixels were to be membrane if the labels are ids.
    meaning : LabelMeaning
    """

    state: str
    ids: IdBorders
    meaning: LabelMeaning

    def fits(
        self,
        state: str,
        convention: LabelConvention | None,
        ids: IdBorders,
        classes: LabelClasses = NO_CLASSES,
    ) -> bool:
        """Whether it is what would be found of files in a state, with these options."""
        found = self.state, self.meaning.convention, self.ids, self.meaning.classes
        return found == (state, convention, ids, classes)


def files_state(*stacks: Path) -> str:
    """Take a hash of the state of stacks' files, without reading them.

    It changes with whatever is written to one of them: Linux notes when, and lets nobody set that
    time. Files that come, go or take another's place change it as well; a missing one is passed
    over, for whoever reads it says so.
    """
    return hash_states(state for stack in stacks for state in _states(stack))


def hash_states(states: Iterable[FileState]) -> str:
    """Take the hash of files' states that :func:`files_state` takes where the files are."""
    found = hashlib.sha256()
    for path, *numbers in states:
        found.update(f"{path!r} {tuple(numbers)}\n".encode())
    return found.hexdigest()


def _states(stack: Path) -> Iterator[FileState]:
    for path in sorted(_files(locate(stack).container)):
        with suppress(FileNotFoundError):
            state = path.stat()
            numbers = state.st_dev, state.st_ino, state.st_size, state.st_ctime_ns
            yield FileState(os.fspath(path), *numbers)


def _files(container: Path) -> Iterator[Path]:
    yield container
    for folder, _, names in os.walk(container):
        yield from (Path(folder, name) for name in names)


def write_meanings(path: Path, meanings: Iterable[FoundMeaning]) -> None:
    """Replace the meanings in a file.

    Raises
    ------
    UnwritableError
    """
    write_atomically(path, meanings_document(meanings))


def meanings_document(meanings: Iterable[FoundMeaning]) -> bytes:
    """Make the document that :func:`read_meanings` reads."""
    return json.dumps([*map(_document, meanings)]).encode()


def _document(found: FoundMeaning) -> dict[str, Any]:
    document = dataclasses.asdict(found)
    document["meaning"]["classes"] = found.meaning.classes.text
    return document


def read_meanings(path: Path) -> Sequence[FoundMeaning]:
    """Read meanings; none if they are missing or can't be read, for labels can be counted again."""
    try:
        return [_parse(**fields) for fields in parse_json(read_document(path))]
    except (OSError, ValueError, TypeError, KeyError, AttributeError, UserError):
        return []


def _parse(state: str, ids: dict[str, Any], meaning: dict[str, Any]) -> FoundMeaning:
    meaning["convention"] = LabelConvention(meaning["convention"])
    meaning["classes"] = LabelClasses.parse(meaning["classes"])
    meaning["ids"], meaning["labelled"] = IdBorders(**meaning["ids"]), tuple(meaning["labelled"])
    return FoundMeaning(state, IdBorders(**ids), LabelMeaning(**meaning))
