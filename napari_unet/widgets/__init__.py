"""The docks: one coordinator each, with views that show and emit signals; few decide more."""
