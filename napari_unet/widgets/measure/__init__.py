"""The measure dock: sizes of the objects in a layer, as a table and plots."""
