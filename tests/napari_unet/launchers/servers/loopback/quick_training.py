"""Plays ``python -m training.launch_8p`` on the server: the same files, but no MindSpore.

It goes on for the configuration's ``steps``, with a better model every tenth step. What it
does at a step can be set, also before it begins, by a file beside the working folder: ``die-at``
or ``hold-at``, with the step's number in it.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import sys
import time
from pathlib import Path

from PIL import Image

from training.files.atomic_files import write_atomically
from training.runs.event_log import EventLog
from training.runs.run_directory import RunDirectory

parser = argparse.ArgumentParser()
parser.add_argument("--run_dir")
parser.add_argument("--devices", type=int)
options, _ = parser.parse_known_args()  # of the nodes, it plays the first
run = RunDirectory(options.run_dir)
config = run.read_config()
done = len(list(run.checkpoints.glob("done-*")))


def number_in(name: str) -> int:
    path = run.path.parents[2] / name
    return int((path.exists() and path.read_text()) or -1)


for rank in range(options.devices):
    run.device_log(rank).parent.mkdir(parents=True, exist_ok=True)
    run.device_log(rank).write_text(f"log of device {rank}\n")
launch = {
    "id": os.environ["NAPARI_UNET_RUN"],
    "devices": options.devices,
    "boot_id": "",
    "arguments": sys.argv[1:],
    "hccl": {name: value for name, value in os.environ.items() if name.startswith("HCCL_")},
}
(run.path / "launch.json").write_text(json.dumps(launch))
log = EventLog(run.events)
log.append(
    "started",
    device="CPU",
    world_size=options.devices,
    versions={},
    pid=os.getpid(),
    hostname="quick",
    preset=config.preset,
    first_step=done,
    total_steps=config.steps,
    total_epochs=1,
    train_slices=[0, 1],
    valid_slices=[2],
)
for step in range(done + 1, config.steps + 1):
    time.sleep(0.02)
    while number_in("hold-at") == step:
        time.sleep(0.02)
    if number_in("die-at") == step:
        os.write(log._file.fileno(), b'{"kind": "step", "ti')  # as a killed process leaves it
        os.kill(os.getpid(), 9)
    log.append("step", step=step, epoch=step, loss=1 / step, images_per_second=1.0, lr=1.0)
    print(f"step: {step}, loss is {1 / step}", flush=True)
    (run.checkpoints / f"done-{step}").touch()
    if step % 10 == 0:
        content = hashlib.sha256(str(step).encode()).digest() * 10_000
        write_atomically(run.best, content)
        image = io.BytesIO()
        Image.new("L", (32, 32), step % 256).save(image, "PNG")
        write_atomically(run.preview_image(step), image.getvalue())
        log.append("checkpoint", step=step, path="checkpoints/best.safetensors", is_best=True)
        log.append("preview", step=step, slice=2, path=f"preview/{run.preview_image(step).name}")
    if run.stop_request.exists():
        log.append("stopped", step=step, seconds=1.0)
        sys.exit()
log.append("finished", step=config.steps, seconds=1.0)
Path(run.path / "ended").touch()
