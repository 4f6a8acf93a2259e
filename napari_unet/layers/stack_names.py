"""What the stacks of images are called, and the images that are of a stack of some name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari.layers import Image

from napari_unet.layers.plugin_layers import STACK_KEY, is_tissue
from napari_unet.layers.slices import stack_shape

if TYPE_CHECKING:
    from napari import Viewer


def stack_name(image: Image) -> str:
    """Name the stack of an image: by the whole path of its file, else as its layer."""
    path = image.metadata.get(STACK_KEY) or image.source.path
    return image.name if path is None else str(Path(path).absolute())


def image_of_stack(viewer: Viewer, name: str, shape: tuple[int, int, int]) -> Image | None:
    """Find the topmost image of a stack that was named by :func:`stack_name`.

    Parameters
    ----------
    name : str
        It is compared, and never followed.
    shape : (int, int, int)
        (Z, Y, X) of the stack.
    """
    for layer in reversed(viewer.layers):
        if is_tissue(layer) and stack_shape(layer) == shape and stack_name(layer) == name:
            return layer
    return None
