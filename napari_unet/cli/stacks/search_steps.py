"""The steps of a search for neurons, by threads of this process or by workers."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from itertools import islice, product
from typing import Any

from napari_unet.cluster import Workers
from napari_unet.neurons.chunk_neurons import ChunkNeurons, SearchStep, Step
from napari_unet.prediction.chunk_prediction import ChunkPrediction
from training.errors import UserError

_STEPS_A_PART = 2  # a block is about as large: it is flooded, and what is found is drawn


@dataclass(frozen=True)
class SearchSteps:
    """Does the steps of a search, each of which gives how much it adds to the progress.

    Parameters
    ----------
    search : ChunkNeurons
    threads : int
        Of this process, that work side by side.
    workers : Workers or None
        Who does them; None: this process.
    """

    search: ChunkNeurons
    threads: int
    workers: Workers | None

    def find(
        self, prediction: ChunkPrediction, slices: Iterable[int], unmerged: set[int]
    ) -> Iterator[int]:
        """Find the regions of slices that could be predicted.

        Where merges were learned, those of ``unmerged`` are merged whose neighbours are there, and
        leave it.
        """
        found = [index for index in slices if prediction.has_slice(index)]
        yield from self.do("flood", product(found, self.search.blocks))
        for index in found:
            prediction.drop_slice(index)
        yield from self.do("join", found)
        if self.search.is_learned:
            found = list(filter(self.search.can_describe, sorted(unmerged)))
            unmerged.difference_update(found)
        yield from self.merge(found)

    def find_meanwhile(
        self,
        predicting: Generator[int],
        prediction: ChunkPrediction,
        batches: Iterable[range],
        unmerged: set[int],
    ) -> Iterator[int]:
        """Find the regions of some slices while this process predicts the next ones.

        Parameters
        ----------
        predicting : generator of int
            Predicts the missing parts of all batches, one after the other.
        prediction, unmerged
            As of :meth:`find`.
        batches : iterable of range
        """
        missing = prediction.count_missing(prediction.slices)
        waiting: deque[Iterator[int]] = deque()
        with closing(predicting), closing(_work_off(waiting)) as finding:
            for batch in batches:
                # Fewer where a slice can't be read: then those of the next ones are awaited.
                parts = sum(missing.get(index, 0) for index in batch)
                for done in islice(predicting, parts):
                    yield done
                    yield from islice(finding, _STEPS_A_PART)
                while len(waiting) > 1:
                    yield next(finding)
                waiting.append(self.find(prediction, batch, unmerged))
            while waiting:
                yield next(finding)

    def merge(self, slices: Sequence[int]) -> Iterator[int]:
        """Merge the regions of slices as was learned, if anything was, and draw what is found."""
        blocks = self.search.blocks
        left = [index for index in slices if not self.search.is_merged(index)]
        yield from self.do("describe", product(left, blocks))
        yield from self.do("merge", left)
        yield from self.do("draw", product(slices, blocks))

    def do(self, step: Step, tasks: Iterable[Any]) -> Iterator[int]:
        """Do a step of all tasks.

        Raises
        ------
        UserError
            If one of them can't be done.
        """
        if self.workers is None:
            for _ in in_threads(getattr(self.search, step), tasks, self.threads):
                yield 1
            return
        for task, result in self.workers.run(SearchStep(self.search, step), tasks):
            if isinstance(result, UserError):
                raise result
            if isinstance(result, Exception):
                raise UserError(
                    f"Neurons of slice and block {task} can't be found: {result}.",
                    "Give fewer --workers, or more memory, and the same command to go on.",
                ) from result
            yield 1


def in_threads(step: Callable[[Any], None], tasks: Iterable[Any], threads: int) -> Generator[None]:
    """Do tasks in threads; few of them wait at a time."""
    waiting: deque[Future[None]] = deque()
    with ThreadPoolExecutor(threads) as executor:
        try:
            for task in tasks:
                waiting.append(executor.submit(step, task))
                if len(waiting) > 2 * threads:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        except BaseException:
            executor.shutdown(wait=False, cancel_futures=True)
            raise


def _work_off(waiting: deque[Iterator[int]]) -> Generator[int]:
    """Go through iterators one after the other, and wait for more."""
    while True:
        if waiting:
            yield from waiting[0]
            waiting.popleft()
        else:
            yield 0
