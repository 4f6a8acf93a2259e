"""The run directory, its events, and the state that they fold to."""
