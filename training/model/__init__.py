"""What goes with a model: its card, its tiles, and the prediction of a slice."""
