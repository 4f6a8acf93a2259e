"""The progress bar of the commands."""

from __future__ import annotations

from typing import Any

from tqdm import tqdm

from napari_unet.text import line


class ProgressBar(tqdm):
    """A bar in a terminal, to which its description and figures do nothing; elsewhere none."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, disable=None, **options)  # None: where there is no terminal

    def __str__(self) -> str:
        return line(super().__str__())
