"""The predict dock."""
