"""Which stacks a command works on, which part of them, and where."""
