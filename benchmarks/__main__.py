"""Measure everything, and write the tables.

    python -m benchmarks --data DIR [--quick] [--only NAME ...] [--out benchmarks/RESULTS.md]

DIR holds train-volume.tif and train-labels.tif: the ISBI 2012 stacks for the figures that are
quoted; without it a synthetic stack is written. The peers are those of the extra ``bench``;
where PyTorch, MONAI and ONNX Runtime are in another environment, with onnx and tifffile, the
variable NAPARI_UNET_TORCH names its Python. Tables that are not made again stay in the file.
"""

from __future__ import annotations

import argparse
import importlib
import tempfile
import time
from pathlib import Path

from benchmarks.report import Settings, Table, document

NAMES = (
    "time_to_quality",
    "training_step",
    "prediction",
    "whole_process",
    "starter",
    "growth",
    "division",
    "chunk_overhead",
    "opening",
    "saving",
    "following",
    "stalls",
    "beside_steps",
    "linking",
)
LONG = ("quality", "merges")  # an hour and more: only when asked for


def main() -> None:
    options = parse_options()
    with tempfile.TemporaryDirectory(prefix="benchmarks-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        data = options.data.absolute() if options.data else write_data(folder / "data")
        settings = Settings(data, folder, options.quick)
        former = options.out.read_text() if options.out.exists() else ""
        tables: list[Table] = []
        for benchmark in options.only or NAMES:
            start = time.monotonic()
            module = importlib.import_module(f"benchmarks.{benchmark}")
            found = module.run(settings)
            for table in found:
                print(table.markdown(), flush=True)
            print(f"({benchmark}: {time.monotonic() - start:.0f} s)\n", flush=True)
            tables += found
            options.out.write_text(document(tables, former, settings))
    print(f"Written to {options.out}.")


def write_data(folder: Path) -> Path:
    from training.stacks.synthetic import write_synthetic

    write_synthetic(folder)
    return folder


def parse_options() -> argparse.Namespace:
    names = f"{', '.join(NAMES)}; or {', '.join(LONG)}, which takes long"
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, help="folder of the training stack")
    parser.add_argument("--quick", action="store_true", help="only see that all of it runs")
    parser.add_argument("--only", nargs="+", choices=NAMES + LONG, metavar="NAME", help=names)
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).with_name("RESULTS.md"),
        help="default: %(default)s",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
