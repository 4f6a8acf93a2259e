"""The fixtures of the window's own tests."""

from tests.napari_unet.conftest import write_model  # noqa: F401
from tests.napari_unet.widgets.conftest import (  # noqa: F401
    button,
    drag,
    nothing_goes_on,
    qtbot,
    viewer,
)
