"""Models as files for other programs: they compute what the model does, and are whole or absent."""

from __future__ import annotations

import sys
import zipfile
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import tifffile
from click.testing import CliRunner, Result
from safetensors.numpy import save_file

from napari_unet.cli.export import command
from napari_unet.prediction.predictor import load_predictor
from tests.napari_unet.class_model import write_class_model, write_class_run
from training.config import preset_config
from training.formats.pixel_size import PixelSize
from training.model.model_card import ModelCard
from training.model.saved_model import CARD_KEY
from training.presets.registry import find_preset
from training.runs.run_directory import RunDirectory
from training.stacks.scaling import Scaling

needs_mindspore = pytest.mark.skipif(find_spec("mindspore") is None, reason="without MindSpore")
needs_bioimageio = pytest.mark.skipif(
    find_spec("bioimageio") is None, reason="without the extra bioimageio"
)


def write_weights(path: Path, card: ModelCard) -> Path:
    """Random weights."""
    random = np.random.default_rng(0)
    weights = {}
    for name, shape in find_preset(card.preset).parameter_shapes().items():
        normal = np.sqrt(2 / np.prod(shape[1:])) * random.normal(size=shape)
        values = random.uniform(0.5, 1.5, shape) if "norm" in name else normal
        weights[name] = values.astype(np.float32)
    save_file(weights, path, {CARD_KEY: card.to_json()})
    return path


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path / "a run")
    run.create(preset_config("compact"))
    write_weights(run.best, ModelCard("compact", Scaling("uint8", 0.0, 255.0)))
    return run


def export(*arguments: object) -> Result:
    return CliRunner().invoke(command, [*map(str, arguments)])


@pytest.mark.parametrize("ending", [".onnx", ".safetensors"])
def test_what_is_exported_predicts_the_same(
    run: RunDirectory, tmp_path: Path, images: np.ndarray, ending: str
) -> None:
    output = tmp_path / f"model{ending}"
    assert export(run.path, "-o", output).exit_code == 0
    expected, found = (
        load_predictor(model, precision="f32").predict_slice(images[0])
        for model in (run.path, output)
    )
    np.testing.assert_array_equal(found, expected)


@needs_mindspore
def test_mindir_is_what_mindspore_s_command_makes(run: RunDirectory, tmp_path: Path) -> None:
    result = export(run.path, "-o", tmp_path / "model.mindir")
    assert result.exit_code == 0, result.exception
    assert "which differs from the network by" in result.output
    assert (tmp_path / "model.mindir").stat().st_size > 1e6


def test_files_are_kept_and_nothing_half_written_remains(run: RunDirectory, tmp_path: Path) -> None:
    there = tmp_path / "there.onnx"
    there.write_text("mine")
    assert "exists already" in str(export(run.path, "-o", there).exception)
    assert there.read_text() == "mine"
    assert "endings" in str(export(run.path, "-o", tmp_path / "model.pt").exception)
    assert {path.name for path in tmp_path.iterdir()} == {"a run", "there.onnx"}
    assert export(run.path, "-o", there, "--overwrite").exit_code == 0
    load_predictor(there)


def test_a_package_asks_for_what_it_needs(
    run: RunDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bioimageio.spec", None)
    error = str(export(run.path, "-o", tmp_path / "model.zip").exception)
    assert error.endswith("Install it: pip install 'napari-unet-mindspore[bioimageio]'.")


@needs_bioimageio
@pytest.mark.filterwarnings("ignore")  # of bioimageio
@pytest.mark.parametrize("preset", ["compact", "medical"])
def test_the_zoo_s_own_test_of_a_package_passes(
    tmp_path: Path, preset: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from bioimageio.core import test_model

    monkeypatch.setattr("training.presets.medical.WIDTHS", (8,) * 5)
    zoom = (1.0, 1.0) if preset == "compact" else (0.76, 0.76)
    scaling = Scaling("uint16", 1000.0, 9000.0)
    card = ModelCard(preset, scaling, zoom=zoom, pixel_size=PixelSize(50.0, 3.7, 4.1))
    weights = write_weights(tmp_path / "weights.safetensors", card)
    package = tmp_path / "a package.zip"
    result = export(
        weights, "-o", package, "--author", "Ada Lovelace", "--author", "Rosalind Franklin"
    )
    assert result.exit_code == 0, result.exception
    with zipfile.ZipFile(package) as file:
        output = np.load(file.open("test_output.npy"))
    assert output.std() > 0.001, "a test that any network would pass"
    summary = test_model(package)
    assert summary.status == "passed", summary.format()


@needs_bioimageio
@pytest.mark.filterwarnings("ignore")  # of bioimageio
def test_a_package_says_what_the_model_is(
    run: RunDirectory, tmp_path: Path, images: np.ndarray
) -> None:
    stack, package = tmp_path / "stack.tif", tmp_path / "package.zip"
    tifffile.imwrite(stack, images)
    cite = ("--cite", "A paper", "10.1000/xyz123", "--license", "MIT")
    assert export(run.path, "-o", package, *cite, "--example", stack).exit_code == 0
    with zipfile.ZipFile(package) as file:
        readme = file.read("README.md").decode()
        tile = np.load(file.open("test_input.npy"))
    assert "Licence: MIT" in readme and "## Validation" in readme
    np.testing.assert_array_equal(tile[0, 0, :61, :83], images[3])


@needs_bioimageio
@pytest.mark.filterwarnings("ignore")  # of bioimageio
def test_a_package_names_the_channels_of_classes_and_computes_them(tmp_path: Path) -> None:
    from bioimageio.core import test_model

    model = write_class_model(tmp_path / "model.onnx", "membrane,2nd cell wall")
    package = tmp_path / "package.zip"
    assert export(model, "-o", package).exit_code == 0
    summary = test_model(package)
    assert summary.status == "passed", summary.format()
    with zipfile.ZipFile(package) as file:
        described, readme = (file.read(name).decode() for name in ("rdf.yaml", "README.md"))
        assert np.load(file.open("test_output.npy")).shape[1] == 3
    assert "class_2nd_cell_wall" in described
    assert "    - 2: 2nd cell wall, 2, #56B4E9" in readme
    again = load_predictor(package, of_class=None, precision="f32")
    assert again.classes.names == ["background", "membrane", "2nd cell wall"]


@pytest.mark.parametrize("ending", [".onnx", ".safetensors"])
def test_classes_go_with_what_is_exported(tmp_path: Path, ending: str) -> None:
    write_class_run(tmp_path / "run")
    output = tmp_path / f"model{ending}"
    result = export(tmp_path / "run", "-o", output)
    assert result.exit_code == 0
    assert ending != ".onnx" or "of background, membrane and mitochondria (N, 3" in result.output
    assert load_predictor(output, of_class=None).classes.names[2] == "mitochondria"


@needs_bioimageio
@pytest.mark.filterwarnings("ignore")  # of bioimageio
def test_a_licence_that_is_none_is_refused(run: RunDirectory, tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    error = str(export(run.path, "-o", package, "--license", "mine alone").exception)
    assert error.startswith("The BioImage Model Zoo does not take this license")
    assert [path.name for path in tmp_path.iterdir()] == ["a run"]
