"""``napari-unet measure``: sizes, shapes, contacts and intensities of labelled objects."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from napari_unet.cli.progress.progress_bar import ProgressBar
from napari_unet.cli.stacks.stack_part import pixel_size_option
from napari_unet.measurement.id_pages import ConnectedParts, IdPages, check_ids, no_objects
from napari_unet.measurement.measuring import Measured, measure
from napari_unet.measurement.report import (
    NO_PERIMETERS,
    PARTS_OF_CLASSES,
    objects_of,
    say_kinds,
)
from napari_unet.measurement.shapes import MESHES, check_shapes, write_shapes
from napari_unet.measurement.summary import describe, summarize
from napari_unet.measurement.tables import Table, contact_table, slice_table
from napari_unet.measurement.units import Units, size_doubt
from training.console import hint, list_names, say, warn
from training.dataset.cropped_stack import crop_to
from training.errors import UserError
from training.files.atomic_files import write_atomically
from training.formats.pixel_size import PixelSize
from training.formats.stack import Stack
from training.label_classes import NO_CLASSES, LabelClasses
from training.masks.mask_files import write_numbers
from training.masks.result_checks import check_kept, check_tables
from training.masks.writer_choice import check_stack_output
from training.model.stack_scale import StackScale
from training.opening import open_stack

_WIDEST_REACH = 50


@click.command()
@click.argument("labels", metavar="LABELS", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="TABLE.csv",
    required=True,
    type=click.Path(path_type=Path),
    help="The objects, a row each.",
)
@click.option(
    "--slices",
    metavar="FILE.csv",
    type=click.Path(path_type=Path),
    help="Write a row for each object in each slice.",
)
@click.option(
    "--contacts",
    metavar="FILE.csv",
    type=click.Path(path_type=Path),
    help="Write a row for each pair of objects that touch.",
)
@click.option(
    "--json",
    "json_path",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write the summary.",
)
@click.option(
    "--image",
    metavar="STACK",
    type=click.Path(path_type=Path),
    help="Measure the intensities of this image as well.",
)
@click.option(
    "--connected/--as-ids",
    default=None,
    help="connected: each connected part of a value is an object, as in a mask. as-ids: each value "
    "is one, even if there is only one value.  [default: of named classes connected, else as ids; "
    "a mask is refused]",
)
@click.option(
    "--classes",
    default="",
    metavar="NAMES",
    help="What the values are, as train has it: membrane,mitochondria are 1 and 2.  [default: as "
    "the file names them]",
)
@click.option(
    "--numbered",
    metavar="LABELS",
    type=click.Path(path_type=Path),
    help="Write the parts by their ids, with --connected: NAME.tif, NAME.zarr or NAME.h5/DATASET.",
)
@click.option(
    "--meshes",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write the surface of each object, as ID.ply.",
)
@click.option(
    "--mesh-form",
    type=click.Choice(MESHES),
    help=f"Of the files of --meshes.  [default: {MESHES[0]}]",
)
@click.option(
    "--skeletons",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Write the centre lines of each object, as ID.swc.",
)
@click.option(
    "--ids",
    metavar="1,2,3",
    help="Write meshes and skeletons of these objects alone.",
)
@click.option(
    "--reach",
    metavar="PIXELS",
    type=click.IntRange(0, _WIDEST_REACH),
    default=1,
    show_default=True,
    help="Objects touch where they do so after growing by so many pixels into 0, within slices.",
)
@pixel_size_option
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def command(
    labels: Path,
    output: Path,
    slices: Path | None,
    contacts: Path | None,
    json_path: Path | None,
    image: Path | None,
    connected: bool | None,
    classes: str,
    numbered: Path | None,
    meshes: Path | None,
    mesh_form: str | None,
    skeletons: Path | None,
    ids: str | None,
    reach: int,
    pixel_size: PixelSize | None,
    overwrite: bool,
) -> None:
    """Measure the objects in labels, such as neurons that segment found.

    LABELS is a stack or a 2-D image of ids: each object has a number above 0. Of each object there
    are volume, surface, diameters, centroid, bounding box and neighbours; of each in a slice area
    and perimeter as well. Units are in the names of the columns: nm, um2 and um3 by the pixel
    size, px where it is not known.

    Slices are read one by one, so the stack may be larger than the memory.

    \b
    Examples:
      napari-unet measure neurons.tif -o neurons.csv
      napari-unet measure neurons.tif -o neurons.csv --slices slices.csv --contacts contacts.csv
      napari-unet measure mitochondria.tif -o mitochondria.csv --connected --image stack.tif
      napari-unet measure neurons.zarr -o neurons.csv --pixel-size 50,4,4 --json summary.json
      napari-unet measure neurons.tif -o neurons.csv --meshes meshes --skeletons lines --ids 3,17
    """
    tables = [path for path in (output, slices, contacts, json_path) if path is not None]
    check_tables(tables, overwrite)
    if numbered is not None:
        check_stack_output(numbered, is_label=True, overwrite=overwrite)
    results = [*tables, *([] if numbered is None else [numbered])]
    check_kept(results, [labels], what="labels")
    check_kept(results, [] if image is None else [image], "the image itself")
    named = LabelClasses.parse(classes)
    shapes = _shapes(meshes, mesh_form, skeletons)
    wanted = _parse_ids(ids, shapes)
    with open_stack(labels, "labels") as stack, _opened_image(image, stack) as pixels:
        scale = StackScale(pixel_size=pixel_size)
        size = scale.size_of(stack) or (None if pixels is None else pixels.pixel_size)
        _tell_units(stack, size)
        if pixels is not None and pixel_size is None:
            about = str(stack.path), size, str(pixels.path), pixels.pixel_size
            warn(size_doubt(*about, "If so, give the right size: --pixel-size."))
        pages = _pages(stack, connected, named)
        if numbered is not None and isinstance(pages, IdPages):
            raise UserError(
                "--numbered is for connected parts.", "Add --connected, or leave it out."
            )
        measured = _measure(pages, stack, pixels, Units.of(size), reach)
        if numbered is not None and isinstance(pages, ConnectedParts):
            place = {"pixel_size": size, "offset": stack.offset, "overwrite": overwrite}
            write_numbers(numbered, pages, pages.largest, **place)
        table = say_kinds(_objects(measured), pages)
        for form, folder in shapes.items():
            with ProgressBar(desc=f"Writing {folder}", unit="object", leave=False) as bar:
                options = {"ids": wanted, "overwrite": overwrite, "on_object": bar.update}
                write_shapes(pages, table, measured.units.space, folder, form, **options)
    summary = summarize(measured, table, pages.classes)
    texts = {output: table.to_csv()}
    if slices is not None:
        texts[slices] = say_kinds(slice_table(measured), pages).to_csv()
    if contacts is not None:
        texts[contacts] = contact_table(measured).to_csv()
    if json_path is not None:
        texts[json_path] = json.dumps({"labels": str(labels), **summary}, indent=2) + "\n"
    for path, text in texts.items():
        write_atomically(path, text.encode(), overwrite=overwrite, follow_links=True)
    for line in describe(summary):
        say(line)
    say(f"Saved {list_names([str(path) for path in (output, *shapes.values())])}.")


def _shapes(meshes: Path | None, mesh_form: str | None, skeletons: Path | None) -> dict[str, Path]:
    """Give the folder of each form of files that are wanted of single objects."""
    if mesh_form is not None and meshes is None:
        raise UserError("--mesh-form is that of the files of --meshes.", "Add --meshes.")
    wanted = {mesh_form or MESHES[0]: meshes, "swc": skeletons}
    found = {form: folder for form, folder in wanted.items() if folder is not None}
    for form, folder in found.items():
        check_shapes(form)
        if folder.exists() and not folder.is_dir():
            raise UserError(f"{folder} is a file.", "Name a folder, which gets a file per object.")
    return found


def _parse_ids(text: str | None, shapes: dict[str, Path]) -> list[int] | None:
    """Read numbers of objects with commas between; None: all."""
    if text is None:
        return None
    if not shapes:
        raise UserError("--ids is for meshes and skeletons.", "Add --meshes or --skeletons.")
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise UserError(f"--ids '{text}' is no list of ids.", "Give numbers, such as 1,2,3.")
    return [*dict.fromkeys(map(int, parts))]


def _pages(stack: Stack, connected: bool | None, named: LabelClasses) -> IdPages | ConnectedParts:
    noted = NO_CLASSES if stack.label_note is None else stack.label_note.classes
    ids = IdPages(stack, str(stack.path), named or noted)
    if connected is None and ids.classes:
        hint(PARTS_OF_CLASSES)
    if ids.classes if connected is None else connected:
        with ProgressBar(total=len(stack), desc="Connecting", unit="slice", leave=False) as bar:
            return ConnectedParts(ids, bar.update)
    if connected is None:
        hint(check_ids(ids))
    return ids


def _measure(
    pages: IdPages | ConnectedParts, stack: Stack, pixels: Stack | None, units: Units, reach: int
) -> Measured:
    with ProgressBar(total=len(stack), desc="Measuring", unit="slice", leave=False) as bar:
        measured = measure(
            pages, stack.shape, units, image=pixels, reach=reach, on_slice=bar.update
        )
    if not any(len(regions.columns["id"]) for regions in measured.slices):
        raise no_objects(pages.name)
    return measured


def _objects(measured: Measured) -> Table:
    with ProgressBar(desc="Measuring diameters", unit="object", leave=False) as bar:
        return objects_of(measured, bar.update)


@contextmanager
def _opened_image(path: Path | None, labels: Stack) -> Iterator[Stack | None]:
    if path is None:
        yield None
        return
    with open_stack(path) as whole:
        image = crop_to(whole, labels)
        if image.shape != labels.shape:
            raise UserError(
                f"{path} has the shape {image.shape}, {labels.path} {labels.shape}.",
                "Give the image that the labels are of.",
            )
        yield image


def _tell_units(labels: Stack, size: PixelSize | None) -> None:
    if size is None:
        hint(
            f"The pixel size of {labels.path} is not known: all is measured in pixels, as if "
            "voxels were cubes. Give it: --pixel-size."
        )
        return
    if size.z is None and len(labels) > 1:
        hint(
            f"The distance of the slices of {labels.path} is not known: volumes, surfaces and "
            "diameters in space are in pixels, as if voxels were cubes. Give it: --pixel-size "
            "Z,Y,X."
        )
    if not Units.of(size).has_square_pixels:
        hint(NO_PERIMETERS)
