"""Which neurons to look at first, and why."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_unet.proofreading.body_index import Section
from napari_unet.proofreading.neurons import LEVEL, Neurons
from napari_unet.proofreading.operations import Point

LARGEST_CHANGE = 3.0  # times the area of the slice before
LEAST_AREA = 25  # pixels: smaller sections change often
LEAST_CONTACT = 12  # pixels of a border that is judged
DOUBTED_SHARE = 0.15  # of a neuron's pixels that may be membrane inside


@dataclass(frozen=True)
class Suspicion:
    """A reason to look at a neuron.

    Parameters
    ----------
    body : int
        Its id.
    point : (int, int, int)
        Where to look: z, y, x, in pixels of the labels.
    reason : str
        In words.
    score : float
        From 0 to 1, the worst.
    """

    body: int
    point: Point
    reason: str
    score: float


def find_suspicions(
    neurons: Neurons, on_slice: Callable[[int, int], None] = lambda *_: None
) -> list[Suspicion]:
    """List reasons to look at neurons, the worst first, one for each neuron and kind.

    Where slices are not linked, an id is another neuron on each, and none is doubted for that.

    Parameters
    ----------
    neurons : Neurons
        May be changed meanwhile.
    on_slice : callable, optional
        Called with the number of slices done and of all, and often; what it raises ends the search.
    """
    depth = len(neurons.labels)
    are_linked = neurons.index.are_slices_linked
    found: list[Suspicion] = []
    for body in neurons.index.ids:
        on_slice(0, depth)
        sections = dict(neurons.index.sections(body))
        found += _of_areas(neurons, body, sections) if are_linked else []
        found += _at_border(neurons, body, sections)
    bodies: dict[int, list[int]] = defaultdict(list)  # by slice
    for body in neurons.index.ids:
        for index in list(neurons.index.sections(body)):
            bodies[index].append(body)
    inside: dict[int, list[tuple[int, int]]] = defaultdict(list)  # by body: z, membrane pixels
    contacts: dict[tuple[int, int], list[NDArray[np.float64]]] = defaultdict(list)
    for index in range(depth):
        found += _in_parts(neurons, index, bodies[index])
        if neurons.membrane is not None:
            page, membrane = neurons.labels[index], np.asarray(neurons.membrane[index])
            for body, count in _count(page[membrane > LEVEL]):
                inside[body].append((index, count))
            _touch(contacts, page, membrane, index)
        on_slice(index + 1, depth)
    found += _of_membrane_inside(neurons, inside) + _of_contacts(contacts)
    return sorted(_worst_of_kinds(found), key=lambda item: -item.score)


def _of_areas(neurons: Neurons, body: int, sections: dict[int, Section]) -> list[Suspicion]:
    """One slice only, a slice without it, and a sudden change of area."""
    found = []
    indices = sorted(sections)
    if len(indices) == 1 and len(neurons.labels) > 1:
        index = indices[0]
        score = 0.5 + 0.1 * min(1.0, sections[index].area / 1000)
        found.append(_at(neurons, body, index, "is in one slice only", score))
    for former, latter in pairwise(indices):
        if latter - former > 1:
            text = f"is missing in {latter - former - 1} slices after slice {former}"
            found.append(_at(neurons, body, former, text, 0.6))
            continue
        areas = sorted((sections[former].area, sections[latter].area))
        if areas[0] >= LEAST_AREA and areas[1] > LARGEST_CHANGE * areas[0]:
            times = areas[1] / areas[0]
            text = f"changes its area {times:.1f} times from slice {former} to {latter}"
            found.append(_at(neurons, body, latter, text, 1 - LARGEST_CHANGE / times / 2))
    return found


def _at_border(neurons: Neurons, body: int, sections: dict[int, Section]) -> list[Suspicion]:
    _, height, width = neurons.labels.shape
    for index, section in sections.items():
        at_rim = section.top == 0 or section.left == 0
        if at_rim or section.bottom == height or section.right == width:
            return [_at(neurons, body, index, "touches the border of the image", 0.05)]
    return []


def _in_parts(neurons: Neurons, index: int, bodies: list[int]) -> list[Suspicion]:
    """Which of a slice's neurons are in several parts; specks are not counted."""
    from scipy import ndimage

    found = []
    page = neurons.labels[index]
    for body in bodies:
        section = neurons.index.sections(body).get(index)
        if section is None or section.area == _box_area(section):
            continue
        parts, _ = ndimage.label(page[section.box] == body, np.ones((3, 3)))
        sizes = np.sort(np.bincount(parts.ravel())[1:])[::-1]
        count = int((sizes >= LEAST_AREA).sum())
        if count > 1:
            score = min(0.95, 0.4 + float(sizes[1] / sizes[0]) / 2)
            text = f"has {count} parts in slice {index}"
            found.append(_at(neurons, body, index, text, score))
    return found


def _box_area(section: Section) -> int:
    return (section.bottom - section.top) * (section.right - section.left)


def _count(ids: NDArray[Any]) -> list[tuple[int, int]]:
    bodies, counts = np.unique(ids[ids > 0], return_counts=True)
    return list(zip(map(int, bodies), map(int, counts), strict=True))


def _touch(contacts: Any, page: NDArray[Any], membrane: NDArray[Any], index: int) -> None:
    """Note the probability of membrane on the border of each two neurons of a slice."""
    for axis in (0, 1):
        ids, heights = np.moveaxis(page, axis, 0), np.moveaxis(membrane, axis, 0)
        first, second, middle = ids[:-2], ids[2:], heights[1:-1]
        meets = (first != second) & (first > 0) & (second > 0)
        pairs = np.sort(np.stack([first[meets], second[meets]]), axis=0)
        places = np.stack(np.nonzero(meets))
        places[0] += np.where(first[meets] == pairs[0], 0, 2)  # in the neuron of the lower id
        if axis:
            places = places[::-1]
        table, inverse = np.unique(pairs, axis=1, return_inverse=True)
        inverse = inverse.ravel()
        totals = np.bincount(inverse, middle[meets], minlength=table.shape[1])
        counts = np.bincount(inverse, minlength=table.shape[1])
        one_each = np.zeros(table.shape[1], np.intp)
        one_each[inverse] = np.arange(len(inverse))
        for number, (low, high) in enumerate(table.T):
            y, x = places[:, one_each[number]]
            contacts[int(low), int(high)].append(
                np.array([totals[number], counts[number], index, y, x], float)
            )


def _of_contacts(contacts: dict[tuple[int, int], list[NDArray[np.float64]]]) -> list[Suspicion]:
    """Borders that hardly look like membrane: the two neurons may be one."""
    found = []
    for (low, high), rows in contacts.items():
        table = np.array(rows)
        count = table[:, 1].sum()
        mean = float(table[:, 0].sum() / count)
        if count >= LEAST_CONTACT and mean < LEVEL:
            place = table[table[:, 1].argmax(), 2:].astype(int)
            text = f"may be one with {high}: membrane between them has probability {mean:.2f}"
            point = (int(place[0]), int(place[1]), int(place[2]))
            found.append(Suspicion(low, point, text, 1 - mean / LEVEL / 2))
    return found


def _of_membrane_inside(
    neurons: Neurons, inside: dict[int, list[tuple[int, int]]]
) -> list[Suspicion]:
    """Neurons that membrane runs through: they may be several."""
    found = []
    for body, counts in inside.items():
        area = sum(section.area for section in neurons.index.sections(body).values())
        share = sum(count for _, count in counts) / max(1, area)
        if share > DOUBTED_SHARE and area >= LEAST_AREA:
            index = max(counts, key=lambda item: item[1])[0]
            text = f"may be several: {share:.0%} of it looks like membrane"
            found.append(_at(neurons, body, index, text, min(1.0, 0.4 + share)))
    return found


def _at(neurons: Neurons, body: int, index: int, reason: str, score: float) -> Suspicion:
    """Point at the neuron's pixel nearest to the middle of its section."""
    section = neurons.index.sections(body)[index]
    rows, columns = np.nonzero(neurons.labels[index][section.box] == body)
    if not len(rows):  # it was changed just now
        return Suspicion(body, (index, section.top, section.left), reason, score)
    middle = (section.bottom - section.top) / 2, (section.right - section.left) / 2
    nearest = int(np.hypot(rows - middle[0], columns - middle[1]).argmin())
    point = (index, int(rows[nearest]) + section.top, int(columns[nearest]) + section.left)
    return Suspicion(body, point, reason, score)


def _worst_of_kinds(found: list[Suspicion]) -> list[Suspicion]:
    """Keep the worst of each neuron and kind: one neuron fills no list."""
    worst: dict[tuple[int, str], Suspicion] = {}
    for item in found:
        key = item.body, item.reason.partition(" ")[0] + item.reason.partition(" ")[2][:3]
        if key not in worst or worst[key].score < item.score:
            worst[key] = item
    return list(worst.values())
