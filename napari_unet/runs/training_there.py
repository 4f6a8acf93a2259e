"""What a person chose to train on, where that is on a server: it is described and read there."""

from __future__ import annotations

from dataclasses import dataclass

from napari_unet.launchers.server_path import ServerPath
from napari_unet.launchers.servers.predictions.data_there import (
    VolumesThere,
    describe_volumes,
    settled_there,
)
from napari_unet.launchers.servers.profiles import find_profile
from training.config import TrainingConfig
from training.errors import UserError
from training.label_classes import LabelClasses
from training.label_convention import IdBorders


@dataclass(frozen=True)
class DataThere:
    """A folder of images and labels on a server.

    Parameters
    ----------
    folder : ServerPath
        Where it is.
    """

    folder: ServerPath

    @property
    def name(self) -> str:
        """What it is called."""
        return self.folder.path.rstrip("/").rpartition("/")[2] or str(self.folder)

    def check_place(self, place: str) -> None:
        """Refuse another place of training than the data's own.

        Raises
        ------
        UserError
        """
        server = self.folder.server
        if place != server:
            raise UserError(f"The data are on {server}.", f"Choose {server} beside Train on.")

    def look(self, ids: IdBorders, classes: LabelClasses) -> VolumesThere:
        """Have the server say where the volumes are, and what their labels mean.

        Parameters
        ----------
        ids : IdBorders
        classes : LabelClasses
            Empty where a person names none.

        Raises
        ------
        UserError
            If they can't be trained on, or the server can't be reached.
        """
        request = {"data_url": self.folder.path, "border": ids.width, "classes": classes.text}
        if ids.is_zero_unknown:
            request["unknown"] = "0"
        return describe_volumes(find_profile(self.folder.server), request)

    def settle(self, config: TrainingConfig, place: str) -> TrainingConfig:
        """Look again, and give the configuration with the volumes of the folder.

        Raises
        ------
        UserError
            As :meth:`check_place` and :meth:`look`.
        """
        self.check_place(place)
        there = self.look(config.ids, LabelClasses.parse(config.classes))
        none = {"data_url": "", "image": "", "labels": "", "pairs": ()}
        changes = none | settled_there(place, there)
        return config.replace(label_convention=there.convention, **changes)
