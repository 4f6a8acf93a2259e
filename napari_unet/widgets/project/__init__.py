"""The project dock."""
