"""Compiled models, kept between starts in the user's cache folder."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import platformdirs

KEPT = 8  # compiled models: of compact 2 MB each, of medical 120 MB

_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """Where compiled models are kept, for this person on this system."""
    return Path(platformdirs.user_cache_dir("napari-unet")) / "openvino"


def compile_network(core: Any, network: Any, device: str, options: dict[str, str]) -> Any:
    """Compile a network, or take it from the cache; a cache that is of no use is passed over.

    Parameters
    ----------
    core : openvino.Core
    network : openvino.Model
    device : str
        OpenVINO's name of it.
    options : dict
        OpenVINO's properties.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        compiled = core.compile_model(network, device, {**options, "CACHE_DIR": str(folder)})
        _prune(folder)
    except (OSError, RuntimeError) as error:
        _log.warning("Compiled models in %s are of no use: %s", folder, error)
        return core.compile_model(network, device, options)
    return compiled


def _prune(folder: Path) -> None:
    """Keep the newest ones: every training makes a model of its own."""
    files = sorted(folder.glob("*.blob"), key=lambda path: path.stat().st_mtime, reverse=True)
    for path in files[KEPT:]:
        path.unlink(missing_ok=True)
