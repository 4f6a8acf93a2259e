"""Training of U-Nets for membranes in electron-microscopy stacks, on MindSpore.

This package computes: networks, data, loop, evaluation, distributed start. It imports no
window, and needs only MindSpore, what MindSpore installs, and tifffile, so that its folder
can be copied to a server without internet and run there.

MindSpore is imported below ``training/networks`` and ``training/learning`` alone: the window uses
the rest.

"The zoo" is MindSpore's model zoo: :mod:`training.presets.medical` says where it is, and what
follows it.
"""

__version__ = "0.1.0"
