"""A prediction to Zarr that is killed at random moments, and goes on each time.

    python -m benchmarks.kills [KILLS]

Fails where a chunk is written twice, or the end differs from that of a run that was left alone.
"""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.division import write_linked_zarr
from benchmarks.whole_process import NAPARI_UNET

SIDE, SLICES_A_KILL = 512, 40
WAIT = 0.8, 2.2  # seconds from a start to its kill


def main(kills: int) -> None:
    with tempfile.TemporaryDirectory(prefix="kills-") as name:
        folder = Path(name)
        raw = write_linked_zarr(folder / "raw.zarr", SLICES_A_KILL * kills, SIDE)
        command = [NAPARI_UNET, "predict", "starter", str(raw), "--membranes", "dark", "-o"]
        results = folder / "killed" / "m.zarr", folder / "whole" / "m.zarr"
        for result in results:
            result.parent.mkdir()
        moments = random.Random(0)  # noqa: S311, of no secret
        killed, chunks = 0, dict[str, int]()
        while not results[0].exists():
            with subprocess.Popen([*command, str(results[0])], stdout=subprocess.DEVNULL) as going:
                try:
                    going.wait(moments.uniform(*WAIT) if killed < kills else None)
                except subprocess.TimeoutExpired:
                    going.kill()
                    killed += 1
            now = written_chunks(results[0].parent)
            again = [place for place, when in chunks.items() if now.get(place) != when]
            if again:
                raise RuntimeError(f"Written twice: {again[:5]}.")
            chunks = now
            print(f"\r{killed} kills, {len(chunks)} files", end="", flush=True)
        subprocess.run([*command, str(results[1])], check=True, stdout=subprocess.DEVNULL)
        if read_chunks(results[0]) != read_chunks(results[1]):
            raise RuntimeError("Its bytes are others than those of a run that was left alone.")
        print(f"\n{killed} kills: the same bytes, no chunk twice.")
        shutil.rmtree(folder / "killed")


def written_chunks(folder: Path) -> dict[str, int]:
    """When each chunk of a result was written, whether it has its name already or not."""
    return {
        str(path.relative_to(folder)).partition("/")[2]: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.name.isdigit()
    }


def read_chunks(result: Path) -> dict[str, bytes]:
    files = (path for path in result.rglob("*") if path.is_file() and path.name.isdigit())
    return {str(path.relative_to(result)): path.read_bytes() for path in files}


if __name__ == "__main__":
    start = time.monotonic()
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
    print(f"{time.monotonic() - start:.0f} s")
