"""Training of U-Nets for membranes in electron-microscopy stacks, on MindSpore.

This package computes: networks, data, loop, evaluation, distributed start. It knows no
window, and needs only MindSpore, what MindSpore installs, and tifffile, so that its folder
can be copied to a server without internet and run there.

Modules that never import MindSpore, and so may be used by the window: ``atomic_files``,
``comparison``, ``config``, ``displacement``, ``documents``, ``errors``, ``evaluation``,
``event_fields``, ``event_reading``, ``events``, ``folds``, ``holdout``, ``metrics``,
``model_card``, ``neuron_metrics``, ``npus``, ``onnx_graph``, ``run_directory``, ``scaling``,
``sparse``, ``stack_file``, ``stacks``, ``symmetries``, ``synthetic``, ``thinned_curve``,
``tif_structure`` and ``tiling``.
"""

__version__ = "0.1.0"
