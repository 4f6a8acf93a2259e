"""napari plugin and command line for U-Nets on electron-microscopy stacks.

What a person uses: layers, widgets, launching and watching runs, prediction. What computes
is in ``training``, in another process: nothing here imports MindSpore.
"""

from training import __version__

__all__ = ["__version__"]
