"""What a prediction is of, in its folder on the server and in the copy: ``prediction.json``."""

from __future__ import annotations

import json
import re
from pathlib import Path, PurePath
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import Field

from napari_unet.launchers.document import Document
from napari_unet.launchers.launcher import Standing
from napari_unet.launchers.servers.slurm.jobs import GO_ON
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.files.untrusted_files import parse_json, read_document, read_tail
from training.label_classes import LONGEST_NAME, MOST_CLASSES
from training.runs.event_reading import complete_length, read_pieces
from training.runs.run_directory import RunDirectory
from training.runs.run_paths import RunPaths
from training.runs.run_state import RunStatus

Kind = Literal["mask", "probability", "submission"]
Convention = Literal["isbi", "membrane"]
Pixel = Annotated[int, Field(ge=0, le=2**53)]
ClassName = Annotated[str, Field(max_length=LONGEST_NAME)]
Probability = Annotated[float, Field(ge=0, le=1)]
Outcome = Literal["", "finished", "stopped", "failed", "interrupted"]
ENDED_BADLY = ("failed", "stopped", "interrupted")
CAN_GO_ON = ("failed", "interrupted")
"""After the slices that are done, which are kept; of a failed one once its cause is mended."""
KINDS: tuple[Kind, ...] = get_args(Kind)
PathT = TypeVar("PathT", bound=PurePath)
_LATEST = 2.0**32  # seconds, in 2106
_NOWHERE = Standing()
_PROGRESS = re.compile(r"^(\d{1,9}) of (\d{1,9}) slices, (.{1,99})$", re.MULTILINE | re.ASCII)
_TOLD = re.compile(r"(Warning|Hint|Note): ")
_ERROR = re.compile(r"^Error: (.{1,999})$", re.MULTILINE)


class PredictionRecord(Document):
    """What is predicted by what, and what became of it.

    Nothing in it says where results go on this machine: it may be a stranger's.

    Parameters
    ----------
    model, stack : str
        As the person named them; a stack's file on this machine by its whole path.
    results : dict of str to str
        By their kinds: where they stay on the server; empty: they are brought home.
    request : str
        Hash of all that the results depend on: the same command goes on with this prediction.
    outcome : str
        How it ended, as last seen; empty: it goes on, or has not been asked for.
    problem : str
        Why a queue ended it; else empty.
    started : float
        When, in seconds since 1970; 0 where it is not known.
    convention : str
        Of the mask.
    threshold : float
        Probability from which on a pixel is membrane.
    class_thresholds : dict of str to float
        Where all classes are predicted, those of some of them, by their names.
    corner : (int, int, int) or None
        First pixel (Z, Y, X) of the part of the stack that is predicted; None: all of it.
    """

    model: str
    stack: str
    results: dict[Kind, str]
    request: str = Field(pattern=r"^[0-9a-f]{64}$")
    outcome: Outcome = ""
    problem: str = Field(default="", max_length=999)
    started: float = Field(default=0.0, ge=0, le=_LATEST)
    convention: Convention = "isbi"
    threshold: Probability = 0.5
    class_thresholds: dict[ClassName, Probability] = Field(
        default_factory=dict, max_length=MOST_CLASSES
    )
    corner: tuple[Pixel, Pixel, Pixel] | None = Field(default=None, strict=False)

    @property
    def coming_home(self) -> list[Kind]:
        """The kinds of results that are brought to this machine."""
        return [kind for kind, place in self.results.items() if not place]

    def to_json(self) -> bytes:
        """The document."""
        return (json.dumps(self.model_dump(), indent=2) + "\n").encode()


def log_path(run: RunPaths[PathT]) -> PathT:
    """What the prediction printed."""
    return run.path / "predict.log"


def exit_code_path(run: RunPaths[PathT]) -> PathT:
    """How its process ended; there when it has."""
    return run.path / "exit-code"


def kept_path(run: RunPaths[PathT]) -> PathT:
    """Where slices are kept until all are done."""
    return run.path / "slices"


def options_path(run: RunPaths[PathT]) -> PathT:
    """On the server, what it was started with: a file of options of ``training.predict``."""
    return run.path / "options.txt"


def result_path(run: RunPaths[PathT], kind: Kind) -> PathT:
    """A result that is brought home, a TIF."""
    return run.path / f"{kind}.tif"


def is_prediction(run: RunDirectory) -> bool:
    """Whether a folder here is that of a prediction on a server."""
    return run.prediction.exists()


def read_prediction(run: RunDirectory) -> PredictionRecord:
    """Read a prediction's record.

    Raises
    ------
    UserError
        If it is missing or damaged.
    """
    path = run.prediction
    try:
        return parse_prediction(read_document(path), str(path))
    except (OSError, ValueError) as error:
        raise UserError(f"{path} can't be read: {error}.", "Predict again.") from error


def parse_prediction(content: str | bytes, source: str) -> PredictionRecord:
    """Parse a record.

    Raises
    ------
    UserError
        If it is damaged; it names ``source``.
    """
    try:
        return PredictionRecord.model_validate(parse_json(content))
    except (ValueError, UserError) as error:
        raise UserError(
            f"{source} is damaged: {str(error).rstrip('.')}.", "Predict again."
        ) from error


def write_prediction(run: RunDirectory, record: PredictionRecord) -> None:
    """Write a prediction's record."""
    write_atomically(run.prediction, record.to_json())


class PredictionState(Document):
    """How far a prediction is, by its record and its log.

    Parameters
    ----------
    status : str
        A :data:`RunStatus`.
    done, total : int
        Slices; 0 of 0 until the first are done.
    text : str
        How long the rest takes, or took; empty before.
    problem : str
        Why it failed or was interrupted; else empty.
    standing : str
        Where it stands in its server's queue; empty where it doesn't.
    """

    status: RunStatus
    done: int = 0
    total: int = 0
    text: str = ""
    problem: str = ""
    standing: str = ""

    @property
    def progress(self) -> str:
        """How far it is: "12/30"."""
        return f"{self.done}/{self.total}" if self.total else "-"


def read_state(
    run: RunDirectory, *, is_running: bool, standing: Standing = _NOWHERE
) -> PredictionState:
    """Read how far a prediction is, from its copy.

    Raises
    ------
    UserError
        As :func:`read_prediction`.
    """
    record, log = read_prediction(run), read_tail(log_path(run))
    return state_of(record.outcome, log, is_running, standing, record.problem)


def state_of(
    outcome: Outcome,
    log: str,
    is_running: bool,
    standing: Standing = _NOWHERE,
    queue_problem: str = "",
) -> PredictionState:
    """Tell how far a prediction is by the end of its log, and by what its queue says."""
    works = is_running and bool(log) and not standing.is_waiting
    values: dict[str, Any] = {"status": outcome or ("running" if works else "waiting")}
    values["standing"] = "" if outcome else standing.text
    progress = _PROGRESS.findall(log)
    if progress:
        done, total, text = progress[-1]
        values |= {"done": min(int(done), int(total)), "total": int(total), "text": text}
    if outcome == "interrupted":
        killed = f"Its processes were killed, perhaps for lack of memory. {GO_ON}"
        values["problem"] = queue_problem or killed
    if outcome == "failed":
        errors = _ERROR.findall(log)
        last = log.strip().rpartition("\n")[2][:999]
        values["problem"] = errors[-1] if errors else last or "It left no reason."
    return PredictionState(**values)


def resume_problem(status: RunStatus) -> str:
    """Say why a prediction that was in this state when last asked for is not resumed.

    Returns
    -------
    str
        A sentence; empty where it can be: it was interrupted, it failed for a cause that may have
        been mended since, or nobody has seen how it ended.
    """
    reasons: dict[RunStatus, str] = {
        "running": "It goes on.",
        "finished": "It has finished.",
        "stopped": "It was stopped, which keeps nothing: predict again.",
        "unreadable": "What is known of it can't be read.",
    }
    return reasons.get(status, "")


def read_sentences(log: Path, offset: int) -> tuple[list[str], int]:
    """Read what a prediction told a person, and neither its progress nor its libraries' words.

    Parameters
    ----------
    log : Path
        The log, which need not exist.
    offset : int
        Its bytes that have been read before.

    Returns
    -------
    list of str, int
        Notes, hints and warnings; and the offset to read on from.
    """
    told = []
    for piece in read_pieces(log, offset):
        offset = piece.end
        for line in piece.content[: complete_length(piece.content)].splitlines():
            text = line.decode(errors="replace")
            if _TOLD.match(text):
                told.append(f"{text:.999}")
    return told, offset


def list_predictions(folder: Path) -> list[RunDirectory]:
    """The predictions in a folder of runs, by name."""
    return [RunDirectory(path.parent) for path in sorted(folder.glob("*/prediction.json"))]
