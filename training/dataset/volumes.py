"""The volumes of a training: which files they are, and what each is called."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.config import TrainingConfig
from training.console import list_names, lossy_output, say
from training.data_pairs import DataPair, read_pairs
from training.dataset.pair_search import find_file, find_pair, search_pairs
from training.errors import UserError
from training.formats.location import locate
from training.label_convention import LabelConvention


@dataclass(frozen=True)
class VolumeFiles:
    """Where the images and the labels of a volume are.

    Parameters
    ----------
    name : str
        The end of the images' path, as long as it must be to differ from the other volumes'.
    image, labels : Path
    convention : LabelConvention or None
        Of the labels; None: it is recognised.
    """

    name: str
    image: Path
    labels: Path
    convention: LabelConvention | None


def settle_data(options: Mapping[str, Any]) -> dict[str, Any]:
    """Name the volumes of a new run one by one, so that it goes on with them whatever comes beside.

    Parameters
    ----------
    options : mapping
        Options of :class:`TrainingConfig`. Pairs are found in its ``data_url``, and printed, where
        it names no files.

    Returns
    -------
    dict
        The options with absolute paths: ``image`` and ``labels`` of one pair, else ``pairs``.

    Raises
    ------
    UserError
        As :func:`search_pairs` and :func:`find_volumes`.
    """
    settled = dict(options)
    names_files = options.get("image") or options.get("labels")
    if options.get("pairs"):
        if options.get("data_url") or names_files:
            return settled  # which the configuration refuses
        pairs = [
            pair._replace(
                image=str(find_file(Path(), pair.image)), labels=str(find_file(Path(), pair.labels))
            )
            for pair in read_pairs(settled.pop("pairs"))
        ]
    elif options.get("data_url") and not names_files:
        found = search_pairs(Path(options["data_url"]))
        with lossy_output():
            for line in found.describe():
                say(line)
        if not found.pairs or found.is_default:
            return settled
        del settled["data_url"]
        pairs = [DataPair(str(image), str(labels)) for image, labels in found.pairs]
    else:
        return settled
    check_distinct([(Path(pair.image), Path(pair.labels)) for pair in pairs])
    absolute = os.path.abspath  # keeps links as they are
    convention = options.get("label_convention")
    pairs = [
        pair._replace(
            image=absolute(pair.image),
            labels=absolute(pair.labels),
            convention=pair.convention or convention,
        )
        for pair in pairs
    ]
    if len(pairs) > 1:
        return settled | {"pairs": pairs}
    [pair] = pairs
    settled |= {"image": pair.image, "labels": pair.labels}
    return settled | ({"label_convention": pair.convention} if pair.convention else {})


def find_volumes(config: TrainingConfig) -> list[VolumeFiles]:
    """Find the volumes that a configuration names, at least one.

    Raises
    ------
    UserError
        If a file does not exist, or images are named twice, or as their own labels.
    """
    if not config.pairs:
        image, labels = find_pair(config.data_url, config.image, config.labels)
        (name,) = name_volumes([image])
        return [VolumeFiles(name, image, labels, config.label_convention)]
    paths = [
        (find_file(Path(), pair.image), find_file(Path(), pair.labels)) for pair in config.pairs
    ]
    check_distinct(paths)
    names = name_volumes([image for image, _ in paths])
    return [
        VolumeFiles(pair.name or name, *files, pair.convention)
        for name, files, pair in zip(names, paths, config.pairs, strict=True)
    ]


def check_distinct(pairs: Sequence[tuple[Path, Path]]) -> None:
    """Check that no images are named twice, or as their own labels.

    Parameters
    ----------
    pairs : sequence of (Path, Path)
        Images and labels.

    Raises
    ------
    UserError
        It names the files.
    """
    labels_of: dict[str, Path] = {}
    for image, labels in pairs:
        file = os.path.realpath(image)
        if file == os.path.realpath(labels):
            raise UserError(
                f"{image} is named as images and as their own labels.",
                "Name the labels of these images.",
            )
        former = labels_of.setdefault(file, labels)
        if former is labels:
            continue
        if os.path.realpath(former) == os.path.realpath(labels):
            raise UserError(f"{image} is named twice, both times with {labels}.", "Name it once.")
        raise UserError(
            f"{image} is named with two labels: {former} and {labels}.", "Choose one of them."
        )


def name_volumes(images: Sequence[Path]) -> list[str]:
    """Name volumes by the ends of their images' paths, the shortest that all differ.

    Parameters
    ----------
    images : sequence of Path
        All different.
    """
    folders = [locate(image).container.parent for image in images]
    names = [_name(image, folder) for image, folder in zip(images, folders, strict=True)]
    while len(set(names)) < len(names):
        folders = [
            folder.parent if names.count(name) > 1 else folder
            for folder, name in zip(folders, names, strict=True)
        ]
        names = [_name(image, folder) for image, folder in zip(images, folders, strict=True)]
    return names


def _name(image: Path, folder: Path) -> str:
    return image.relative_to(folder).as_posix()


def choose_held_out(wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    """Choose the volumes to hold out as a whole.

    Parameters
    ----------
    wanted : sequence of str
        What a person calls them: their names, without their endings as well.
    names : sequence of str
        All volumes.

    Raises
    ------
    UserError
        If there is no such volume, if several are called so, or if none is left to train on.
    """
    chosen = []
    for name in wanted:
        found = [known for known in names if name in (known, str(Path(known).with_suffix("")))]
        if len(found) != 1:
            problem = f"{name} can be {list_names(found)}." if found else f"{name} is not a volume."
            raise UserError(problem, f"Hold out one of: {', '.join(names)}.")
        chosen += found
    if chosen and set(chosen) == set(names):
        raise UserError("Every volume is held out, so none is left to train on.", "Hold out fewer.")
    return chosen
