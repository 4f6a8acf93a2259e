"""Run by test_networks.py in processes of their own: MindSpore stays out of pytest's."""

import sys
from pathlib import Path

import numpy as np

from training.config import preset_config
from training.devices.placement import Device, prepare_environment
from training.learning.mindspore_setup import set_up_mindspore
from training.model.model_card import ModelCard
from training.stacks.scaling import Scaling

SCALING = Scaling("uint8", 0.0, 255.0)


def randomized_network(preset: str):
    """A network whose every parameter counts, batch norm's statistics included."""
    import mindspore

    from training.networks.membrane_network import build_network

    network = build_network(preset)
    random = np.random.default_rng(0)
    for parameter in network.get_parameters():
        if "norm" in parameter.name or parameter.name.endswith("bias"):
            values = random.uniform(0.5, 1.5, parameter.shape).astype(np.float32)
            parameter.set_data(mindspore.Tensor(values))
    return network


def same_as_onnx(preset: str, size: int) -> None:
    """Print the largest difference between MindSpore's and OpenVINO's probability."""
    import openvino
    from mindspore import Tensor

    from training.learning.checkpoints import parameters_of
    from training.model.onnx_graph import build_onnx
    from training.networks.membrane_network import MembraneProbability

    network = randomized_network(preset)
    network.set_train(False)
    image = np.random.default_rng(1).uniform(-1, 1, (2, 1, size, size)).astype(np.float32)
    expected = MembraneProbability(network, preset)(Tensor(image)).asnumpy()
    content = build_onnx(parameters_of(network), ModelCard(preset, SCALING))
    core = openvino.Core()
    model = core.compile_model(core.read_model(content), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    found = model(image)[0]
    assert found.shape == expected.shape
    print(np.abs(found - expected).max())


def one_medical_step() -> None:
    """Print the loss of one step on a batch."""
    from training.learning.batches import Batch
    from training.learning.learner import Learner

    config = preset_config("medical", batchsize=1)
    learner = Learner(config, ModelCard("medical", SCALING), Device("CPU"), 1)
    random = np.random.default_rng(0)
    images = random.uniform(-1, 1, (1, 1, 252, 252)).astype(np.float32)
    membrane = (random.random((1, 1, 68, 68)) < 0.2).astype(np.float32)
    loss, _ = learner.step(1, Batch(images, membrane, np.ones_like(membrane)), stop=False)
    print(loss)


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
