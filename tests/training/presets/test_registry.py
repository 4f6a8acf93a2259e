"""Presets are found by name, and whatever is unknown is said so."""

import subprocess
import sys
from pathlib import Path

import pytest

from training.config import TrainingConfig, preset_config
from training.errors import UserError
from training.model.model_card import ModelCard
from training.model.onnx_graph import build_onnx
from training.presets.registry import DEFAULT_PRESET, describe_presets, find_preset, list_presets
from training.stacks.scaling import Scaling

THROWAWAY = """
import dataclasses
from training.presets.compact import PRESET as COMPACT
PRESET = dataclasses.replace(COMPACT, name="thin", help="a test's", defaults={"epochs": 3})
"""


def test_the_default_preset_comes_first() -> None:
    first, *others = list_presets()
    assert first == DEFAULT_PRESET and others == sorted(others) and "medical" in others
    assert all(
        f"{preset.name}: {preset.help}." in describe_presets() for preset in list_presets().values()
    )


def test_a_module_is_enough_for_options_and_defaults(tmp_path: Path) -> None:
    (tmp_path / "thin.py").write_text(THROWAWAY)
    code = (
        "from training import presets\n"
        f"presets.__path__.append({str(tmp_path)!r})\n"
        "from training.train import build_parser\n"
        "from training.config import preset_config\n"
        "print(build_parser().parse_args(['--preset', 'thin']).preset, "
        "preset_config('thin').epochs)\n"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.split() == ["thin", "3"], result.stderr


@pytest.mark.parametrize("name", ["huge", "", None, 3, ["compact"], "registry"])
def test_an_unknown_preset_is_not_taken_for_another(name: object) -> None:
    with pytest.raises(UserError, match=r"is unknown. Choose one of: compact, .*medical"):
        find_preset(name)


def test_nothing_is_made_for_an_unknown_preset() -> None:
    card = ModelCard("huge", Scaling("uint8", 0, 255))
    with pytest.raises(UserError, match="'huge' is unknown"):
        build_onnx({}, card)
    with pytest.raises(UserError, match="'huge' is unknown"):
        _ = card.geometry
    with pytest.raises(UserError, match="'huge' is unknown"):
        preset_config("huge")
    with pytest.raises(UserError, match="preset is 'huge'"):
        TrainingConfig(preset="huge")


def test_a_slice_keeps_its_size_or_gets_the_network_s() -> None:
    assert find_preset("medical").zoom((512, 776)) == (388 / 512, 0.5)
    assert find_preset("compact").zoom((512, 776)) == (1.0, 1.0)
