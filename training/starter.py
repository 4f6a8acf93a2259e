"""Make the starter model: train compact on made-up tissue alone, without data of anybody.

python -m training.starter --out FOLDER

FOLDER gets the tissue, the run, and starter.safetensors with its card starter.json, which come with
this package in training/model/starter. The same command goes on with what is there.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import tifffile
from safetensors.numpy import save

from training import __version__
from training.config import NO_WEIGHTS, STARTER, TrainingConfig, preset_config
from training.console import say, set_up_console
from training.data_pairs import DataPair
from training.errors import UserError
from training.files.atomic_files import replacing, write_atomically
from training.label_convention import LabelConvention
from training.metrics.evaluation_report import Evaluation
from training.model.model_card import ModelCard
from training.model.saved_model import CARD_KEY, best_weights
from training.model.starter_model import CARD_NAME, WEIGHTS_NAME
from training.model.weight_files import load_weights
from training.runs.run_directory import RunDirectory
from training.runs.run_state import load_state
from training.stacks.scaling import Scaling
from training.stacks.varied_tissue import varied_stack
from training.train import create_run, train_run

STACKS, SECTIONS, SIZE = 40, 3, 384  # stacks of tissue, sections of each, pixels a side
HELD_OUT = 4  # stacks
STEPS = 1000
RECIPE = {"gamma": 0.4, "contrast": 0.4, "brightness": 0.2, "weights": NO_WEIGHTS}


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    set_up_console()
    parser = argparse.ArgumentParser(
        prog="python -m training.starter",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--out", type=Path, required=True, help="folder for all that is made")
    for name, default, help in (
        ("stacks", STACKS, "how many tissues"),
        ("size", SIZE, "height and width of a section, in pixels; even"),
        ("steps", STEPS, "of the training"),
        ("seed", 1, "of everything random"),
    ):
        parser.add_argument(f"--{name}", type=int, default=default, help=f"{help} (%(default)s)")
    options = parser.parse_args(arguments)
    try:
        return make_starter(options.out, options.stacks, options.size, options.steps, options.seed)
    except UserError as error:
        say(f"Error: {error}", to_stderr=True)
        return 2


def make_starter(folder: Path, stacks: int, size: int, steps: int, seed: int) -> int:
    """Make the tissue, train on it, and write the model with its card; returns an exit code."""
    pairs = make_tissue(folder / "tissue", stacks, size, seed)
    run = RunDirectory(folder / "run")
    if not run.config.exists():
        create_run(run, _configure(pairs, steps, seed))
    code = train_run(run)
    if load_state(run.events).status == "finished":
        write_starter(run, folder)
        say(f"The starter is in {folder / WEIGHTS_NAME}, its card in {folder / CARD_NAME}.")
    return code


def make_tissue(folder: Path, stacks: int, size: int, seed: int) -> list[tuple[Path, Path]]:
    """Write stacks of made-up tissue with their labels, by all cores; those there are kept."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = [
        (folder / f"{number:03}.tif", folder / f"{number:03}_labels.tif")
        for number in range(stacks)
    ]
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        made = [
            pool.submit(_write_pair, pair, size, [seed, number])
            for number, pair in enumerate(pairs)
        ]
        for number, task in enumerate(made, 1):
            task.result()
            say(f"{number} of {stacks} tissues")
    return pairs


def write_starter(run: RunDirectory, folder: Path) -> None:
    """Write the best model of a run as the starter: weights in float16, and their card."""
    weights, _ = load_weights(best_weights(run))
    config = run.read_config()
    pages = [page for pair in config.pairs for page in tifffile.imread(pair.image)]
    scaling = replace(Scaling.of(pages), adapts=True)
    card = ModelCard(config.preset, scaling, fold=None, data=STARTER)
    half = {name: np.asarray(value, np.float16) for name, value in weights.items()}
    content = save(half, metadata={CARD_KEY: card.to_json()})
    validation = Evaluation.from_json(run.evaluation_json.read_text()).mean
    about = {
        "name": "Starter (no training)",
        "learned_from": "made-up tissue alone: training/stacks/varied_tissue.py",
        "command": f"python -m training.starter --out FOLDER --stacks {len(config.pairs)} "
        f"--size {len(pages[0])} --steps {config.steps} --seed {config.seed}",
        "version": __version__,
        "license": "BSD-3-Clause",
        "on_made_up_tissue_held_out": {key: round(value, 4) for key, value in validation.items()},
        "sha256": hashlib.sha256(content).hexdigest(),
    }
    write_atomically(folder / WEIGHTS_NAME, content)
    write_atomically(folder / CARD_NAME, (json.dumps(about, indent=2) + "\n").encode())


def _configure(pairs: Sequence[tuple[Path, Path]], steps: int, seed: int) -> TrainingConfig:
    convention = LabelConvention.ISBI
    return preset_config(
        "compact",
        pairs=tuple(DataPair(str(image), str(labels), convention) for image, labels in pairs),
        hold_out=tuple(image.name for image, _ in pairs[:HELD_OUT]),
        steps=steps,
        seed=seed,
        device="cpu",
        **RECIPE,
    )


def _write_pair(paths: tuple[Path, Path], size: int, seed: list[int]) -> None:
    if all(path.exists() for path in paths):
        return
    stacks = varied_stack(SECTIONS, size, np.random.default_rng(seed))
    for path, stack in zip(paths, stacks, strict=True):
        with replacing(path) as file:
            tifffile.imwrite(file, stack, compression="zlib", photometric="minisblack")


if __name__ == "__main__":
    sys.exit(main())
