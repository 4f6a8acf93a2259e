"""The dock Neurons, where numbered neurons are mended."""
