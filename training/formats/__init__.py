"""Opening stacks of any format, to read them slice by slice."""
