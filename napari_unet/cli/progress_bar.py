"""The progress bar of the commands."""

from __future__ import annotations

from tqdm import tqdm

from napari_unet.text import line


class ProgressBar(tqdm):
    """A bar whose description and figures do nothing to the terminal."""

    def __str__(self) -> str:
        return line(super().__str__())
