"""Imports what workers need: those of this machine are forked from a process that has done it."""

import onnx  # noqa: F401

from napari_unet.neurons import chunk_neurons  # noqa: F401
from napari_unet.prediction import chunk_job  # noqa: F401
from napari_unet.prediction.openvino_runtime import import_openvino
from training.formats.zarr_folders import zarr_stack  # noqa: F401

import_openvino()
