"""What keeps a slice from being saved while it is changed."""

from __future__ import annotations

from threading import Lock

# Held while an operation changes a slice, and while one is copied to be saved: what is saved of a
# slice is before the operation or after it, and a list of operations tells which.
WHOLE_SLICE = Lock()
