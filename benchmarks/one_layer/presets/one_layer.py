"""medical with a network of one layer, whose steps cost next to nothing."""

from dataclasses import replace

from training.presets.medical import PRESET as MEDICAL

PRESET = replace(MEDICAL, name="one_layer", network="one_layer_network:OneLayer")
