"""The docks: one coordinator each, and views that only emit signals."""
