"""The correct dock."""
