"""What a killed process may leave: files that are whole, and temporary ones."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path

import onnx
import tifffile
from PIL import Image
from safetensors.numpy import load_file


def files_of(folder: Path) -> list[Path]:
    """Every file below a folder that has its final name."""
    return [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".part"]


def temporaries_of(folder: Path) -> list[Path]:
    return list(folder.rglob("*.part"))


def snapshot(folder: Path) -> dict[str, str]:
    """SHA-256 of every file, by its path below the folder."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files_of(folder)
    }


def assert_whole(paths: Iterable[Path]) -> None:
    """Every file can be read by its own library; only an events file may end in half a line."""
    for path in paths:
        match path.suffix:
            case ".json":
                json.loads(path.read_text())
            case ".jsonl":
                for line in path.read_bytes().split(b"\n")[:-1]:
                    json.loads(line)
            case ".safetensors":
                load_file(path)
            case ".onnx":
                onnx.load(path)
            case ".tif":
                tifffile.imread(path)
            case ".png":
                with Image.open(path) as image:
                    image.load()
            case ".csv":
                assert path.read_bytes().endswith(b"\n"), path
