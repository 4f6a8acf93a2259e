"""How prediction grows with the side of a slice: time and memory."""

from __future__ import annotations

from benchmarks.material import prepare
from benchmarks.report import Settings, Table, milliseconds
from benchmarks.side_by_side import Contestant, run_in_turn
from training.presets.registry import DEFAULT_PRESET

SIDES = (256, 512, 1024, 2048, 4096)


def run(settings: Settings) -> list[Table]:
    model = str(
        prepare(DEFAULT_PRESET, settings.data, settings.folder / "growth", 1) / "model.onnx"
    )
    rows = []
    for side in SIDES[:2] if settings.is_quick else SIDES:
        options = {"model": model, "side": side}
        here, there = run_in_turn(
            [
                Contestant("here", "our_slice", **options),
                Contestant("PyTorch bfloat16", "torch_slice", True, precision="bf16", **options),
            ],
            settings.repetitions(5),
        )
        rows.append(
            [
                str(side),
                *(milliseconds(result.median) for result in (here, there)),
                f"{1e9 * here.median / side**2:.1f}",
                *(f"{result.megabytes:.0f}" for result in (here, there)),
            ]
        )
    header = ["pixels a side", "here, ms", "PyTorch bfloat16, ms", "here, ns a pixel"]
    header += ["peak here, MB", "peak PyTorch, MB"]
    how = f"One slice by `{DEFAULT_PRESET}`, tile by tile; medians."
    return [Table("Growth with the side of a slice", how, header, rows)]
