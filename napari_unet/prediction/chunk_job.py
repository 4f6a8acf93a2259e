"""What a prediction to Zarr is made of, and how: for whichever process does a share of it."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_unet.prediction.chunk_prediction import ChunkPrediction, Outcome
from napari_unet.prediction.chunk_record import describe_job, find_differences
from napari_unet.prediction.freed_memory import keep_freed_memory
from napari_unet.prediction.predictor import Predictor, load_predictor
from training import __version__
from training.errors import UserError
from training.formats.stack import Stack
from training.label_convention import LabelConvention
from training.masks.result_files import is_begun, make_result, result_pixels
from training.masks.shares import WHOLE, Share
from training.masks.writer_choice import open_chunks
from training.model.stack_part import Bounds, StackPart
from training.model.stack_scale import StackScale
from training.opening import open_stack
from training.stacks.intensities import Membranes

if TYPE_CHECKING:
    from training.masks.zarr_chunks import ZarrChunks

_OPTIONS = {"of_class": "--class"}


@dataclass(frozen=True)
class ChunkJob:
    """The prediction of a stack into Zarr folders; another process can be sent it.

    Parameters
    ----------
    model, stack : Path
        As :func:`load_predictor` and :func:`open_stack` take them.
    computed_by : dict
        ``engine``, ``device``, ``precision``, ``tta`` and ``of_class`` of the predictor.
    results : mapping of str to Path
        Zarr folders, by kind: see :class:`ResultFiles`.
    region : tuple of (int, int or None)
        The part that is predicted.
    scale : StackScale
    membranes : Membranes
    threshold : float
        Probability from which on a pixel is membrane.
    convention : LabelConvention
        Of the mask.
    written : dict
        ``compression``, ``overwrite`` and ``ome_zarr`` of :func:`open_chunks`.
    memory : float or None
        Bytes that a process may take; None: half of what is free.
    probability_dtype : str
        One of :data:`PROBABILITY_DTYPES`.
    class_thresholds : dict of str to float
        Of some of the model's classes, see :meth:`LabelClasses.decide`.
    purpose : dict
        What is made of the results, by names of options: with others nobody goes on.
    """

    model: Path
    stack: Path
    computed_by: dict[str, Any]
    results: Mapping[str, Path]
    region: Bounds
    scale: StackScale
    membranes: Membranes
    threshold: float
    convention: LabelConvention
    written: dict[str, Any]
    memory: float | None
    probability_dtype: str = "float32"
    class_thresholds: dict[str, float] = field(default_factory=dict)
    purpose: dict[str, Any] = field(default_factory=dict)

    def anywhere(self, predictor: Predictor) -> ChunkJob:
        """Give the same job to a process that has another working folder, or processor.

        Parameters
        ----------
        predictor : Predictor
            As it is loaded here.
        """
        computed_by = self.computed_by | {"precision": predictor.precision}
        results = {kind: path.absolute() for kind, path in self.results.items()}
        return replace(
            self,
            model=self.model.absolute(),
            stack=self.stack.absolute(),
            computed_by=computed_by,
            results=results,
        )

    def load_predictor(self, threads: int = 0) -> Predictor:
        """Load the model, to be computed by so many threads; errors as :func:`load_predictor`."""
        return load_predictor(self.model, threads=threads, **self.computed_by)

    @contextmanager
    def open(
        self, predictor: Predictor, share: Share = WHOLE, *, turns: Sequence[str] | None = None
    ) -> Iterator[ChunkPrediction]:
        """Open the stack and the results, and begin these if nobody has.

        Parameters
        ----------
        predictor : Predictor
            Of this job's model.
        share : Share
            Which of the slices this process does.
        turns : sequence of str, optional
            Those of the process that this one helps; none: keep others from doing the same share.

        Raises
        ------
        UserError
            As :class:`ChunkPrediction` and :meth:`ZarrChunks.hold`.
        """
        keep_freed_memory()
        with open_stack(self.stack) as stack, ExitStack() as opened:
            part = StackPart(stack, self.region, self.scale)
            record = self.describe(predictor, stack, part)
            options = part.place | self.written
            classes = predictor.classes
            options |= {"classes": classes} if classes else {}
            made = self._find_made(part.shape, record)
            for folder in made.values():
                folder.remove_locks()
            chunks = {
                kind: open_chunks(
                    path, part.shape, **result_pixels(kind, self.probability_dtype), **options
                )
                for kind, path in self.results.items()
                if kind not in made
            }
            if turns is None:
                for folder in chunks.values():
                    opened.enter_context(folder.hold(share))
            else:
                for folder, turn in zip(chunks.values(), turns, strict=True):
                    folder.help(turn)
            with ExitStack() as beginning:
                if turns is None:
                    for folder in chunks.values():
                        beginning.enter_context(folder.alone())
                prediction = ChunkPrediction(
                    predictor,
                    stack,
                    part,
                    self.scale.zoom(predictor.card, stack),
                    self.membranes,
                    chunks,
                    partial(
                        make_result,
                        chunks,
                        threshold=self.threshold,
                        convention=self.convention,
                        probability_dtype=self.probability_dtype,
                        classes=classes,
                        class_thresholds=self.class_thresholds,
                    ),
                    record,
                    self.memory,
                    share,
                )
            yield prediction

    def describe(self, predictor: Predictor, stack: Stack, part: StackPart) -> dict[str, Any]:
        """Say what the results depend on, but their kinds; the stack and its part are open."""
        return describe_job(predictor.digest, stack, self._named(part, predictor))

    def _find_made(
        self, shape: tuple[int, int, int], record: dict[str, Any]
    ) -> dict[str, ZarrChunks]:
        """Find the results that a run had given their names when it was killed before the last.

        What was not made just so is not one of them.
        """
        if self.written["overwrite"] or not is_begun(self.results.values()):
            return {}
        options = self.written | {"overwrite": True}
        made = {}
        for kind, path in self.results.items():
            pixels = result_pixels(kind, self.probability_dtype)
            chunks = open_chunks(path, shape, **pixels, **options)
            found = chunks.read_made()
            if found is not None and not find_differences(found, record | {"kind": kind}):
                made[kind] = chunks
        return made

    def _named(self, part: StackPart, predictor: Predictor) -> dict[str, Any]:
        """Give the options that a prediction depends on, as a person names them."""
        size = part.pixel_size  # the file's, where none is given: it may be mended meanwhile
        sides = [] if size is None else [size.z, size.y, size.x]
        return {
            **{_OPTIONS.get(name, f"--{name}"): value for name, value in self.computed_by.items()},
            "--precision": predictor.precision,  # another processor's choice may be another
            "--region": [[found.start, found.stop] for found in (part.indices, *part.window)],
            "--resample": self.scale.resample,
            "--pixel-size": [side for side in sides if side is not None] or None,
            "--membranes": self.membranes.value,
            "--threshold": self.class_thresholds or self.threshold,
            "--convention": self.convention.value,
            "--probability-dtype": self.probability_dtype,
            "--compression": self.written["compression"],
            "--ome-zarr": self.written["ome_zarr"],
            **self.purpose,
        }


class WorkerError(UserError):
    """A worker can't do any slice of a job."""

    def __init__(self, problem: str, remedy: str) -> None:
        told = f"A worker on {platform.node()} can't take part: {problem}"
        super().__init__(told, remedy)


@dataclass(frozen=True)
class SliceWork:
    """Predicts slices of a job in a process that keeps the model and the stack open.

    No two commands have the same: files of the same names may have changed since.

    Parameters
    ----------
    job : ChunkJob
    turns : tuple of str
        Those of its results, which this process does not hold.
    version : str
        Of the package that sends it.
    """

    job: ChunkJob
    turns: tuple[str, ...]
    version: str = __version__

    @contextmanager
    def open(self, threads: int) -> Iterator[Callable[[Sequence[int]], Outcome]]:
        """Load what each batch of slices needs.

        Raises
        ------
        WorkerError
            If this process can't.
        """
        with ExitStack() as opened:
            try:
                if self.version != __version__:
                    raise UserError(
                        f"It has version {__version__} of this package, and is sent work of "
                        f"version {self.version}.",
                        "Install the same version everywhere.",
                    )
                predictor = self.job.load_predictor(threads)
                prediction = opened.enter_context(self.job.open(predictor, turns=self.turns))
            except UserError as error:
                raise WorkerError(error.problem, error.remedy) from error
            yield prediction.predict_batch
