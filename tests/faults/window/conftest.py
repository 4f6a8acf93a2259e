"""The fixtures of the window's own tests."""

from tests.napari_unet.conftest import write_model  # noqa: F401
from tests.napari_unet.widgets.conftest import button, drag, qtbot, viewer  # noqa: F401
