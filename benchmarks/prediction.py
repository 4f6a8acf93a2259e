"""Prediction of a slice of 512 x 512 pixels, here and by others, with the same weights."""

from __future__ import annotations

from benchmarks.material import prepare
from benchmarks.report import Settings, Table, compare, comparison_header
from benchmarks.side_by_side import Contestant, run_in_turn
from training.presets.registry import DEFAULT_PRESET

SIDE = 512
# Repetitions, slices before them, and how many a stack has.
CASES = {"compact": (15, 2, 8), "medical": (2, 1, 2)}


def run(settings: Settings) -> list[Table]:
    return [
        _table(settings, preset) for preset in ([DEFAULT_PRESET] if settings.is_quick else CASES)
    ]


def _table(settings: Settings, preset: str) -> Table:
    model = str(prepare(preset, settings.data, settings.folder / f"slice-{preset}", 1))
    repetitions, warm_up, count = CASES[preset]
    options = {"model": f"{model}/model.onnx", "side": SIDE, "warm_up": warm_up}
    results = run_in_turn(
        [
            Contestant("here, one slice", "our_slice", **options),
            Contestant("here, of a stack", "our_slice", count=count, is_parallel=True, **options),
            Contestant("here, one slice, float32", "our_slice", precision="f32", **options),
            Contestant("PyTorch float32", "torch_slice", True, precision="f32", **options),
            Contestant("PyTorch bfloat16", "torch_slice", True, precision="bf16", **options),
            Contestant("ONNX Runtime", "onnxruntime_slice", True, **options),
        ],
        settings.repetitions(repetitions),
    )
    how = (
        "Scaling, tiling, network and sigmoid of one slice of 512 x 512 pixels; all but "
        "the network is the same code. Of a stack: a slice's share of several."
    )
    title = f"Prediction of a slice by {preset}"
    return Table(title, how, comparison_header("slice"), compare(results))
