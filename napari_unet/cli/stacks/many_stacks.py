"""One command on many stacks: folders of results, a bad stack that stops nothing, a summary."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from napari_unet.prediction.chunk_prediction import PartlyDoneError
from training.console import list_names, say
from training.errors import UserError
from training.files.atomic_files import UnwritableError
from training.formats.location import locate
from training.masks.result_files import check_outputs, result_name
from training.masks.writer_choice import is_stack_name, is_there

Results = Mapping[str, Path]
"""Where results go, by their kinds: ``mask``, ``probability``, ``neurons``..."""


_STATES = ("done", "evaluated", "already there", "failed", "not done")

Work = Callable[[Path, Results], None]
"""Makes the results of a stack; a UserError or an OSError where it can't."""


def plan_work(
    stacks: Sequence[Path], results: Results, overwrite: bool, file_format: str | None = None
) -> OneStack | ManyStacks:
    """Check where results go, before any long work: to files, or of several stacks to folders.

    Parameters
    ----------
    stacks : sequence of Path
        At least one.
    results : mapping of str to Path
        Files of one stack; folders of several, or where the first of them is a folder.
    overwrite : bool
        Whether results that are there may be replaced.
    file_format : str or None
        Of results in folders, see :func:`result_name`; None: TIF.

    Raises
    ------
    UserError
        If a format is given beside names of files; as :class:`OneStack` and :class:`ManyStacks`.
    """
    first = next(iter(results.values()))
    is_folder = not is_stack_name(first) and (first.is_dir() or file_format is not None)
    if len(stacks) > 1 or is_folder:
        return ManyStacks(stacks, results, overwrite, file_format or "tif")
    if file_format is not None:
        raise UserError(
            f"{first} says its format by its ending, so --format can't.",
            "Leave out --format, or give the name of a folder.",
        )
    return OneStack(stacks[0], results, overwrite)


class OneStack:
    """A stack whose results are the files that are named.

    Raises
    ------
    UserError
        As :func:`training.masks.result_files.check_outputs`.
    """

    def __init__(self, stack: Path, results: Results, overwrite: bool) -> None:
        check_outputs(stack, results, overwrite)
        self._stack, self._results = stack, results

    def work_through(self, work: Work) -> None:
        """Call ``work``; what it raises is up to the caller, but for parts that failed: code 1."""
        try:
            work(self._stack, self._results)
        except PartlyDoneError as error:
            say(f"Error: {error}", to_stderr=True)
            sys.exit(1)


class ManyStacks:
    """Stacks whose results are files of their names, in a folder for each kind of result.

    Parameters
    ----------
    stacks : sequence of Path
        No two of the same name.
    folders : mapping of str to Path
        By kind of result; made where they are missing.
    overwrite : bool
        Replace results that are there; else they are kept, and only what is missing is made.
    file_format : str
        Of the results, see :func:`result_name`.

    Raises
    ------
    UserError
        If two stacks have the same name, two kinds the same folder, or a folder can't be made.
    """

    def __init__(
        self, stacks: Sequence[Path], folders: Results, overwrite: bool, file_format: str
    ) -> None:
        self._stacks, self._folders, self._overwrite = stacks, folders, overwrite
        self._format = file_format
        _check_names(stacks)
        for folder in folders.values():
            _make_folder(folder)
        if len({folder.resolve() for folder in folders.values()}) < len(folders):
            raise UserError("Two results have the same folder.", "Choose a folder for each.")

    def work_through(self, work: Work) -> None:
        """Call ``work`` with each stack and the results that are missing, and sum up.

        A stack that ``work`` raises a UserError or an OSError for is told at the end. If there
        are such, or after Ctrl-C, the process exits with code 1.
        """

        def make_missing(stack: Path) -> str:
            results = self._missing_results(stack)
            if not results:
                say(f"already there: {stack}")
                return "already there"
            check_outputs(stack, results, self._overwrite)
            work(stack, results)
            return "done"

        if not work_through(self._stacks, make_missing):
            sys.exit(1)

    def _missing_results(self, stack: Path) -> Results:
        results = {
            kind: folder / result_name(locate(stack).name, kind, self._format)
            for kind, folder in self._folders.items()
        }
        if self._overwrite:
            return results
        return {kind: path for kind, path in results.items() if not is_there(path)}


def work_through(stacks: Sequence[Path], work: Callable[[Path], str], what: str = "stack") -> bool:
    """Call ``work`` with each stack, and sum up what it says became of them.

    A stack that it raises a UserError or an OSError for is told at the end.

    Parameters
    ----------
    what : str
        What a stack is called.

    Returns
    -------
    bool
        Whether none has failed, and Ctrl-C was not pressed.
    """
    states: list[str] = []
    failures = []
    is_interrupted = False
    try:
        for number, stack in enumerate(stacks, 1):
            say(f"{number} of {len(stacks)}: {stack}", to_stderr=True)
            try:
                states.append(work(stack))
            except (UserError, OSError) as error:
                states.append("failed")
                failures.append(f"Error: {_told_of(stack, error)}")
    except KeyboardInterrupt:
        is_interrupted = True
        states += ["not done"] * (len(stacks) - len(states))
    counts = {state: states.count(state) for state in sorted(set(states), key=_STATES.index)}
    parts = [f"{count} {state}" for state, count in counts.items()]
    start = "Interrupted. " if is_interrupted else ""
    say(f"{start}Of {len(stacks)} {what}{'s' * (len(stacks) != 1)}: {list_names(parts)}.")
    for failure in failures:
        say(failure, to_stderr=True)
    return not (failures or is_interrupted)


def _check_names(stacks: Sequence[Path]) -> None:
    by_name: dict[str, Path] = {}
    for stack in stacks:
        name = locate(stack).name.casefold()  # as some disks compare names
        other = by_name.setdefault(name, stack)
        if other is not stack:
            raise UserError(
                f"{other} and {stack} have the same name, which their results would have too.",
                "Give them one after the other, each with a folder of its own.",
            )


def _make_folder(folder: Path) -> None:
    if is_stack_name(folder) or folder.suffix.lower() == ".csv":
        raise UserError(
            f"{folder} is the name of a file, but the results of many stacks go to a folder.",
            "Give the name of a folder; the results get the names of their stacks.",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UnwritableError(folder, error) from error


def _told_of(stack: Path, error: UserError | OSError) -> str:
    """Give a failure as a sentence that names its stack."""
    text = str(error) if isinstance(error, UserError) else f"{error.strerror or error}."
    return text if str(stack) in text else f"{stack}: {text}"
