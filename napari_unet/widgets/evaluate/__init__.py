"""The evaluate dock."""
