"""A training step of each preset, here and in PyTorch."""

from __future__ import annotations

from benchmarks.material import prepare
from benchmarks.report import Settings, Table, compare, comparison_header
from benchmarks.side_by_side import Contestant, run_in_turn
from training.config import preset_config
from training.presets.registry import DEFAULT_PRESET

# Turns, steps in each, steps before them, and the batch's size; 0: the preset's own.
CASES = {"compact": (15, 10, 2, 0), "medical": (2, 1, 1, 1)}


def run(settings: Settings) -> list[Table]:
    return [
        _table(settings, preset) for preset in ([DEFAULT_PRESET] if settings.is_quick else CASES)
    ]


def _table(settings: Settings, preset: str) -> Table:
    repetitions, steps, warm_up, batchsize = CASES[preset]
    folder = str(prepare(preset, settings.data, settings.folder / f"step-{preset}", batchsize))
    if settings.is_quick:
        steps, warm_up = 1, 0
    options = {"material": folder, "preset": preset, "steps": steps}
    results = run_in_turn(
        [
            Contestant("MindSpore, here", "mindspore_step", warm_up=warm_up, **options),
            *(
                Contestant(
                    f"PyTorch {name}", "torch_step", True, precision=precision,
                    warm_up=warm_up, **options,
                )
                for name, precision in (("float32", "f32"), ("bfloat16", "bf16"))
            ),
        ],
        settings.repetitions(repetitions),
    )  # fmt: skip
    of = "one image" if batchsize == 1 else "the preset's batch"
    averages = preset_config(preset).average_weights
    last = "Adam's update and the averaged weights" if averages else "and Adam's update"
    in_turn = "in each turn a step" if steps == 1 else f"in each turn the mean of {steps} steps"
    how = f"Forward, loss, gradients, {last} on {of}, data ready in memory; {in_turn}. "
    how += "PyTorch with channels last."
    return Table(f"Training step of {preset}", how, comparison_header("step"), compare(results))
