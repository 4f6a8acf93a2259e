"""Every command in the documents is one that there is, and those that can run do."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import click
import h5py
import mrcfile
import numpy as np
import pytest
import tifffile
from click.testing import CliRunner

from napari_unet.cli.main import cli
from tests.napari_unet.class_model import write_class_run
from training.metrics.neuron_metrics import label_neurons
from training.stacks.synthetic import synthetic_classes, synthetic_stack

ROOT = Path(__file__).parents[1]
DOCUMENTS = {path.name: path for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"))}
PROGRAM, MODULE = "napari-unet", "python -m "
# In the example, trainings of which no command is in a page are copies of the first one.
TRAINING = ["train", "--data", "isbi", "--out", "runs/first"]
ONE_STEP = ["--steps", "1", "--device", "cpu"]
NOT_HERE = {"servers", "follow", "stop", "fetch", "demo", "setup"}
NOT_THERE = {"zoo.ckpt", "--remote", "--scheduler", "--shard", "membranes.zip", "--resume"}
if find_spec("onnxruntime") is None:
    NOT_THERE |= {"onnxruntime"}


@cache
def blocks(document: str, language: str) -> list[str]:
    text = DOCUMENTS[document].read_text(encoding="utf-8")
    found = re.findall(rf"^( *)```{language}\n(.*?)^ *```", text, re.M | re.S)
    return [re.sub(f"^{indent}", "", block, flags=re.M) for indent, block in found]


def shell_commands(document: str) -> Iterator[list[str]]:
    """The words of each command in the shell blocks of a document."""
    for block in (*blocks(document, "sh"), *blocks(document, "powershell")):
        for line in block.replace("\\\n", " ").splitlines():
            for command in re.split(r" && ", line):
                yield shlex.split(command, comments=True, posix=True)


def nested(words: list[str]) -> Iterator[list[str]]:
    """A command, and the one that it has a shell start."""
    yield words
    for word in words:
        if MODULE in word:
            yield shlex.split(word[word.index(MODULE) :])


def inline_commands(document: str) -> Iterator[list[str]]:
    """The words of the commands within sentences and tables, what may be left out with them."""
    text = re.sub(r"^ *```.*?^ *```", "", DOCUMENTS[document].read_text("utf-8"), flags=re.M | re.S)
    for code in re.findall(r"`([^`]+)`", text):
        if code.startswith((f"{PROGRAM} ", MODULE)):
            yield re.sub(r"[\[\]…]", " ", code).replace("|", " ").split()


def command_of(words: list[str]) -> tuple[click.Command, list[str]]:
    """The command of the command line that some words call, and the rest of them."""
    command: click.Command = cli
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        name, *words = words
        found = command.get_command(click.Context(command), name)
        assert found is not None, f"there is no command {name}"
        command = found
    return command, words


@cache
def options_of(module: str) -> set[str]:
    """The options that the help of a module names."""
    command = [sys.executable, "-m", module, "--help"]
    text = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout
    return set(re.findall(r"--[\w-]+", text))


def check_options(words: list[str]) -> None:
    """Refuse options that a program does not have."""
    if words[0] == PROGRAM:
        command, rest = command_of(words[1:])
        known = {name for param in command.params for name in param.opts} | {"--help"}
    else:
        assert words[:2] == ["python", "-m"]
        if words[2].partition(".")[0] not in ("training", "benchmarks"):
            return
        known, rest = options_of(words[2]), words[3:]
    named = {word.partition("=")[0] for word in rest if word.startswith("--")}
    assert not named - known, f"{' '.join(words[:3])} has no {named - known}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_is_one_that_there_is(document: str) -> None:
    extras = set(
        tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    )
    for words in (found for outer in shell_commands(document) for found in nested(outer)):
        program = words[0] if words else ""
        if program == PROGRAM:
            command, rest = command_of(words[1:])
            command.make_context(PROGRAM, rest)  # reads every option, and runs nothing
        elif " ".join(words).startswith(MODULE):
            check_options(words)
        elif program == "make":
            targets = [word for word in words[1:] if "=" not in word]
            makefile = (ROOT / "Makefile").read_text()
            assert all(re.search(rf"^{target}\b.*:", makefile, re.M) for target in targets)
        elif program == "bash" and words[1] != "-c":
            assert (ROOT / words[1]).is_file()
        elif program == "pip":
            named = re.findall(r"(?:\.|mindspore)\[([\w,-]+)\]", " ".join(words))
            assert {extra for group in named for extra in group.split(",")} <= extras
    for words in inline_commands(document):
        check_options(words)


def test_examples_in_the_help_are_commands_that_there_are() -> None:
    count = 0
    for name in cli.list_commands(click.Context(cli)):
        text = cli.get_command(click.Context(cli), name).help.replace("\\\n", " ")
        for line in re.findall(rf"^\s*{PROGRAM} (.*)", text, re.M):
            command, rest = command_of(shlex.split(line))
            command.make_context(PROGRAM, rest)
            count += 1
    assert count > 20


def write_example(folder: Path) -> None:
    """Write what the documents' commands are given, all of one small stack with pixel sizes."""
    images, labels = synthetic_stack(4, 96)
    strokes = np.where(labels == 0, 1, 2).astype(np.uint8)
    strokes[:, ::2] = 0
    ids = np.stack([label_neurons(page > 0) for page in labels]).astype(np.uint16)
    halves = [page[:, ::2, ::2] for page in (images, labels)]
    files = {
        **{f"{data}/train-volume": images for data in ("isbi", "stack")},
        **{f"{data}/train-labels": labels for data in ("isbi", "stack")},
        "isbi/test-volume": images[:2],
        **{f"stack/{name}": strokes for name in ("strokes", "corrected")},
        **dict.fromkeys(("a", "stack", "night/a", "night/b"), images),
        **dict.fromkeys(("strokes", "corrected"), strokes),
        **{f"crops/crop{number}": np.roll(images, number, 1) for number in (1, 2, 3)},
        **{f"crops/crop{number}_labels": np.roll(labels, number, 1) for number in (1, 2, 3)},
        "sized/train-volume": images,
        **dict.fromkeys(("sized/train-labels", "a_labels", "b_labels"), labels),
        "labels": labels,
        "ids": ids,
        **{f"truths/{name}_labels": labels for name in "ab"},
        "half-volume": halves[0],
        "half-labels": halves[1],
        "cells/train-volume": images,
        "cells/train-labels": synthetic_classes(4, 96)[1],
    }
    for name, pixels in files.items():
        path = folder / f"{name}.tif"
        path.parent.mkdir(exist_ok=True)
        nanometres = 8 if name.startswith("half") else 4
        tifffile.imwrite(
            path, pixels, imagej=True, resolution=(1 / nanometres, 1 / nanometres),
            metadata={"axes": "ZYX", "unit": "nm", "spacing": 50},
        )  # fmt: skip
    mrcfile.write(folder / "b.mrc", images[::-1], voxel_size=(40, 40, 500))
    with h5py.File(folder / "crop.h5", "w") as file:
        file["raw"], file["labels"] = images, labels


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the documents' first training was run, for a few steps."""
    if find_spec("mindspore") is None:
        pytest.skip("without MindSpore")
    folder = tmp_path_factory.mktemp("example")
    write_example(folder)
    program = Path(sys.executable).with_name(PROGRAM)
    command = [program, *TRAINING, *ONE_STEP]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    write_class_run(folder / "runs/classes")
    for other in ("runs/second", "run"):
        shutil.copytree(folder / "runs/first", folder / other)
    return folder


def runnable(document: str) -> list[list[str]]:
    """The commands of a page that need no server, and no file that is not there."""
    commands = [words[1:] for words in shell_commands(document) if words[:1] == [PROGRAM]]
    return [words for words in commands if words[0] not in NOT_HERE and not NOT_THERE & {*words}]


RUNNABLE = [name for name in DOCUMENTS if runnable(name)]


def test_most_pages_have_commands_that_run() -> None:
    assert {"README.md", "index.md", "predict.md", "annotate.md", "pixel-size.md"} <= {*RUNNABLE}
    assert TRAINING in [words[1:] for words in shell_commands("index.md")]


@pytest.mark.parametrize("document", RUNNABLE)
def test_the_commands_of_a_page_run(
    document: str, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "page"
    shutil.copytree(example, folder)
    monkeypatch.chdir(folder)
    for words in runnable(document):
        if words == TRAINING:
            continue  # the example's own
        expanded = [found for word in words for found in sorted(glob(word)) or [word]]
        if words[0] == "train":
            expanded += ONE_STEP
            for option, value in pairwise(words):
                if option == "--out":  # a copy of the example's
                    shutil.rmtree(value, ignore_errors=True)
        result = CliRunner().invoke(cli, expanded)
        assert result.exit_code == 0, f"{' '.join(words)}\n{result.output}\n{result.exception}"
        written = [after for word, after in pairwise(words) if word == "-o"]
        assert all(Path(path).exists() for path in written)


def glob(word: str) -> list[str]:
    return [str(path) for path in Path().glob(word)] if "*" in word else []


@pytest.mark.parametrize("document", [name for name in DOCUMENTS if blocks(name, "python")])
def test_python_in_a_page_runs(
    document: str, example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(example, tmp_path / "page")
    monkeypatch.chdir(tmp_path / "page")
    for block in blocks(document, "python"):
        code = compile(block, document, "exec")
        if "isbi/train-" not in block:  # it takes the whole of ISBI's stack
            exec(code, {})
