"""What a person asks to be predicted on a server, with which options."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from posixpath import join

from napari_unet.launchers.server_path import ServerPath
from napari_unet.launchers.servers.predictions.record import Convention, Kind
from napari_unet.launchers.servers.profile.profile import Profile
from training.class_thresholds import Thresholds
from training.config import STARTER
from training.errors import UserError
from training.label_convention import LabelConvention
from training.model.saved_model import WEIGHT_SUFFIXES, best_weights, read_weights_card
from training.model.stack_part import parse_region
from training.model.starter_model import starter_path
from training.model.weight_files import check_checkpoint
from training.runs.run_directory import RunDirectory


@dataclass(frozen=True)
class PredictionRequest:
    """A stack to predict on a server.

    Parameters
    ----------
    model : Path
        A run's folder, a checkpoint, or the starter's file.
    stack : Path or ServerPath
        Of any format that is read.
    results : mapping of str to str
        By kind: where it stays on the server; empty: it comes home.
    options : mapping of str to str
        More options of ``training.predict``, by name; empty: a flag that is set.
    overwrite : bool
        Replace results that are on the server.
    stack_name : str
        What the person calls the stack, where its file is made to be sent; else empty.
    """

    model: Path
    stack: Path | ServerPath
    results: Mapping[Kind, str]
    options: Mapping[str, str] = field(default_factory=dict)
    overwrite: bool = False
    stack_name: str = ""

    @property
    def left_there(self) -> dict[str, str]:
        """The results that stay on the server, by kind."""
        return {kind: place for kind, place in self.results.items() if place}

    @property
    def model_name(self) -> str:
        """What the person calls the model."""
        return STARTER if self.model == starter_path() else str(self.model)

    @property
    def called(self) -> str:
        """What the person calls the stack; a file on this machine by its whole path."""
        named = self.stack.absolute() if isinstance(self.stack, Path) else self.stack
        return self.stack_name or str(named)

    @property
    def convention(self) -> Convention:
        """That of the mask."""
        chosen = self.options.get("convention", LabelConvention.ISBI)
        return "membrane" if chosen == LabelConvention.MEMBRANE else "isbi"

    @property
    def corner(self) -> tuple[int, int, int] | None:
        """First pixel (Z, Y, X) of the part of the stack that is predicted; None: all of it."""
        text = self.options.get("region", "")
        z, y, x = (start for start, _ in parse_region(text))
        return (z, y, x) if text else None

    @property
    def threshold(self) -> float:
        """Probability from which on a pixel is membrane: that of the model, if none is chosen."""
        chosen = self._thresholds.single
        if chosen is not None:
            return chosen
        return read_weights_card(self.weights() or starter_path()).threshold

    @property
    def class_thresholds(self) -> dict[str, float]:
        """Those of the model's classes that are chosen, by the names that the person gave."""
        return self._thresholds.by_class

    @property
    def _thresholds(self) -> Thresholds:
        chosen = self.options.get("threshold")
        return Thresholds() if chosen is None else Thresholds.parse([chosen])

    def weights(self) -> Path | None:
        """Find the file of weights to send; None for the starter, which is there.

        Raises
        ------
        UserError
            If the model is none that MindSpore predicts with.
        """
        if self.model == starter_path():
            return None
        if not self.model.exists():
            raise UserError(f"There is no run or model {self.model}.", "Give a run's folder.")
        path = best_weights(RunDirectory(self.model)) if self.model.is_dir() else self.model
        if path.suffix not in WEIGHT_SUFFIXES:
            raise UserError(
                f"{path} can't predict on a server, where MindSpore predicts.",
                "Give a run's folder, or its best.safetensors.",
            )
        check_checkpoint(path)
        return path

    def arguments(
        self,
        profile: Profile,
        devices: int,
        device_ids: str,
        weights: str,
        stack: str,
        folder: str,
        kept: str,
    ) -> list[str]:
        """Give the options of ``training.predict``.

        Parameters
        ----------
        profile : Profile
            The server's.
        devices : int
            How many predict.
        device_ids : str
            Which NPUs; empty: the first free ones.
        weights, stack : str
            Paths there.
        folder : str
            Where results lie there that are brought home.
        kept : str
            Where slices are kept there until all are done.
        """
        chosen = [f"--ckpt={weights}", f"--input={stack}", f"--device={profile.device}"]
        chosen += [f"--devices={devices}", f"--keep={kept}"]
        chosen += [f"--device_ids={device_ids}"] if device_ids else []
        for kind, place in {"mask": "", **self.results}.items():  # a mask is always written
            name = "output" if kind == "mask" else kind
            chosen.append(f"--{name}={place or join(folder, f'{kind}.tif')}")
        chosen += [
            f"--{name}={value}" if value else f"--{name}" for name, value in self.options.items()
        ]
        return chosen + (["--overwrite"] if self.overwrite else [])

    def hash(self, profile: Profile, weights: str, stack: str, state: str) -> str:
        """Hash all that the results depend on; the store names files by their content.

        Parameters
        ----------
        weights, stack : str
            Paths on the server.
        state : str
            Of a stack that is there already.
        """
        about = [*profile.address, weights, stack, state, dict(self.results), dict(self.options)]
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()
