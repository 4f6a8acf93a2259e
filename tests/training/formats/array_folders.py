"""Folders of arrays as other programs write them: by zarr, tensorstore and OME-Zarr's rules."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorstore
import zarr
from numpy.typing import NDArray

AXES = ("z", "y", "x")


def write_array(path: Path, pixels: NDArray[Any], version: int = 3, **options: Any) -> None:
    """Write a plain array, in chunks that it does not fill, unless told otherwise."""
    options.setdefault("chunks", tuple(min(side, 32) for side in pixels.shape))
    array = zarr.create_array(
        path, shape=pixels.shape, dtype=pixels.dtype, zarr_format=version, **options
    )
    array[...] = pixels


def write_ome(
    path: Path,
    levels: Sequence[NDArray[Any]],
    version: str = "0.5",
    axes: Sequence[str] = AXES,
    sizes: Sequence[float] = (50, 4, 4),
    unit: str | None = "nanometer",
    **more: Any,
) -> None:
    """Write an image of levels, each of half the size of the last in its plane.

    Parameters
    ----------
    sizes : sequence of float
        Of the largest level's pixels, in the unit, along each of the axes.
    more : any
        Of its multiscales, or instead of what they would have.
    """
    datasets = []
    for index, pixels in enumerate(levels):
        write_array(path / str(index), pixels, 2 if version == "0.4" else 3)
        factors = [2**index if axis in "yx" else 1 for axis in axes]
        scale = [float(size * factor) for size, factor in zip(sizes, factors, strict=True)]
        transformations = [{"type": "scale", "scale": scale}]
        datasets.append({"path": str(index), "coordinateTransformations": transformations})
    multiscale = {"axes": [describe(axis, unit) for axis in axes], "datasets": datasets, **more}
    write_multiscales(path, [multiscale], version)


def describe(axis: str, unit: str | None) -> dict[str, str]:
    """An axis, as OME-Zarr has it."""
    kind = {"t": "time", "c": "channel"}.get(axis, "space")
    described = {"name": axis, "type": kind}
    return {**described, "unit": unit} if kind == "space" and unit else described


def write_multiscales(path: Path, multiscales: list[Any], version: str = "0.5") -> None:
    """Write what OME-Zarr says of a group."""
    group = zarr.open_group(path, mode="a", zarr_format=2 if version == "0.4" else 3)
    if version == "0.4":
        group.attrs["multiscales"] = [{"version": "0.4", **one} for one in multiscales]
    else:
        group.attrs["ome"] = {"version": version, "multiscales": multiscales}


def write_labels(path: Path, names: Sequence[str], pixels: NDArray[Any], version: str) -> None:
    """Write label images beside an image."""
    for name in names:
        write_ome(path / "labels" / name, [pixels], version)
    group = zarr.open_group(path / "labels", mode="a", zarr_format=2 if version == "0.4" else 3)
    if version == "0.4":
        group.attrs["labels"] = list(names)
    else:
        group.attrs["ome"] = {"version": version, "labels": list(names)}


def write_n5(path: Path, pixels: NDArray[Any], attributes: dict[str, Any] | None = None) -> None:
    """Write an N5 dataset of a stack (Z, Y, X), or of more axes before these."""
    spec = {
        "driver": "n5",
        "kvstore": {"driver": "file", "path": f"{path}/"},
        "metadata": {
            "dimensions": pixels.shape[::-1],
            "blockSize": [16] * pixels.ndim,
            "dataType": pixels.dtype.name,
            "compression": {"type": "gzip"},
        },
    }
    tensorstore.open(spec, create=True).result()[...] = pixels.T
    document = path / "attributes.json"
    document.write_text(json.dumps({**json.loads(document.read_text()), **(attributes or {})}))


def write_precomputed(path: Path, levels: Sequence[NDArray[Any]], **scale: Any) -> None:
    """Write an image (Z, Y, X), or (C, Z, Y, X), of Neuroglancer's precomputed, of several scales.

    Parameters
    ----------
    scale : any
        More of each scale's metadata.
    """
    for index, pixels in enumerate(levels):
        channels = len(pixels) if pixels.ndim == 4 else 1
        shape = pixels.shape[:-4:-1]
        spec = {
            "driver": "neuroglancer_precomputed",
            "kvstore": {"driver": "file", "path": f"{path}/"},
            "multiscale_metadata": {
                "type": "image",
                "data_type": pixels.dtype.name,
                "num_channels": channels,
            },
            "scale_metadata": {
                "size": shape,
                "resolution": [4 * 2**index, 4 * 2**index, 50],
                "chunk_size": [16, 16, 16],
                "encoding": "raw",
                "voxel_offset": [7, 8, 9],
                **scale,
            },
        }
        store = tensorstore.open(spec, create=True).result()
        store[...] = pixels.T.reshape(*shape, channels)
