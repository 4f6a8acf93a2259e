"""Run by test_networks.py in processes of their own: MindSpore stays out of pytest's."""

import json
import sys
from pathlib import Path

import numpy as np

from training.config import preset_config
from training.devices.placement import Device, prepare_environment
from training.label_classes import LabelClasses
from training.learning.mindspore_setup import set_up_mindspore
from training.model.model_card import ModelCard
from training.stacks.scaling import Scaling

SCALING = Scaling("uint8", 0.0, 255.0)


def randomized_network(preset: str, outputs: int = 1):
    """A network whose every parameter counts, batch norm's statistics included."""
    import mindspore

    from training.networks.membrane_network import build_network

    network = build_network(preset, outputs)
    random = np.random.default_rng(0)
    for parameter in network.get_parameters():
        if "norm" in parameter.name or parameter.name.endswith("bias"):
            values = random.uniform(0.5, 1.5, parameter.shape).astype(np.float32)
            parameter.set_data(mindspore.Tensor(values))
    return network


def same_as_onnx(preset: str, size: int, classes: str) -> None:
    """Print the largest difference between MindSpore's and OpenVINO's probability."""
    import openvino
    from mindspore import Tensor

    from napari_unet.prediction.model_check import check_onnx
    from training.learning.checkpoints import parameters_of
    from training.model.onnx_graph import build_onnx
    from training.networks.membrane_network import build_probability

    named = LabelClasses.parse(classes)
    network = randomized_network(preset, named.outputs)
    network.set_train(False)
    image = np.random.default_rng(1).uniform(-1, 1, (2, 1, size, size)).astype(np.float32)
    expected = build_probability(network, preset, named.outputs)(Tensor(image)).asnumpy()
    about = {"classes": named.members, "num_classes": max(2, len(named))}
    content = build_onnx(parameters_of(network), ModelCard(preset, SCALING, **about))
    check_onnx(content, Path("model.onnx"))
    core = openvino.Core()
    model = core.compile_model(core.read_model(content), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = model(image)[0]
    assert found.shape == expected.shape
    print(np.abs(found - expected).max())


def one_medical_step(classes: str) -> None:
    """Print the losses of two steps on a batch, at the smallest size."""
    from training.learning.batches import Batch
    from training.learning.learner import Learner

    config = preset_config("medical", batchsize=1, classes=classes)
    about = {"classes": config.label_classes.members, "num_classes": config.num_classes}
    learner = Learner(config, ModelCard("medical", SCALING, **about), Device("CPU"), 2)
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (1, 1, 188, 188)).astype(np.float32)
    wanted = (random.random((1, 1, 4, 4)) < 0.2).astype(np.float32)
    weights = np.ones_like(wanted)
    if classes:
        places = random.integers(config.num_classes, size=(1, 1, 4, 4))
        wanted = np.moveaxis(np.eye(config.num_classes)[places[:, 0]], 3, 1).astype(np.float32)
    batch = Batch(images, wanted, weights)
    for step in (1, 2):
        print(learner.step(step, batch, stop=False, has_converged=False).loss)


def medical_in_float16() -> None:
    """Print what a step in half precision does, and one whose pixels weigh more than it holds."""
    from training.learning.batches import Batch
    from training.learning.checkpoints import parameters_of
    from training.learning.learner import Learner

    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (1, 1, 188, 188)).astype(np.float32)
    membrane = (random.random((1, 1, 4, 4)) < 0.3).astype(np.float32)
    config = preset_config("medical", precision="float16")
    learner = Learner(config, ModelCard("medical", SCALING), Device("CPU"), 2)
    found = []
    for step, weight in enumerate((1, 1e5), 1):
        batch = Batch(images, membrane, np.full_like(membrane, weight))
        before = learner.fingerprint()
        outcome = learner.step(step, batch, stop=False, has_converged=False)
        weights = parameters_of(learner._network)
        found.append(
            {
                "is_skipped": outcome.is_skipped,
                "is_changed": learner.fingerprint() != before,
                "is_finite": all(np.isfinite(values).all() for values in weights.values()),
            }
        )
    print(json.dumps(found))


def initial_biases() -> None:
    """Print the names of the parameters of medical whose bias is not zero at first."""
    from training.learning.checkpoints import parameters_of
    from training.networks.membrane_network import build_network

    weights = parameters_of(build_network("medical"))
    print(*(name for name, value in weights.items() if name.endswith("bias") and value.any()))


def float16_logits() -> None:
    """Print the logit of membrane of a network in half precision that gives 1000.5 and 0.3."""
    import mindspore
    from mindspore import Tensor, nn

    from training.networks.membrane_network import MembraneLogit

    class Constant(nn.Cell):
        def construct(self, image):
            return image

    logits = Tensor(np.array([1000.5, 0.3]).reshape(1, 2, 1, 1), mindspore.float16)
    print(MembraneLogit(Constant(), "medical")(logits).asnumpy().item())


def compact_steps() -> None:
    """Print losses of compact at its own loss scale and at 1, and when its average moves."""
    from training.learning import learner as module
    from training.learning.batches import Batch
    from training.learning.checkpoints import parameters_of
    from training.learning.learner import Learner

    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (2, 1, 64, 64)).astype(np.float32)
    batch = Batch(images, (images < 0).astype(np.float32), np.ones_like(images))
    module.AVERAGING_STEPS["CPU"] = 4
    found = {"losses": [], "moves": []}
    for scales in ({}, {"loss_scale": 1.0, "FixedLossScaleManager": 1.0}):
        mindspore_seed()
        config = preset_config("compact", **scales)
        learner = Learner(config, ModelCard("compact", SCALING), Device("CPU"), 6)
        name = "average.logits.weight"
        average = parameters_of(learner._average)[name]
        losses, moves = [], []
        for step in range(1, 7):
            losses.append(learner.step(step, batch, stop=False, has_converged=False).loss)
            now = parameters_of(learner._average)[name]
            moves.append(bool((now != average).any()))
            average = now
        learner.settle()
        moves.append(bool((parameters_of(learner._average)[name] != average).any()))
        found["losses"].append(losses)
        found["moves"].append(moves)
    print(json.dumps(found | {"scale": preset_config("compact").loss_scale}))


def precisions() -> None:
    """Print what each preset computes in, by default and by option, on each device."""
    from training.errors import UserError
    from training.learning.precision import choose_precision

    for preset in ("medical", "compact"):
        for target in ("CPU", "Ascend"):
            for precision in ("auto", "bfloat16"):
                config = preset_config(preset, precision=precision)
                try:
                    print(preset, target, precision, choose_precision(config, Device(target)))
                except UserError as error:
                    print(preset, target, precision, error)


def averaging_shares() -> None:
    """Print how much of the weights' average is left after four moves, and after one for four."""
    from training.learning.step import averaging_share

    print(np.prod([1 - averaging_share(step - 1, step) for step in (5, 6, 7, 8)]))
    print(1 - averaging_share(4, 8))


def mindspore_seed() -> None:
    import mindspore

    mindspore.set_seed(1)


def highest_rates(*totals: str) -> None:
    """Print the highest learning rate of compact's runs of so many steps."""
    from training.learning.step import learning_rates

    print(*(learning_rates(preset_config("compact"), int(total)).max() for total in totals))


def medical_parameters() -> None:
    """Print name and shape of every parameter."""
    from training.networks.membrane_network import build_network

    for parameter in build_network("medical").get_parameters():
        print(parameter.name, *parameter.shape)


def zoo_checkpoint_loads(folder: str) -> None:
    """Save .ckpt files as the zoo's Model does, with the optimizer's states, and load them."""
    import mindspore
    from mindspore import nn

    from training.learning.checkpoints import parameters_of, put_weights
    from training.model.weight_files import check_checkpoint, load_weights
    from training.networks.membrane_network import build_network

    saved = build_network("medical")
    optimizer = nn.Adam(saved.trainable_params(), learning_rate=1e-4)
    path = Path(folder) / "ckpt_unet_medical_adam-1_1.ckpt"
    mindspore.save_checkpoint(optimizer, str(path), append_dict={"epoch_num": 3, "lr": 0.5})
    other = Path(folder) / "other.ckpt"
    mindspore.save_checkpoint(nn.Dense(2, 3), str(other), crc_check=True)
    for file in (path, other):
        check_checkpoint(file)
        weights, _ = load_weights(file)
        expected = mindspore.load_checkpoint(str(file))
        assert weights.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(weights[name], value.asnumpy(), strict=True)
    weights, _ = load_weights(path)
    loaded = build_network("medical")
    put_weights(loaded, weights, path)
    for name, value in parameters_of(loaded).items():
        np.testing.assert_array_equal(value, weights[name])
    print("equal")


if __name__ == "__main__":
    prepare_environment()
    set_up_mindspore(Device("CPU"), seed=1)
    name, *arguments = sys.argv[1:]
    globals()[name](*(int(text) if text.isdecimal() else text for text in arguments))
