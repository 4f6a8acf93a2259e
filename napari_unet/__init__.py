"""napari plugin and command line for U-Nets on electron-microscopy stacks.

What a person uses: layers, widgets, launching and watching runs, prediction. What computes
is in ``training``, in another process: nothing here imports MindSpore.

In Python: ``load_model`` and ``evaluate``, see :mod:`napari_unet.scripting`.
"""

from typing import TYPE_CHECKING

from training import __version__

__all__ = ["Model", "__version__", "evaluate", "load_model"]

if TYPE_CHECKING:
    from napari_unet.scripting import Model, evaluate, load_model
else:

    def __getattr__(name: str) -> object:
        """Import the Python interface when a name of it is first used: it takes a second."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from napari_unet import scripting

        return getattr(scripting, name)
