"""The progress of a run on the command line: a bar in a terminal, else a line a validation."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import TracebackType

from napari_unet.cli.progress.progress_bar import ProgressBar
from training.console import format_duration, say
from training.runs.run_directory import RunDirectory
from training.runs.run_state import RunState, comparison_line, volume_lines

_BAR = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} steps{postfix}"


class ProgressDisplay:
    """Shows a run's state on the standard output, until it is closed."""

    def __init__(self) -> None:
        self._bar = None
        if sys.stdout.isatty():
            self._bar = ProgressBar(total=0, desc="Training", bar_format=_BAR, file=sys.stdout)
            self._bar.set_postfix_str("starting MindSpore")
        self._has_begun = False
        self._validated_step = -1  # that of the weights that a run begins from is 0

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def show(self, state: RunState) -> None:
        """Show a run as it is now."""
        if state.started is None:
            return
        if self._bar is not None:
            self._bar.total, self._bar.n = state.total_steps, state.step
            self._bar.set_postfix_str(_figures(state))
        else:
            self._print_validations(state)

    def say(self, text: str) -> None:
        """Print a line, above the bar if there is one."""
        with ProgressBar.external_write_mode(file=sys.stdout):
            say(text)

    def _print_validations(self, state: RunState) -> None:
        if not self._has_begun:
            self._has_begun = True
            say(f"Training from step {state.step} to {state.total_steps}.")
        self._validated_step = min(self._validated_step, state.step)  # lower after a resume
        for evaluation in state.evaluations:
            if evaluation["step"] > self._validated_step:
                self._validated_step = evaluation["step"]
                mean = evaluation["mean"]
                say(
                    f"epoch {evaluation['epoch']}, step {evaluation['step']} of "
                    f"{state.total_steps}: soft Dice {mean['soft_dice']:.4f}, "
                    f"Dice {mean['dice']:.4f}{_time_left(state)}"
                )
                for line in volume_lines(evaluation.get("volumes", {})):
                    say(f"  {line}")


def ending_lines(run: RunDirectory, status: str, state: RunState) -> Iterator[str]:
    """Say how a run ended, and what there is of it."""
    yield f"The run {run.name} is {status}."
    if state.converged is not None:
        yield f"It no longer improved at step {state.converged['step']}."
    if state.comparison is not None:
        yield comparison_line(state.comparison)
    if state.best_evaluation is not None:
        yield from volume_lines(state.best_evaluation.get("volumes", {}))
    if run.has_model:
        yield f"Its best model: {run.model_file}"


def _figures(state: RunState) -> str:
    """The newest loss and Dice, and the time left."""
    if not state.steps:
        return "compiling the network"
    text = f"loss {state.steps[-1]['loss']:.3f}"
    if state.evaluations:
        text += f", Dice {state.evaluations[-1]['mean']['dice']:.4f}"
    return text + _time_left(state)


def _time_left(state: RunState) -> str:
    return "" if state.seconds_left is None else f", {format_duration(state.seconds_left)} left"
