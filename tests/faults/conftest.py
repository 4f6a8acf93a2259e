"""What the fault suite borrows from the others."""

from tests.training.conftest import small_folder

__all__ = ["small_folder"]
