"""How a training sample is made of a slice: crops, turns, resizing. Knows no network."""
