"""Which stacks a command works on, and which part of them."""
