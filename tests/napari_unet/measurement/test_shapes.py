"""Meshes and skeletons, of shapes whose sizes are known, read again by other programs' readers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_unet.measurement import centre_lines
from napari_unet.measurement.measuring import measure
from napari_unet.measurement.report import objects_of
from napari_unet.measurement.shapes import skeleton_swc, write_shapes
from napari_unet.measurement.units import Units
from training.errors import UserError
from training.formats.pixel_size import PixelSize

SIZE = PixelSize(20.0, 10.0, 10.0)
RADIUS = 120.0  # nm, of a ball around CENTER (z, y, x)
CENTER = np.array([200.0, 160.0, 170.0])


def ball_and_tube() -> np.ndarray:
    """Ids (20, 32, 120) of int64: 7 is a ball, 2**40 a straight tube along x."""
    z, y, x = np.indices((20, 32, 120)) * np.array([20.0, 10.0, 10.0]).reshape(3, 1, 1, 1)
    ids = np.zeros(z.shape, np.int64)
    ids[(z - CENTER[0]) ** 2 + (y - CENTER[1]) ** 2 + (x - CENTER[2]) ** 2 < RADIUS**2] = 7
    is_tube = (z - 200) ** 2 + (y - 160) ** 2 <= 60**2
    ids[is_tube & (x >= 400) & (x < 1100)] = 2**40
    return ids


def write(folder: Path, form: str, ids: list[int] | None = None, **options: bool) -> list[Path]:
    pages, units = ball_and_tube(), Units.of(SIZE)
    objects = objects_of(measure(pages, pages.shape, units))
    return write_shapes(pages, objects, units.space, folder, form, ids=ids, **options)


@pytest.mark.parametrize("form", ["ply", "glb"])
def test_a_ball_s_mesh_is_closed_and_of_its_size_and_place(tmp_path: Path, form: str) -> None:
    trimesh = pytest.importorskip("trimesh")
    [path] = write(tmp_path / "meshes", form, [7])
    assert path == tmp_path / "meshes" / f"7.{form}"
    mesh = trimesh.load(path, force="mesh")
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(4 / 3 * np.pi * RADIUS**3, rel=0.05)
    assert mesh.area == pytest.approx(4 * np.pi * RADIUS**2, rel=0.12)  # steps of voxels
    assert mesh.center_mass == pytest.approx(CENTER[::-1], abs=3)


def test_a_tube_s_skeleton_is_its_axis(tmp_path: Path) -> None:
    [path] = write(tmp_path, "swc", [2**40])
    nodes = np.loadtxt(path)
    number, _, x, y, z, radius, parent = nodes.T
    assert np.count_nonzero(parent == -1) == 1
    assert (parent < number).all()
    ends = nodes[1:, 2:5], nodes[parent[1:].astype(int) - 1, 2:5]
    length = np.linalg.norm(ends[0] - ends[1], axis=1).sum()
    assert length == pytest.approx(700, abs=2 * 60 + 10)  # it ends within the tube
    middle = np.abs(x - 750) < 200
    assert np.abs(y[middle] - 160).max() <= 10
    assert np.abs(z[middle] - 200).max() <= 20
    assert radius[middle] == pytest.approx(65, abs=15)


def test_all_objects_are_written_and_none_is_replaced_unasked(tmp_path: Path) -> None:
    assert [path.name for path in write(tmp_path, "swc")] == ["7.swc", f"{2**40}.swc"]
    with pytest.raises(UserError, match=r"7\.swc exists already"):
        write(tmp_path, "swc")
    assert write(tmp_path, "swc", overwrite=True)
    with pytest.raises(UserError, match="There is no object 8"):
        write(tmp_path, "swc", [8])


def length_of_skeleton(is_object: np.ndarray, sides: tuple[float, ...]) -> float:
    lines = skeleton_swc(is_object, np.zeros(3), sides).decode().splitlines()
    nodes = np.loadtxt(lines, ndmin=2)
    parent = nodes[:, 6].astype(int)
    assert np.count_nonzero(parent == -1) == 1
    steps = nodes[parent > 0, 2:5] - nodes[parent[parent > 0] - 1, 2:5]
    return float(np.linalg.norm(steps, axis=1).sum())


@pytest.mark.parametrize("degrees", [0, 20, 45, 70, 90])
def test_a_tilted_tube_s_skeleton_has_its_length_in_nm(degrees: int) -> None:
    sides = (50.0, 10.0, 10.0)
    assert 1600 < length_of_skeleton(tilted_tube(degrees, sides), sides) < 1.12 * 1800


def test_a_large_object_has_fewer_cubes(monkeypatch: pytest.MonkeyPatch) -> None:
    sides = (50.0, 10.0, 10.0)
    is_tube = tilted_tube(45, sides)
    monkeypatch.setattr(centre_lines, "MOST_VOXELS", 3 * is_tube.size)
    assert 1600 < length_of_skeleton(is_tube, sides) < 1.5 * 1800
    monkeypatch.setattr(centre_lines, "MOST_VOXELS", 1)
    assert 1600 < length_of_skeleton(is_tube, sides) < 2 * 1800


def tilted_tube(degrees: int, sides: tuple[float, ...]) -> np.ndarray:
    """A tube (Z, Y, X) of bool, 1800 nm long, at so many degrees from the slices' normal."""
    tilt = np.radians(degrees)
    shape = (44, 24, 204)
    z, y, x = ((np.indices(shape)[axis] - (shape[axis] - 1) / 2) * sides[axis] for axis in range(3))
    along, beside = z * np.cos(tilt) + x * np.sin(tilt), z * np.sin(tilt) - x * np.cos(tilt)
    return (np.abs(along) <= 900) & (beside**2 + y**2 <= 90**2)


@pytest.mark.parametrize("thick", [1, 2, 3, 4])
def test_no_straight_bar_loses_its_skeleton(thick: int) -> None:
    is_bar = np.zeros((6, 6, 40), bool)
    is_bar[1 : 1 + thick, 1 : 1 + thick, 2:38] = True
    assert 30 <= length_of_skeleton(is_bar, (10.0, 10.0, 10.0)) / 10 <= 36


def test_a_thin_line_that_jumps_between_slices_stays_one() -> None:
    is_line = np.zeros((8, 5, 12), bool)
    is_line[np.arange(8), 2, 2 + np.arange(8)] = True  # its voxels touch by edges alone
    assert length_of_skeleton(is_line, (40.0, 10.0, 10.0)) >= 7 * 40
