"""The training itself, in MindSpore: batches, steps, validation, checkpoints."""
