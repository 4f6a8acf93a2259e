"""Finds the presets: each module of this folder that defines ``PRESET``."""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import MappingProxyType

from training import presets
from training.errors import UserError
from training.presets.preset import Preset

DEFAULT_PRESET = "compact"
ZOO_PRESET = "medical"  # of the commands whose names and defaults are the model zoo's


@cache
def list_presets() -> Mapping[str, Preset]:
    """List the presets by name: the default one first, then in alphabetical order."""
    modules = (
        import_module(f"{presets.__name__}.{module.name}")
        for module in pkgutil.iter_modules(presets.__path__)
    )
    found = [module.PRESET for module in modules if hasattr(module, "PRESET")]
    found.sort(key=lambda preset: (preset.name != DEFAULT_PRESET, preset.name))
    return MappingProxyType({preset.name: preset for preset in found})


def describe_presets() -> str:
    """Say for each preset what it is for."""
    return " ".join(f"{preset.name}: {preset.help}." for preset in list_presets().values())


def find_preset_of(shapes: Mapping[str, tuple[int, ...]]) -> Preset | None:
    """Find the preset whose network has parameters of these names and shapes, and maybe more."""
    for preset in list_presets().values():
        if preset.parameter_shapes().items() <= shapes.items():
            return preset
    return None


def find_preset(name: object) -> Preset:
    """Find a preset by its name, as a file or a person gave it.

    Raises
    ------
    UserError
        If there is no such preset.
    """
    known = list_presets()
    if not isinstance(name, str) or name not in known:
        raise UserError(
            f"The preset '{name!s:.99}' is unknown.", f"Choose one of: {', '.join(known)}."
        )
    return known[name]
