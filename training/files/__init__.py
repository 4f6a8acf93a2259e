"""Reading and writing files that others may touch: whole writes, bounded and suspicious reads."""
