"""What contestants share: a model with fresh weights, and a batch to train on.

python -m benchmarks.material PRESET DATA FOLDER [BATCHSIZE]
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

from benchmarks.side_by_side import ROOT

# A file that is there if the network has batch norms, which the portable model has folded in.
HAS_NORMS = "has_norms"


def prepare(preset: str, data: Path, folder: Path, batchsize: int = 0) -> Path:
    """Write model.onnx, batch.npz and the like into a folder, in a process with MindSpore."""
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "benchmarks.material", preset, str(data), str(folder)]
    command += [str(batchsize)] if batchsize else []
    subprocess.run(command, cwd=ROOT, check=True)
    return folder


def main() -> None:
    preset, data_folder, folder = sys.argv[1], sys.argv[2], Path(sys.argv[3])
    from training.config import preset_config
    from training.devices.placement import choose_device, prepare_environment
    from training.learning.mindspore_setup import set_up_mindspore

    prepare_environment()
    device = choose_device("cpu")
    set_up_mindspore(device, seed=0)
    from training.dataset.training_set import load_training_set
    from training.learning.batches import Batches
    from training.learning.checkpoints import parameters_of
    from training.model.card_of_training import describe_model
    from training.model.onnx_graph import build_onnx
    from training.networks.membrane_network import build_network

    changes = {"batchsize": int(sys.argv[4])} if len(sys.argv) > 4 else {}
    config = preset_config(preset, data_url=data_folder, **changes)
    data = load_training_set(config)
    card = describe_model(config, data)
    parameters = parameters_of(build_network(preset))
    (folder / "model.onnx").write_bytes(build_onnx(parameters, card))
    if any(name.endswith(".moving_mean") for name in parameters):
        (folder / HAS_NORMS).touch()
    batch = Batches(data, card, config).batch(1)
    np.savez(folder / "batch.npz", **batch._asdict())


if __name__ == "__main__":
    main()
