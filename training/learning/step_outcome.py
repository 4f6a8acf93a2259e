"""What comes of a step of training."""

from __future__ import annotations

from typing import NamedTuple


class StepOutcome(NamedTuple):
    """What came of a step, the same on all devices.

    Parameters
    ----------
    loss : float
        Mean over all devices.
    is_stopped : bool
        Whether any process of the run was asked to stop.
    has_converged : bool
        Whether the process that validates finds that the run no longer improves.
    is_skipped : bool
        Whether the weights were left as they were, because a gradient was not finite.
    """

    loss: float
    is_stopped: bool = False
    has_converged: bool = False
    is_skipped: bool = False
