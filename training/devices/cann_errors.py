"""What the errors of CANN and of MindSpore on NPUs mean: by their words in a log.

The codes are those of MindSpore's "CANN Common Error Analysis" and of CANN's error reference. Those
that cause others come first.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from training.errors import UserError

_SOURCE = "Source CANN's set_env.sh"
# What a log must show, the problem and the remedy. What the words in braces are is in the log.
_CAUSES = {
    r'"hccl" wheel was not installed|No module named \'(?P<what>hccl|te|tbe)\'': (
        "Python does not find CANN's own packages (hccl, te, tbe).",
        f"{_SOURCE} after activating Python, and keep the PYTHONPATH that it sets.",
    ),
    r"(?P<what>libascend_hal\.so\S*|libdrvdsmi\S*?\.so\S*|libdcmi\.so\S*): cannot open": (
        "A library of the NPU's driver is missing: {what}.",
        "Install the driver, or mount /usr/local/Ascend/driver into the container.",
    ),
    r"(?P<what>lib[\w.+-]+\.so[\d.]*): cannot open shared object file": (
        "A library that MindSpore needs is missing: {what}.",
        f"{_SOURCE}; if it was, install the CANN version that goes with your MindSpore.",
    ),
    r"EL0004|Malloc device memory failed|halMemAlloc failed|ret\[207001\]": (
        "The memory of an NPU is used up, by this training or by another process on it.",
        "Look with npu-smi info; choose free NPUs by --device_ids, or take a smaller batchsize.",
    ),
    r"EJ0001": (
        "The NPUs are not free yet of a former training (EJ0001).",
        "Wait ten seconds; npu-smi info shows which process still holds them.",
    ),
    r"ret ?\[?107001|error ?code is 107001|result = 107001|invalid device": (
        "The number of an NPU is out of range (107001).",
        "Compare --device_ids and ASCEND_RT_VISIBLE_DEVICES with npu-smi info. On several servers, "
        "give each a host name of its own.",
    ),
    r"EI0004": (
        "CANN refuses a rank table (EI0004).",
        "Remove RANK_TABLE_FILE from the environment: no table is needed.",
    ),
    r"EI0005": (
        "The devices do not compute the same (EI0005).",
        "Use the same source, MindSpore and configuration on every server.",
    ),
    r"\b(?P<what>E[5-9AB]\d{4}): ": (
        "CANN could not compile a kernel ({what}).",
        "Check with napari-unet doctor --npu that CANN goes with this MindSpore and that what its "
        "compiler imports is there.",
    ),
    r"(ErrCode=|ret[: ]+\[?|retcode: ?|error code is )(?P<what>507\d{3})": (
        "A task on an NPU failed ({what}).",
        "Go on from the newest checkpoint; if it comes again, have the NPU looked at.",
    ),
    r"EI0006": (
        "The devices could not connect to each other in time (EI0006).",
        "See docs/ascend.md on several servers: interface, addresses of the NPUs, TLS, ports.",
    ),
    r"EI0002": (
        "A device waited in vain for another one (EI0002).",
        "Look for the first error in the logs of the others; if there is none, check the network.",
    ),
    r"EE1001": (
        "CANN refused a call (EE1001).",
        "The first error above it in the log says why.",
    ),
    r"\b(?P<what>E[A-Z3]\d{4}): ": (
        "CANN reported an error ({what}).",
        "The log says more.",
    ),
}
_PATTERNS = {re.compile(words): cause for words, cause in _CAUSES.items()}
# Errors of a device that waited for another one: the cause is elsewhere.
_WAITING = re.compile(r"EI000[26]")


def find_cann_error(lines: Sequence[str]) -> UserError | None:
    """Find what CANN complained of, in the lines of a log; None if it did not."""
    text = "\n".join(lines)
    for pattern, (problem, remedy) in _PATTERNS.items():
        if found := pattern.search(text):
            return UserError(problem.format(**found.groupdict()), remedy)
    return None


def has_waited(error: UserError) -> bool:
    """Whether an error is that of a device that waited for another one."""
    return _WAITING.search(error.problem) is not None
