"""Saving layers: buttons, the dialog that asks where to, and questions before."""
