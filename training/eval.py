"""Evaluate a checkpoint on the held-out slices of a fold: the model zoo's command.

python -m training.eval --data_url=DIR --ckpt_path=FILE [--preset medical] [...]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from training.config import TrainingConfig
from training.console import say, set_up_console
from training.dataset.training_set import load_training_set
from training.devices.placement import Device, choose_device, prepare_environment
from training.errors import UserError
from training.learning.mindspore_setup import set_up_mindspore
from training.metrics.evaluation_report import ZOO_DICE, Evaluation, dice_line
from training.model.card_of_training import describe_model
from training.model.saved_model import load_model
from training.train import add_config_options, configure

USUAL_PRECISION = "float32"  # models are compared, wherever they are evaluated


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    set_up_console()
    parser = argparse.ArgumentParser(
        prog="python -m training.eval",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        argument_default=argparse.SUPPRESS,
    )
    parser.add_argument("--ckpt_path", required=True, help="a .ckpt or .safetensors file")
    add_config_options(parser)
    options = vars(parser.parse_args(arguments))
    ckpt_path = Path(options.pop("ckpt_path"))
    try:
        config = configure({"precision": USUAL_PRECISION, **options})
        prepare_environment()
        device = choose_device(config.device)
        set_up_mindspore(device, config.seed, config.jit_level)
        evaluation = evaluate_checkpoint(ckpt_path, config, device)
    except UserError as error:
        say(f"Error: {error}", to_stderr=True)
        return 2
    say(evaluation.table())
    if ZOO_DICE in evaluation.mean:
        say("zoo_dice: as the model zoo measures it, the slice resized and zeros around it.")
        say("soft_dice: the same at the stack's own resolution, its borders mirrored.")
    say(dice_line(evaluation.mean))
    return 0


def evaluate_checkpoint(path: Path, config: TrainingConfig, device: Device) -> Evaluation:
    """Compute the figures of a checkpoint on the validation slices of the configuration's fold.

    Raises
    ------
    UserError
        If the data or the checkpoint can't be used, or the device can't compute in the precision.
    """
    from training.learning.checkpoints import put_weights
    from training.learning.inference import Inference
    from training.learning.precision import set_precision
    from training.networks.membrane_network import build_network

    data = load_training_set(config)
    weights, card = load_model(path)
    if card.zoom is None:  # the zoo's, which does not know its stack
        card = describe_model(config.replace(preset=card.preset), data)
    if card.label_classes.names != data.classes.names:
        told = ", ".join(card.label_classes.names) or "membrane and inside"
        raise UserError(
            f"{path} tells {told} apart, and the labels other classes.",
            "Name the labels' classes by --classes, as in the training.",
        )
    network = build_network(card.preset, card.label_classes.outputs)
    put_weights(network, weights, path)
    set_precision(network, config, device)
    evaluation, probabilities = Inference(network, card).validate(data, config.cross_valid_ind)
    if data.neurons is None:  # they can't be told apart where labels are missing
        return evaluation
    return evaluation.with_neuron_figures(probabilities, data.neurons)


if __name__ == "__main__":
    sys.exit(main())
