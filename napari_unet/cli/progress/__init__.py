"""The progress of what a command does, in a terminal and elsewhere."""
