"""The networks, in MindSpore."""
