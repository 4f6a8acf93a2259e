"""The networks to choose from: a module each, with all in which they differ."""
