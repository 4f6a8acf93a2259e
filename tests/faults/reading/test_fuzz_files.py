"""Every other file that is read: damaged, or made to do harm."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from safetensors.numpy import save

from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.projects.records import LayerRecord, ProjectState, StackReference
from napari_unet.settings import Settings
from tests.faults.reading.judging import read_all
from tests.faults.reading.mutations import mutated, truncated
from tests.faults.scale import scaled
from tests.napari_unet.conftest import dark_is_membrane
from tests.training.devices.test_npus import A3_TABLE
from training.config import preset_config
from training.model.model_card import ModelCard
from training.stacks.intensities import Intensities
from training.stacks.scaling import Scaling

SEED = 20150518
INTENSITIES = Intensities(tuple(map(float, range(101))), -0.2)
CARD = ModelCard(
    "compact", Scaling("uint8", 0.0, 255.0, INTENSITIES), train_slices=(1, 2), data="stack"
)
LIST = """\tNPU ID                         : 1
\tProduct Name                   : IT21DMDA
\tChip Count                     : 2
"""

STEPS = [
    {"kind": "step", "time": 10.0 + step, "step": step, "epoch": 1, "loss": 1 / step,
     "images_per_second": 9.5, "lr": 1e-3} for step in range(1, 30)
]  # fmt: skip
FIGURES = {"soft_dice": 0.9, "dice": 0.8}
EVENTS = [
    {"kind": "started", "time": 10.0, "first_step": 0, "total_steps": 30, "total_epochs": 3,
     "preview_slice": 2, "device": "cpu", "world_size": 1, "train_slices": [0, 1],
     "valid_slices": [2], "validation": "slice 2",
     "initial_model": {"path": "best.safetensors", "mean": FIGURES}},
    *STEPS,
    {"kind": "evaluated", "time": 41.0, "step": 10, "epoch": 1, "slices": [], "mean": FIGURES},
    {"kind": "checkpoint", "time": 41.0, "step": 10, "path": "checkpoints/x", "is_best": True},
    {"kind": "preview", "time": 42.0, "step": 1, "slice": 2, "path": "preview/step-000001.png"},
    {"kind": "warning", "time": 42.0, "message": "Slow."},
    {"kind": "compared", "time": 43.0, "initial_path": "x", "slices": [2], "before": FIGURES,
     "after": FIGURES, "is_better": True},
    {"kind": "failed", "time": 44.0, "message": "No.", "remedy": "Yes.", "traceback": ""},
]  # fmt: skip
LAYER = LayerRecord(
    kind="labels",
    file="labels/a.tif",
    attributes={"name": "a", "scale": [1, 1, 1]},
    metadata={"convention": "isbi"},
)
IMAGE = LayerRecord(
    kind="image",
    attributes={"name": "b"},
    stack=StackReference(path="/data/b.tif", size=1, modified=2, sha256="00"),
)

# Documents, by the target that reads them.
DOCUMENTS: dict[str, Any] = {
    "config": json.loads(preset_config("compact", data_url="/data").to_json()),
    "card": json.loads(CARD.to_json()),
    "profiles": [vars(Profile(name="lab", host="host", nodes=("other",), master_addr="10.0.0.1"))],
    "record": {"profile": vars(Profile(name="lab", host="host")), "run_id": "1f", "devices": 8,
               "paths": ["/home/me/runs/a"], "is_running": True, "hashes": {}},
    "settings": Settings().model_dump(),
    "project": json.loads(ProjectState(layers=(LAYER, IMAGE), view={"zoom": 1.0}).to_json()),
}  # fmt: skip
NAMES = {"record": "remote.json", "project": "project.json"}

VALUES: list[Any] = [
    None, True, -1, 0, 2**31, 10**30, 10**400, 1e308, -0.0, "", "x", "\0", "../../x", "/etc/passwd",
    "a\x1b[2J\n", "\ud800", "\udcff", "x" * 10_000, [], [1], [[]], {}, {"x": 1}, [None] * 3,
]  # fmt: skip
TEXTS = [
    b"", b"null", b"[]", b"{}", b"3", b'"x"', b"NaN", b"[NaN]", b"[1e999]", b"[" * 100_000,
    b'{"a":' * 50_000, b"\xff\xfe\x00", b"\x00" * 100, b"&a *a", b"!!python/object/apply:os.system",
    b'{"version": 1, "version": 2}', b"1" * 10_000, b"[" + b"1," * 100_000 + b"1]",
    b"\xef\xbb\xbf{}",
]  # fmt: skip


def write_all(folder: Path, contents: Iterable[bytes], name: str = "") -> list[Path]:
    """Files of some contents, each in a folder of its own if they need a certain name."""
    paths = []
    for index, content in enumerate(contents):
        path = folder / f"{index:05}" / name if name else folder / f"{index:05}.x"
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_bytes(content)
        paths.append(path)
    return paths


def with_values(document: Any) -> Iterable[Any]:
    """The document with each of its values replaced by each of the odd ones, one at a time."""
    places: Iterable[Any] = document.keys() if isinstance(document, dict) else range(len(document))
    for place in places:
        value = document[place]
        odd = list(VALUES)
        if isinstance(value, (dict, list)):
            odd += list(with_values(value))
        for value in odd:
            copy = document.copy()
            copy[place] = value
            yield copy


def as_bytes(document: Any) -> bytes:
    return json.dumps(document).encode()


@pytest.mark.parametrize("target", DOCUMENTS)
def test_documents(tmp_path: Path, target: str) -> None:
    rng = np.random.default_rng([SEED, len(target)])
    whole = as_bytes(DOCUMENTS[target])
    odd = list(map(as_bytes, with_values(DOCUMENTS[target])))
    some = rng.permutation(len(odd))[: scaled(150)]
    contents = [whole, *TEXTS, *(odd[index] for index in some), *truncated(whole, scaled(20))]
    contents += [mutated(whole, rng) for _ in range(scaled(100))]
    paths = write_all(tmp_path, contents, NAMES.get(target, ""))
    if target == "project":
        paths = [path.parent for path in paths]
    outcomes = read_all(target, paths)
    assert outcomes.total() == len(paths)
    assert outcomes["read"] > 0
    assert outcomes["refused"] > 0 or target == "settings"  # which are passed over if damaged


def test_events(tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    whole = b"".join(as_bytes(event) + b"\n" for event in EVENTS)
    kinds = {event["kind"]: event for event in EVENTS}
    odd = [
        whole + as_bytes(damaged) + b"\n" + whole
        for event in kinds.values()
        for damaged in with_values(event)
    ]
    some = rng.permutation(len(odd))[: scaled(200)]
    lines = [b"\0" * 5000, b"x" * 2**20, b'{"kind": "step", "loss": 1e999, }', b"[" * 10**5,
             b'{"kind": "losses", "steps": [1], "losses": ["x"]}', b"\r\x85\xe2"]  # fmt: skip
    contents = [whole, *(odd[index] for index in some), *truncated(whole, scaled(20))]
    contents += [whole + line + b"\n" + whole for line in lines]
    contents += [mutated(whole, rng) for _ in range(scaled(100))]
    paths = write_all(tmp_path, contents)
    assert read_all("events", paths) == {"read": len(paths)}


def test_npu_smi(tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    tables = [A3_TABLE.encode(), LIST.encode() * 3]
    contents = [mutated(tables[index % 2], rng) for index in range(scaled(200))]
    contents += [b"| 0 " * 20_000, b"1/" * 50_000, b"1" * 100_000, b" " * 100_000, b"|" * 10**5]
    contents += [b"| 0     " + b"a " * 50_000, b"NPU ID : 1\nChip Count : " + b"9" * 5000]
    paths = write_all(tmp_path, contents)
    assert read_all("npus", paths) == {"read": len(paths)}


def hostile_models(whole: bytes, folder: Path) -> Iterable[bytes]:
    """Models that would run or read something else than a network of ours."""

    def changed(change: Callable[[Any], object]) -> bytes:
        model = onnx.load_model_from_string(whole)
        change(model)
        content: bytes = model.SerializeToString()
        return content

    def put_outside(model: Any, location: str) -> None:
        tensor = model.graph.initializer[0]
        tensor.ClearField("raw_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value=location)

    def add_node(model: Any, kind: str, domain: str) -> None:
        model.graph.node.insert(0, helper.make_node(kind, ["image"], ["image2"], domain=domain))

    def declare(model: Any, lengths: list[int]) -> None:
        del model.graph.initializer[0].dims[:]
        model.graph.initializer[0].dims.extend(lengths)

    (folder / "weights.bin").write_bytes(bytes(2**16))
    for location in ("weights.bin", "/etc/passwd", "../../../../etc/passwd", ""):
        yield changed(lambda model, at=location: put_outside(model, at))  # type: ignore[misc]
    for kind, domain in (("Evil", "com.example"), ("Relu", "ai.onnx.ml"), ("If", ""), ("Loop", ""),
                         ("Constant", ""), ("Expand", ""), ("Nothing", "")):  # fmt: skip
        yield changed(lambda model, k=kind, d=domain: add_node(model, k, d))  # type: ignore[misc]
    for lengths in ([2**31, 2**31], [-1], [2**62, 4], [0], []):
        yield changed(lambda model, new=lengths: declare(model, new))  # type: ignore[misc]
    yield changed(lambda model: model.opset_import.add(domain="com.example", version=1))
    yield changed(lambda model: model.functions.add(name="Conv", domain=""))
    yield changed(lambda model: model.graph.ClearField("node"))
    yield changed(lambda model: model.graph.ClearField("input"))
    yield changed(lambda model: model.graph.ClearField("output"))
    yield changed(lambda model: model.ClearField("metadata_props"))
    yield whole.replace(b'"preset"', b'"pre\xffet"')
    yield whole.replace(b"Concat", b"Con\xffat")
    yield from (b"", b"\x08", b"\xff" * 100, b"x" * 10_000)


def test_models(tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    whole = dark_is_membrane(CARD)
    assert read_all("model", write_all(tmp_path / "whole", [whole])) == {"read": 1}
    (tmp_path / "hostile").mkdir()
    paths = write_all(tmp_path / "hostile", hostile_models(whole, tmp_path / "hostile"))
    assert read_all("model", paths) == {"refused": len(paths)}
    # As a whole most of them are no message any more; of the nodes, some are odd ones.
    model = onnx.load_model_from_string(whole)
    contents = [*truncated(whole, scaled(20)), *(mutated(whole, rng) for _ in range(scaled(40)))]
    for _ in range(scaled(40)):
        copy = type(model)()
        copy.CopyFrom(model)
        part = copy.graph.node[rng.integers(len(copy.graph.node))]
        try:
            part.ParseFromString(mutated(part.SerializeToString(), rng))
        except Exception:
            continue
        contents.append(copy.SerializePartialToString())
    paths = write_all(tmp_path / "damaged", contents)
    assert read_all("model", paths).total() == len(paths)


def _safetensors(header: object) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(64)


def _field(number: int, content: bytes) -> bytes:
    """A field of a protobuf message, of less than 16 KiB."""
    length = len(content)
    size = bytes([length]) if length < 128 else bytes([length & 127 | 128, length >> 7])
    return bytes([number << 3 | 2]) + size + content


def legacy_checkpoint(weights: dict[str, np.ndarray]) -> bytes:
    """A ``.ckpt`` as MindSpore writes it."""
    content = b""
    for name, value in weights.items():
        dims = b"".join(bytes([1 << 3, length]) for length in value.shape)
        tensor = dims + _field(2, b"Float32") + _field(3, value.tobytes())
        content += _field(1, _field(1, name.encode()) + _field(2, tensor))
    return content


def test_checkpoints(tmp_path: Path) -> None:
    rng = np.random.default_rng(SEED)
    weights = {"weight": np.ones((4, 1, 3, 3), np.float32), "bias": np.ones(4, np.float32)}
    metadata = {"steps": "3", "samples": "24", "epochs": "1", "model_card": CARD.to_json()}
    whole = save(weights, metadata)
    entry = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
    headers: list[object] = [
        {"bias": {**entry, "shape": [2**40, 2**40]}}, {"bias": {**entry, "shape": [-1]}},
        {"bias": {**entry, "data_offsets": [0, 2**60]}}, {"bias": {**entry, "dtype": "F8_E4M3"}},
        {"bias": {**entry, "dtype": "BF16", "data_offsets": [0, 8]}},
        {"bias": {**entry, "dtype": "X"}}, [], 3, b"[" * 5000,
        {"bias": {**entry, "data_offsets": [16, 0]}}, {"bias": entry, "weight": entry},
        {"bias": {**entry, "dtype": "BOOL", "data_offsets": [0, 4]}},
        {"__metadata__": {"steps": 3}},
        {"bias": {**entry, "dtype": "C64", "data_offsets": [0, 32]}}, b"\xff" * 10, {},
    ]  # fmt: skip
    contents = [_safetensors(header) for header in headers]
    contents += [struct.pack("<Q", size) + b"{}" for size in (2**63, 2**64 - 1, 10**8, 0)]
    contents += [*truncated(whole, scaled(20)), *(mutated(whole, rng) for _ in range(scaled(60)))]
    paths = [path.rename(path.with_suffix(".safetensors")) for path in
             write_all(tmp_path / "safetensors", contents)]  # fmt: skip
    legacy = legacy_checkpoint(weights)
    contents = [legacy, *truncated(legacy, scaled(10))]
    contents += [mutated(legacy, rng) for _ in range(scaled(40))]
    paths += [path.rename(path.with_suffix(".ckpt")) for path in
              write_all(tmp_path / "ckpt", contents)]  # fmt: skip
    assert read_all("weights", paths).total() == len(paths)
