"""The networks: the zoo's names and shapes, and the portable models that come out."""

import json
import subprocess
import sys

import pytest

from training.presets.registry import find_preset, list_presets

WIDTHS = (64, 128, 256, 512, 1024)


def run_case(name: str, *arguments: object) -> str:
    command = [
        sys.executable,
        "-m",
        "tests.training.networks.network_cases",
        name,
        *map(str, arguments),
    ]
    result = subprocess.run(command, capture_output=True, text=True, timeout=550, check=False)
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def zoo_parameters() -> dict[str, tuple[int, ...]]:
    """Names and shapes of the zoo's UNetMedical."""

    def double_conv(prefix: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
        return {
            f"{prefix}.double_conv.0.weight": (outputs, inputs, 3, 3),
            f"{prefix}.double_conv.0.bias": (outputs,),
            f"{prefix}.double_conv.2.weight": (outputs, outputs, 3, 3),
            f"{prefix}.double_conv.2.bias": (outputs,),
        }

    parameters = double_conv("inc", 1, WIDTHS[0])
    for level in (1, 2, 3, 4):
        inputs, outputs = WIDTHS[level - 1], WIDTHS[level]
        parameters |= double_conv(f"down{level}.maxpool_conv.1", inputs, outputs)
        inputs, outputs = WIDTHS[5 - level], WIDTHS[4 - level]
        parameters[f"up{level}.up.weight"] = (inputs, outputs, 2, 2)
        parameters |= double_conv(f"up{level}.conv", inputs, outputs)
    return parameters | {"outc.conv.weight": (2, 64, 1, 1), "outc.conv.bias": (2,)}


def test_medical_has_the_zoo_s_parameters() -> None:
    lines = run_case("medical_parameters").splitlines()
    found = {name: tuple(map(int, shape)) for name, *shape in map(str.split, lines)}
    assert found == zoo_parameters() == find_preset("medical").parameter_shapes()


@pytest.mark.parametrize("classes", ["", "a,b,c"])
def test_medical_learns_from_a_batch(classes: str) -> None:
    first, second = map(float, run_case("one_medical_step", classes).split())
    assert 0 < second < first < 100


def test_updates_that_overflow_in_half_precision_are_skipped() -> None:
    """On a CPU, at the smallest size: what an NPU computes at 572 x 572."""
    usual, overflowing = json.loads(run_case("medical_in_float16"))
    assert usual == {"is_skipped": False, "is_changed": True, "is_finite": True}
    assert overflowing == {"is_skipped": True, "is_changed": False, "is_finite": True}


def test_all_biases_of_medical_are_zero_at_first() -> None:
    assert run_case("initial_biases") == ""


def test_logits_are_subtracted_in_single_precision() -> None:
    assert float(run_case("float16_logits")) == pytest.approx(1000.5 - 0.3, abs=1e-3)


def test_the_loss_scale_of_compact_changes_nothing_and_its_average_may_move_seldom() -> None:
    found = json.loads(run_case("compact_steps"))
    assert found["scale"] == 1024
    assert found["losses"][0] == found["losses"][1]
    # Once for four steps, and before a validation.
    assert found["moves"][0] == [False, False, False, True, False, False, True]


def test_half_precision_is_the_default_of_medical_on_an_npu_alone() -> None:
    refusal = "MindSpore can't compute in bfloat16 on a CPU. Choose float32, or an Ascend NPU."
    assert run_case("precisions").splitlines() == [
        "medical CPU auto float32",
        f"medical CPU bfloat16 {refusal}",
        "medical Ascend auto float16",
        "medical Ascend bfloat16 bfloat16",
        "compact CPU auto float32",
        f"compact CPU bfloat16 {refusal}",
        "compact Ascend auto float32",
        "compact Ascend bfloat16 bfloat16",
    ]


def test_a_seldom_move_of_the_average_goes_as_far() -> None:
    often, seldom = map(float, run_case("averaging_shares").split())
    assert seldom == pytest.approx(often)


@pytest.mark.parametrize(
    ("preset", "classes"), [(preset, named) for preset in list_presets() for named in ("", "a,b,c")]
)
def test_the_portable_model_gives_mindspore_s_output(preset: str, classes: str) -> None:
    geometry = find_preset(preset).geometry
    size = geometry.output_length(64) + 2 * geometry.margin
    assert float(run_case("same_as_onnx", preset, size, classes)) < 1e-4


def test_a_long_run_learns_at_a_lower_rate() -> None:
    short, usual, long = map(float, run_case("highest_rates", 60, 576, 4 * 576).split())
    assert short == usual == pytest.approx(1e-2)
    assert long == pytest.approx(usual / 2)
