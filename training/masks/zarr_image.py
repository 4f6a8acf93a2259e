"""What an OME-Zarr image or labels are made of: groups, empty arrays of all sizes, metadata.

Metadata: https://ngff.openmicroscopy.org/0.5/ and https://ngff.openmicroscopy.org/0.4/.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from training.errors import UserError
from training.formats.chunked_stack import unreadable
from training.formats.pixel_size import NO_OFFSET, Offset, PixelSize
from training.formats.zarr_folders.multiscales import CLASSES
from training.formats.zarr_folders.nodes import Node
from training.label_classes import NO_CLASSES, LabelClasses
from training.masks.pyramid import count_levels
from training.masks.stack_writer import lacking_library, report_errors, split_path
from training.masks.tif_writer import check_folder

if TYPE_CHECKING:
    import zarr

ZARR_ENDINGS = (".zarr",)
OME_ZARR_VERSIONS = ("0.5", "0.4")
CHUNK = 1024  # pixels along y and x
RECORD = "napari_unet"
"""The attribute that says how an image was made."""
_LABELS = "labels"


def check_zarr_output(path: Path, is_label: bool, overwrite: bool = False) -> None:
    """Refuse an OME-Zarr image or labels that can't be written.

    Raises
    ------
    UserError
        If something else is there, or an image and ``overwrite`` is False; if it names something
        inside that is not ``labels/NAME``; if zarr is not installed; as
        :func:`tif_writer.check_folder`.
    """
    container, inner = _split(path)
    try:
        import zarr  # noqa: F401
    except ImportError:
        raise lacking_library(path, "OME-Zarr", "zarr") from None
    parts = inner.split("/") if inner else []
    if parts and not (is_label and len(parts) == 2 and parts[0] == _LABELS):
        names = f"{container} or {container}/{_LABELS}/NAME" if is_label else str(container)
        raise UserError(f"{path} is not where OME-Zarr has such pixels.", f"Give {names}.")
    check_folder(container)
    if parts and container.exists():
        labels = container / _LABELS
        check_folder(path if labels.exists() else labels)
    if container.exists() and _version_of(container) is None:
        raise UserError(f"{container} is there, and is not a Zarr group.", "Choose another name.")
    if path.exists() and not overwrite:
        raise UserError(f"{path} exists already.", "Choose another name, or use --overwrite.")


def partial_folder(path: Path) -> Path:
    """Name the folder that an image or labels grow in, chunk by chunk, until they are whole."""
    container, inner = _split(path)
    name = inner.rpartition("/")[2]
    return container.with_name(f"{container.stem}{'-' if name else ''}{name}.partial.zarr")


class ZarrImage:
    """An image ``a.zarr``, or labels ``a.zarr/labels/NAME``, to be written.

    Chunks are of one slice, and each smaller size is half as high and wide. Labels of a path
    without a name inside get the folder's, in a new group; labels with a name go beside those of
    a group that is there, in its version.

    Parameters
    ----------
    path, shape, dtype, pixel_size, offset
        As :class:`StackWriter`.
    is_label : bool
        Whether the pixels are labels, which have no mean.
    compression : str or None
        None: uncompressed; else labels of 8 bits by Blosc's LZ4 of their bits, others by Zarr's
        own choice.
    overwrite : bool
        Replace what is there under the path.
    version : str
        Of OME-Zarr: 0.5, in Zarr 3, or 0.4, in Zarr 2.
    has_levels : bool
        Whether smaller sizes are written, too.
    classes : LabelClasses
        What labels are; their names and colours are those of OME-Zarr's ``image-label``.

    Attributes
    ----------
    container, place : Path
        The folder ``a.zarr``, and the one that is written: the same, or one in it.
    version : str
        Of OME-Zarr, as it is written.

    Raises
    ------
    UserError
        As :func:`check_zarr_output`.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, int, int],
        dtype: Any,
        *,
        is_label: bool,
        compression: str | None = "zlib",
        pixel_size: PixelSize | None = None,
        offset: Offset = NO_OFFSET,
        overwrite: bool = False,
        version: str = "0.5",
        has_levels: bool = True,
        classes: LabelClasses = NO_CLASSES,
    ) -> None:
        self._classes = classes
        self.path, self.shape, self.dtype = path, shape, np.dtype(dtype)
        self.is_label, self._is_compressed = is_label, compression is not None
        self.overwrite, self._has_levels = overwrite, has_levels
        self.check()
        self._pixel_size = pixel_size
        self._offset = NO_OFFSET if pixel_size is None else offset
        self.container, inner = _split(path)
        self._name = inner.rpartition("/")[2] or self.container.stem
        self._is_added = bool(inner) and self.container.exists()
        self.place = self.container / _LABELS / self._name if self._is_added else self.container
        found = _version_of(self.container) if self._is_added else None
        self.version = found or version

    @property
    def group_file(self) -> str:
        """The file by which a folder is a group."""
        return ".zgroup" if self.version == "0.4" else "zarr.json"

    def check(self) -> None:
        """Refuse what can't be written, see :func:`check_zarr_output`."""
        check_zarr_output(self.path, self.is_label, self.overwrite)

    def create(self, folder: Path, record: dict[str, Any] | None = None) -> list[zarr.Array[Any]]:
        """Make the groups and the empty arrays of all sizes in a new folder.

        Parameters
        ----------
        record : dict, optional
            What the image's attributes say of how it was made.
        """
        if self.is_label and not self._is_added:
            self._create_group(folder, {})
            self._list_name(folder / _LABELS)
        _, height, width = self.shape
        levels = count_levels(height, width) if self._has_levels else 1
        group = self._create_group(self.group_in(folder), self._image_metadata(levels), record)
        options: dict[str, Any] = {"config": {"write_empty_chunks": True}, "fill_value": 0}
        if self.version == "0.4":
            options["chunk_key_encoding"] = {"name": "v2", "separator": "/"}
        else:
            options["dimension_names"] = ("z", "y", "x")
        if not self._is_compressed:
            options["compressors"] = None
        elif self.is_label and self.dtype.itemsize == 1:
            options["compressors"] = _mask_compressor(is_old=self.version == "0.4")
        arrays = []
        for level in range(levels):
            shape = (self.shape[0], height, width)
            chunks = (1, min(height, CHUNK), min(width, CHUNK))
            array = group.create_array(
                str(level), shape=shape, dtype=self.dtype, chunks=chunks, **options
            )
            arrays.append(array)
            height, width = -(-height // 2), -(-width // 2)
        return arrays

    def list_added(self) -> None:
        """Name labels that were put into their place beside those of a group.

        In its consolidated metadata too, where it has some: readers see nothing else then.
        """
        if self._is_added:
            with report_errors(self.path):
                self._list_name(self.container / _LABELS)
                _consolidate_again(self.container)

    def group_in(self, folder: Path) -> Path:
        """Find the image's own group in the folder that takes its place."""
        is_inside = self.is_label and not self._is_added
        return folder / _LABELS / self._name if is_inside else folder

    def _create_group(
        self, folder: Path, metadata: dict[str, Any], record: dict[str, Any] | None = None
    ) -> zarr.Group:
        """Make a group whose metadata are those of OME-Zarr, in the place that its version says."""
        import zarr

        is_old = self.version == "0.4"
        attributes = metadata if is_old else {"ome": {"version": self.version, **metadata}}
        attributes = attributes if metadata else {}
        if record is not None:
            attributes[RECORD] = record
        return zarr.create_group(folder, zarr_format=2 if is_old else 3, attributes=attributes)

    def _list_name(self, folder: Path) -> None:
        """Name the labels in the group of all labels, which is made if there is none."""
        import zarr

        if not _version_of(folder):
            self._create_group(folder, {_LABELS: [self._name]})
            return
        group = zarr.open_group(folder, mode="r+")
        attributes: dict[str, Any] = dict(group.attrs)
        ome = attributes if self.version == "0.4" else attributes.setdefault("ome", {})
        names = ome.setdefault(_LABELS, [])
        if self._name not in names:
            names.append(self._name)
            group.attrs.put(attributes)

    def _image_metadata(self, levels: int) -> dict[str, Any]:
        size = self._pixel_size or PixelSize(None, 1.0, 1.0)
        units = {"z": size.z is not None, "y": self._pixel_size is not None}
        units["x"] = units["y"]
        axes = [
            {"name": axis, "type": "space"} | ({"unit": "nanometer"} if is_known else {})
            for axis, is_known in units.items()
        ]
        datasets = [
            {"path": str(level), "coordinateTransformations": steps}
            for level in range(levels)
            for steps in [_transformations(size, self._offset, 2**level)]
        ]
        multiscale: dict[str, Any] = {"name": self._name, "axes": axes, "datasets": datasets}
        multiscale["type"] = "mode" if self.is_label else "mean"
        is_old = self.version == "0.4"
        version = {"version": self.version} if is_old else {}
        metadata: dict[str, Any] = {"multiscales": [version | multiscale]}
        if self.is_label:
            source = {"source": {"image": "../../"}} if self._is_added else {}
            metadata["image-label"] = version | _describe_classes(self._classes) | source
        return metadata


def _mask_compressor(*, is_old: bool) -> Any:
    """Give what compresses masks in half the time that Zarr's own choice takes, and to less."""
    import numcodecs
    from zarr.codecs import BloscCodec

    if is_old:
        return numcodecs.Blosc("lz4", clevel=9, shuffle=numcodecs.Blosc.BITSHUFFLE)
    return BloscCodec(cname="lz4", clevel=9, shuffle="bitshuffle", typesize=1)


def _describe_classes(classes: LabelClasses) -> dict[str, Any]:
    """Give names and colours of labels as OME-Zarr has them, and all as :data:`CLASSES`."""
    if not classes:
        return {}
    return {
        CLASSES: classes.text,
        "colors": [
            {"label-value": member.value, "rgba": [*bytes.fromhex(member.color[1:]), 255]}
            for member in classes.members
        ],
        "properties": [
            {"label-value": member.value, "name": member.name} for member in classes.members
        ],
    }


def _transformations(size: PixelSize, offset: Offset, factor: int) -> list[dict[str, Any]]:
    """Say how large the pixels of a smaller size are, and where the centre of the first one is."""
    scale = {"type": "scale", "scale": [size.z or 1.0, size.y * factor, size.x * factor]}
    shift = (factor - 1) / 2
    z, y, x = offset
    starts = [z if size.z else 0.0, y + size.y * shift, x + size.x * shift]
    return [scale, {"type": "translation", "translation": starts}] if any(starts) else [scale]


def _consolidate_again(container: Path) -> None:
    """Bring a group's consolidated metadata up to date, where it has some."""
    import zarr

    try:
        group = zarr.open_group(container, mode="r+")
        if group.metadata.consolidated_metadata is not None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # Zarr 3 has no specification of them
                zarr.consolidate_metadata(group.store, zarr_format=group.metadata.zarr_format)
    except OSError:
        raise
    except Exception as error:  # zarr raises many kinds
        raise unreadable(container, error, "The consolidated metadata of ") from error


def _split(path: Path) -> tuple[Path, str]:
    return split_path(path, ZARR_ENDINGS) or (path, "")


def _version_of(folder: Path) -> str | None:
    """Find the version of OME-Zarr that a folder can have, by Zarr's; None if it is no group."""
    node = Node.read(folder, folder)
    if node is None or node.is_array:
        return None
    return "0.5" if node.version == 3 else "0.4"
