"""Say what data on this machine are, for a command on another machine that will use them here.

What is asked for is a JSON object, and so is what is printed as the last line::

    python -m training.describe_data '{"stack": "/data/stack.zarr"}'
    python -m training.describe_data '{"data_url": "/data/isbi"}'

Of a stack its shape and state are told, and results that are to lie beside it are checked; of data
to train on, where the volumes are and what their labels mean. What is wrong with them is told as
``problem`` and ``remedy``.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

from training.config import TrainingConfig
from training.console import say, set_up_console
from training.data_pairs import DataPair
from training.dataset.found_meanings import files_state
from training.dataset.resampled_pair import describe_sizes
from training.dataset.training_pair import open_pair
from training.dataset.volumes import choose_held_out, find_volumes, settle_data
from training.errors import UserError
from training.formats.file_times import file_times
from training.formats.pixel_size import PixelSize
from training.formats.stack import Stack
from training.label_classes import LabelClasses
from training.label_convention import LabelConvention
from training.masks.result_files import check_outputs
from training.opening import open_stack
from training.stacks.fingerprint import fingerprint

_OF_DATA = ("data_url", "image", "labels", "pairs", "label_convention")
_OF_IDS = ("border", "unknown")


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code, which is 0 where something is wrong with the data."""
    set_up_console()
    parser = argparse.ArgumentParser(
        prog="python -m training.describe_data",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("request", type=json.loads, help="what is asked for: a JSON object")
    request = parser.parse_args(arguments).request
    try:
        answer = _describe(request)
    except UserError as error:
        answer = {"problem": error.problem, "remedy": error.remedy}
    except OSError as error:  # a folder that may not be looked into, a disk that fails
        answer = {"problem": f"{error.filename} can't be read: {error.strerror}.", "remedy": ""}
    say(json.dumps(answer))
    return 0


def _describe(request: dict[str, Any]) -> dict[str, Any]:
    if "stack" in request or "results" in request:
        return _describe_stack(**request)
    return _describe_volumes(**request)


def _describe_stack(
    stack: str = "", results: dict[str, str] | None = None, overwrite: bool = False
) -> dict[str, Any]:
    """Describe a stack, and check where results are to be written."""
    answer: dict[str, Any] = {}
    if stack:
        with open_stack(stack) as opened:
            answer |= {"shape": opened.shape, "dtype": str(opened.dtype), "offset": opened.offset}
            answer["state"] = _state(opened, Path(stack))
    paths = {kind: Path(path) for kind, path in (results or {}).items()}
    check_outputs(Path(stack or os.devnull), paths, overwrite)
    return answer


def _state(stack: Stack, path: Path) -> str:
    """Take a hash of what is known of a stack's pixels, the same where it was only moved."""
    return f"{fingerprint(stack)} {file_times(path) or files_state(path)}"


def _describe_volumes(
    hold_out: tuple[str, ...] = (), classes: str = "", **given: Any
) -> dict[str, Any]:
    """Find volumes to train on by options of a configuration, and what their labels mean."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        named = settle_data({name: given[name] for name in _OF_DATA if name in given})
    convention = LabelConvention(given["label_convention"]) if named.pop(_OF_DATA[-1], "") else None
    volumes = find_volumes(TrainingConfig(**named))
    names = [volume.name for volume in volumes]
    choose_held_out(hold_out, names)
    of_ids = {name: given[name] for name in _OF_IDS if name in given}
    ids = TrainingConfig(label_convention=LabelConvention.INSTANCES, **of_ids).ids
    reading = convention, ids, (), LabelClasses.parse(classes)
    sentences = printed.getvalue().splitlines()
    pairs: list[DataPair] = []
    sizes: dict[str, PixelSize | None] = {}
    for volume in volumes:
        image, labels = (str(path.absolute()) for path in (volume.image, volume.labels))
        beginning = f"{volume.name}: " if len(volumes) > 1 else ""
        with open_pair(volume.image, volume.labels, *reading) as opened:
            sentences += [beginning + sentence for sentence in opened.meaning.describe()]
            pairs.append(DataPair(image, labels, opened.meaning.convention, volume.name))
            sizes[volume.name] = opened.images.pixel_size
    if len(volumes) > 1:
        sentences += describe_sizes(sizes)
    return {"volumes": pairs, "sentences": sentences}


if __name__ == "__main__":
    sys.exit(main())
