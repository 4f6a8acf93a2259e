"""Surfaces and centre lines of objects, one file each, for other programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.measurement.centre_lines import centre_lines
from napari_unet.measurement.tables import Table
from napari_unet.measurement.units import Scale
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.stacks.scaling import Slices

MESHES, SKELETONS = ("ply", "glb"), ("swc",)
_CORNERS_TOUCH = 1.8  # voxels: more than the diagonal of a cube, less than two voxels
_UNDEFINED = 0  # SWC's number for a neurite of no known kind


def check_shapes(form: str) -> None:
    """Refuse a form whose library is not installed.

    Raises
    ------
    UserError
    """
    if form not in MESHES:
        return
    try:
        import trimesh  # noqa: F401
    except ImportError as error:
        raise UserError(
            "Meshes are written by trimesh, which is not installed.",
            "Install it: pip install 'napari-unet-mindspore[meshes]'.",
        ) from error


def write_shapes(
    pages: Slices,
    objects: Table,
    scale: Scale,
    folder: Path,
    form: str,
    *,
    ids: list[int] | None = None,
    overwrite: bool = False,
    on_object: Callable[[], object] = lambda: None,
) -> list[Path]:
    """Write a file for each object, named by its id; each takes memory for its box alone.

    Parameters
    ----------
    pages : slices (Y, X) of int64 or uint64
        Ids.
    objects : Table
        Of ``object_table``: where each object is.
    scale : Scale
        Of a voxel; coordinates x, y, z are in nm by it, or in pixels.
    folder : Path
        Made where it is not there.
    form : str
        "ply" or "glb" for closed surfaces, "swc" for skeletons.
    ids : list of int or None
        Which objects; None: all.
    overwrite : bool
        Whether files that are there are replaced.
    on_object : callable
        Called before each object; what it raises ends the work.

    Raises
    ------
    UserError
        If an id is of no object, a file exists, or a library is missing.
    """
    check_shapes(form)
    if "z_start_px" not in objects.columns:
        raise UserError("One slice has no surfaces and no skeletons.", "Give a stack of slices.")
    rows = _rows_of(objects, ids)
    names = [folder / f"{objects.columns['object'][row]}.{form}" for row in rows]
    for path in names if not overwrite else []:
        if path.exists():
            raise UserError(f"{path} exists already.", "Give another folder, or overwrite it.")
    make = skeleton_swc if form in SKELETONS else mesh_bytes
    for row, path in zip(rows, names, strict=True):
        on_object()
        box = [
            slice(*(int(objects.columns[f"{axis}_{end}_px"][row]) for end in ("start", "stop")))
            for axis in "zyx"
        ]
        number = objects.columns["object"][row]
        crop = np.stack(
            [pages[z][box[1], box[2]] == number for z in range(box[0].start, box[0].stop)]
        )
        start = np.array([part.start for part in box], np.float64)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, make(crop, start, scale.sides, form), overwrite=overwrite)
    return names


def mesh_bytes(
    is_object: NDArray[np.bool_], start: NDArray[np.float64], sides: tuple[float, ...], form: str
) -> bytes:
    """Write the surface of an object as a mesh, whose coordinates are x, y, z.

    Parameters
    ----------
    is_object : array (Z, Y, X) of bool
        Its box.
    start : array (3,) of float64
        The box's first voxel (Z, Y, X).
    sides : tuple of float
        Of a voxel (Z, Y, X).
    form : str
        "ply" or "glb".
    """
    import trimesh
    from skimage.measure import marching_cubes

    padded = np.pad(is_object, 1).astype(np.float32)
    vertices, faces, _, _ = marching_cubes(padded, 0.5)  # type: ignore[no-untyped-call]
    places = (vertices.astype(np.float64) + start - 1) * sides
    mesh = trimesh.Trimesh(places[:, ::-1], faces, process=False)
    if mesh.volume < 0:  # z, y, x as x, y, z is a mirror image
        mesh.invert()
    written: Any = mesh.export(file_type=form)
    return bytes(written)


def skeleton_swc(
    is_object: NDArray[np.bool_], start: NDArray[np.float64], sides: tuple[float, ...], _: str = ""
) -> bytes:
    """Write the centre lines of an object as trees in SWC, with the distance to its surface.

    The lines are those of :func:`centre_lines`; of a ring, one of its voxels' connections is cut,
    because SWC has trees alone.

    Parameters
    ----------
    is_object : array (Z, Y, X) of bool
        Its box.
    start : array (3,) of float64
        The box's first voxel (Z, Y, X).
    sides : tuple of float
        Of a voxel (Z, Y, X).
    """
    from scipy.ndimage import distance_transform_edt, map_coordinates

    padded = np.pad(is_object, 1)
    distances = distance_transform_edt(padded, sampling=sides)
    cubes, centers = centre_lines(padded, sides)
    radii = map_coordinates(distances, centers.T, order=1)
    places = (centers + start - 1) * sides
    order, parents = _trees(cubes, places)
    numbers = np.empty(len(order), np.int64)
    numbers[order] = np.arange(1, len(order) + 1)
    lines = ["# x y z and radius in the units of the labels"]
    for node in order.tolist():
        parent = int(numbers[parents[node]]) if parents[node] >= 0 else -1
        z, y, x = places[node]
        place = f"{x:.10g} {y:.10g} {z:.10g} {radii[node]:.6g}"
        lines.append(f"{numbers[node]} {_UNDEFINED} {place} {parent}")
    return ("\n".join(lines) + "\n").encode()


def _trees(
    voxels: NDArray[np.int64], places: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Order the voxels (N, 3) of lines, each after its parent, and give the parents; -1: none."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import (
        breadth_first_order,
        connected_components,
        minimum_spanning_tree,
    )
    from scipy.spatial import cKDTree

    pairs = cKDTree(voxels).query_pairs(_CORNERS_TOUCH, output_type="ndarray")
    lengths = np.linalg.norm(places[pairs[:, 0]] - places[pairs[:, 1]], axis=1)
    count = len(voxels)
    ends = tuple(pairs.T.astype(np.int32))  # SciPy takes no wider indices before 1.15
    graph = coo_array((lengths, ends), shape=(count, count)).tocsr()
    tree = minimum_spanning_tree(graph)
    degrees = np.bincount(np.concatenate(tree.nonzero()), minlength=count)
    _, parts = connected_components(tree, directed=False)
    order, parents = [], np.full(count, -1, np.int64)
    # The root is an end of the line, where there is one.
    ends = np.lexsort((np.arange(count), degrees))
    _, first = np.unique(parts[ends], return_index=True)
    for root in ends[first].tolist():
        nodes, before = breadth_first_order(tree, root, directed=False)
        order.append(nodes)
        parents[nodes[1:]] = before[nodes[1:]]
    return np.concatenate(order).astype(np.int64), parents


def _rows_of(objects: Table, ids: list[int] | None) -> list[int]:
    rows = {number: row for row, number in enumerate(objects.columns["object"].tolist())}
    missing = [number for number in ids or [] if number not in rows]
    if missing:
        raise UserError(f"There is no object {missing[0]}.", "Give ids of the table.")
    return [*rows.values()] if ids is None else [rows[number] for number in ids]
