"""Colours that mean something: the same on the canvas, in plots, tables and pictures."""

# From Okabe and Ito's palette, which colour-blind people tell apart: what only the prediction
# has (false positives) looks like the prediction, what only the truth has like the truth.
PREDICTION_COLOR = "#E69F00"
TRUTH_COLOR = "#56B4E9"
OTHER_COLOR = "#CC79A7"
INSIDE_COLOR = "#F0E442"
ERROR_COLOR = "#D55E00"
ACTION_COLOR = "#0072B2"
