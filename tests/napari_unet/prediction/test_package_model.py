"""Packages of the BioImage Model Zoo: ours, others that fit, and those that would do harm."""

from __future__ import annotations

import json
import sys
import zipfile
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from napari_unet.prediction.foreign_graph import ALLOWED
from napari_unet.prediction.model_source import find_model, read_portable
from napari_unet.prediction.predictor import load_predictor
from tests.napari_unet.conftest import WriteModel
from training.errors import UserError
from training.model.model_card import METADATA_KEY, ModelCard
from training.stacks.scaling import Scaling

needs_bioimageio = pytest.mark.skipif(
    find_spec("bioimageio") is None, reason="without the extra bioimageio"
)
pytestmark = pytest.mark.filterwarnings("ignore")  # of bioimageio
Document = dict[str, Any]


def network(weights: np.ndarray, *nodes: onnx.NodeProto) -> onnx.ModelProto:
    """A convolution of one channel (C, 1, 3, 3), and what comes before it."""
    last = nodes[-1].output[0] if nodes else "raw"
    convolution = helper.make_node("Conv", [last, "weights"], ["output"], pads=[1] * 4)
    image, output = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", channels, "h", "w"])
        for name, channels in (("raw", 1), ("output", len(weights)))
    )
    initializers = [numpy_helper.from_array(weights.astype(np.float32), "weights")]
    graph = helper.make_graph([*nodes, convolution], "net", [image], [output], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def identity(*factors: float) -> np.ndarray:
    weights = np.zeros((len(factors), 1, 3, 3))
    weights[:, 0, 1, 1] = factors
    return weights


def document() -> Document:
    """An rdf.yaml, which may be JSON."""
    size = {"min": 32, "step": 8}
    same = [{"tensor_id": "raw", "axis_id": axis} for axis in "yx"]
    space = {"type": "space", "unit": "nanometer", "scale": 4.0}
    return {
        "type": "model",
        "format_version": "0.5.3",
        "inputs": [
            {
                "id": "raw",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["em"]},
                    *({"id": axis, "size": size, **space} for axis in "yx"),
                ],
                "preprocessing": [
                    {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["channel", "y", "x"]}},
                ],
                "test_tensor": {"source": "pickled.npy"},
            }
        ],
        "outputs": [
            {
                "id": "output",
                "axes": [
                    {"type": "batch"},
                    {"type": "channel", "channel_names": ["boundaries", "inside"]},
                    *(
                        {"id": axis, "size": of, **space}
                        for axis, of in zip("yx", same, strict=True)
                    ),
                ],
                "postprocessing": [{"id": "sigmoid"}],
            }
        ],
        "weights": {"onnx": {"source": "weights.onnx", "opset_version": 17}},
    }


@pytest.fixture
def write_package(tmp_path: Path) -> Callable[..., Path]:
    def write(
        model: onnx.ModelProto | None = None,
        described: Document | None = None,
        files: Mapping[str, bytes] = {},
    ) -> Path:
        path = tmp_path / "package.zip"
        content = (model or network(identity(-3, 1))).SerializeToString()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("rdf.yaml", json.dumps(described or document()))
            archive.writestr("weights.onnx", content)
            for name, extra in files.items():
                archive.writestr(name, extra)
        return path

    return write


def test_a_package_of_ours_needs_no_bioimageio(
    write_model: WriteModel, tmp_path: Path, images: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bioimageio", None)
    model, package = write_model(), tmp_path / "ours.zip"
    with zipfile.ZipFile(package, "w") as archive:
        archive.write(model, "model.onnx")
    expected, found = (load_predictor(path).predict_slice(images[0]) for path in (model, package))
    np.testing.assert_array_equal(found, expected)


@needs_bioimageio
@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_another_s_package_is_predicted_as_it_says(
    write_package: Callable[..., Path], images: np.ndarray, engine: str
) -> None:
    package = write_package()
    predictor = load_predictor(package, engine=engine, precision="f32")
    assert predictor.card == find_model(package).read_card()
    assert predictor.card.pixel_size is not None and predictor.card.pixel_size.y == 4
    image = np.tile(images[0], (10, 10))  # of several tiles
    normal = (image - image.mean()) / image.std()
    expected = 1 / (1 + np.exp(3 * normal))
    np.testing.assert_allclose(predictor.predict_slice(image), expected, atol=1e-3)


@needs_bioimageio
def test_another_s_package_is_not_exported(write_package: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match="somebody else's package"):
        read_portable(write_package())


def test_without_bioimageio_its_pip_line_is_said(
    write_package: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "bioimageio.core.proc_ops", None)
    with pytest.raises(UserError, match=r"pip install 'napari-unet-mindspore\[bioimageio\]'"):
        load_predictor(write_package())


def changed(*path: str | int, value: Any) -> Document:
    """The document with one entry changed."""
    described = document()
    place: Any = described
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    return described


CUSTOM = {"id": "custom", "callable": "run", "source": "evil.py", "kwargs": {}}
WHOLE_SET = {"id": "zero_mean_unit_variance", "kwargs": {"axes": ["batch", "y", "x"]}}


@needs_bioimageio
@pytest.mark.parametrize(
    ("described", "reason"),
    [
        (changed("inputs", 0, "preprocessing", value=[CUSTOM]), "has the step custom"),
        (changed("inputs", 0, "preprocessing", value=[WHOLE_SET]), "a whole set of images"),
        (changed("weights", value={"pytorch_state_dict": {}}), "has no ONNX weights"),
        (changed("weights", "onnx", "source", value="../other.onnx"), "holds no file"),
        (changed("weights", "onnx", "source", value="http://example.org/a.onnx"), "holds no file"),
        (changed("format_version", value="0.4.10"), "its format is 0.4.10"),
        (changed("inputs", value=document()["inputs"] * 2), "has not one input"),
        (changed("inputs", 0, "axes", 2, "id", value="z"), "the axes|not valid"),
        (changed("outputs", 0, "postprocessing", value=[]), "beyond 0 to 1"),
    ],
)
def test_what_does_not_fit_is_said_in_a_sentence(
    write_package: Callable[..., Path], images: np.ndarray, described: Document, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        load_predictor(write_package(described=described)).predict_slice(images[0])


def external() -> onnx.ModelProto:
    model = network(identity(1))
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return model


def with_a_card_of_ours() -> onnx.ModelProto:
    model = network(identity(1))
    card = ModelCard("compact", Scaling("uint8", 0.0, 255.0))
    helper.set_model_props(model, {METADATA_KEY: card.to_json()})
    return model


def redefined() -> onnx.ModelProto:
    model = network(identity(1))
    model.functions.add(name="Conv", domain="")
    return model


def endless() -> onnx.ModelProto:
    """Two convolutions with a kernel wider than any tile, which takes no place in the file."""
    shape = helper.make_tensor("shape", TensorProto.INT64, [4], [1, 1, 4095, 4095])
    return network(
        identity(1),
        helper.make_node("Constant", [], ["shape"], value=shape),
        helper.make_node("ConstantOfShape", ["shape"], ["kernel"]),
        helper.make_node("Conv", ["raw", "kernel"], ["x"], pads=[2047] * 4),
        helper.make_node("Conv", ["x", "kernel"], ["y"], pads=[2047] * 4),
    )


def test_what_is_allowed_are_operations_of_onnx() -> None:
    assert {schema.name for schema in onnx.defs.get_all_schemas()} >= ALLOWED


@needs_bioimageio
@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (external(), "lie in another file"),
        (with_a_card_of_ours(), "another network than compact"),
        (redefined(), "uses Conv, which is not allowed"),
        (
            network(
                identity(1), *(helper.make_node("Relu", ["raw"], [f"{n}"]) for n in range(5000))
            ),
            "more than 5000 operations",
        ),
        (endless(), "take too long"),
        (network(identity(1), helper.make_node("Loop", ["raw"], ["x"])), "uses Loop"),
        (
            network(identity(1), helper.make_node("Relu", ["raw"], ["x"], domain="evil")),
            "uses evil",
        ),
        (network(np.zeros((20_000, 1, 3, 3))), "too much memory"),
    ],
)
def test_networks_that_would_do_harm_are_refused(
    write_package: Callable[..., Path], model: onnx.ModelProto, reason: str
) -> None:
    with pytest.raises(UserError, match=reason):
        load_predictor(write_package(model))


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"../outside.py": b"x"}, "leads out of it"),
        ({"/etc/cron.d/x": b"x"}, "leads out of it"),
        ({f"{number}.txt": b"" for number in range(1001)}, "more than 1000 files"),
    ],
)
def test_packages_that_would_do_harm_are_refused(
    write_package: Callable[..., Path], tmp_path: Path, files: dict[str, bytes], reason: str
) -> None:
    package = write_package(files=files)
    with pytest.raises(UserError, match=reason):
        load_predictor(package)
    assert [path.name for path in tmp_path.iterdir()] == ["package.zip"]


def test_a_file_that_would_fill_the_memory_is_refused(tmp_path: Path) -> None:
    package = tmp_path / "package.zip"
    with zipfile.ZipFile(package, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.onnx", bytes(2**26))
    with pytest.raises(UserError, match="would become 64 MB"):
        load_predictor(package)


@pytest.mark.parametrize("way", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_what_may_decompress_to_more_than_it_says_is_refused(tmp_path: Path, way: int) -> None:
    package = tmp_path / "package.zip"
    with zipfile.ZipFile(package, "w", way) as archive:
        archive.writestr("model.onnx", bytes(1000))
    with pytest.raises(UserError, match="not a package of a model that can be read"):
        load_predictor(package)


@needs_bioimageio
def test_yaml_builds_nothing_and_is_not_unfolded(tmp_path: Path) -> None:
    bombs = ["a0: &a0 [x]"] + [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in (1, 2)]
    for text in ("!!python/object/apply:os.system ['true']", "\n".join(bombs), "a: [", "\x00"):
        package = tmp_path / "package.zip"
        with zipfile.ZipFile(package, "w") as archive:
            archive.writestr("rdf.yaml", text)
        with pytest.raises(UserError, match=r"not valid YAML|describes no model"):
            load_predictor(package)


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\x03\x04" + bytes(60)])
def test_what_is_no_package_is_said(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "package.zip"
    path.write_bytes(content)
    with pytest.raises(UserError, match="is not a package of a model"):
        load_predictor(path)
