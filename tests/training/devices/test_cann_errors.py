"""What CANN writes into the logs, as MindSpore's page on its errors and its users show it."""

from __future__ import annotations

from pathlib import Path

import pytest

from training.devices.failures import explain_death
from training.runs.run_directory import RunDirectory

# The lines that tell; a word of the cause and one of the remedy.
SAMPLES = {
    "socket timeout": (
        "RuntimeError: Preprocess failed before run graph 1. The details refer to 'Ascend Error "
        "Message'.\n- Ascend Error Message:\n"
        "EI0006: Getting socket times out. Reason: 1. The remote does not initiate a connect "
        "request. some NPUs in the cluster are abnormal.",
        "could not connect to each other",
        "ports",
    ),
    "notify timeout": (
        "[CRITICAL] DEVICE(162844,python): RunGraph] Run task for graph:kernel_graph_1 "
        "error! The details refer to 'Ascend Error Message'.Ascend Error Message:EI0002: The wait "
        "execution of the Notify register times out. Reason: The Notify register has not received "
        "the Notify record from remote rank [0].",
        "waited in vain",
        "logs of the others",
    ),
    "rank table": (
        "EI0004: The ranktable is invalid,Reason:[The ranktable config devId is inconsistent with "
        "the local devId.]. Please check the configured ranktable.",
        "rank table",
        "RANK_TABLE_FILE",
    ),
    "different work": (
        "EI0005: The arguments for collective communication are inconsistent between ranks: tag "
        "[HcomAllReduce_6629421139219749105_0], parameter [count], local [9556480]",
        "do not compute the same",
        "every server",
    ),
    "former training": (
        "EJ0001: Failed to initialize the HCCP process. Reason: Maybe the last training process is "
        "running.\n        Solution: Wait for 10s after killing the last training process",
        "former training",
        "Wait ten seconds",
    ),
    "memory": (
        "[EXCEPTION] DEVICE(170414,fffe397fa1e0,python): MallocDeviceMemory] Malloc device memory "
        "failed, size[32212254720], ret[207001], Device 6 may be other processes occupying this "
        "card, check as: ps -ef|grep python",
        "memory of an NPU",
        "npu-smi info",
    ),
    "memory, by its code": (
        "EL0004: Failed to allocate memory. Possible Cause: Available memory is insufficient.",
        "memory of an NPU",
        "batchsize",
    ),
    "number of the device": (
        "RuntimeError: Device 8 call rtSetDevice failed, ret[107001]. The details refer to 'Ascend "
        "Error Message'.\nEE1001: The argument is invalid.Reason: Set device failed, invalid "
        "device, set device=8, valid device range is [0, 8)",
        "out of range (107001)",
        "host name",
    ),
    "a call": (
        "EE1001: The argument is invalid.Reason: rtGetDevMsg execute failed, reason=[context "
        "pointer null]",
        "refused a call (EE1001)",
        "first error above",
    ),
    "a task": (
        "[ERROR] RUNTIME(150840,python): rtStreamSynchronize:ErrCode=507011, desc=[the model "
        "stream execute failed], InnerCode=0x7150050\nE39999: Inner Error!\n        "
        "Aicpu kernel execute failed, device_id=0",
        "failed (507011)",
        "newest checkpoint",
    ),
    "a device that does not start": (
        "RuntimeError: Initialize: NPU error, error code is 507033\n    [Error]: Failed to start "
        "the device.\n    EE1001: The argument is invalid.Reason: rtGetDevMsg execute failed",
        "failed (507033)",
        "looked at",
    ),
    "a kernel": (
        "E80000: Input value of StridedSliceGradD is illegal",
        "compile a kernel (E80000)",
        "doctor --npu",
    ),
    "an inner error": ("EZ9999: Inner Error!\n        The device(3)", "EZ9999", "log says more"),
    "no hccl": (
        'RuntimeError: "hccl" wheel was not installed correctly. For details, refer to the '
        "installation guidelines: https://www.mindspore.cn/install",
        "does not find CANN's own packages",
        "PYTHONPATH",
    ),
    "no library of CANN": (
        "Load dynamic library: libmindspore_ascend.so.2 failed. libge_runner.so: cannot open "
        "shared object file: No such file or directory",
        "missing: libge_runner.so",
        "set_env.sh",
    ),
    "no library of the driver": (
        "ImportError: libascend_hal.so: cannot open shared object file: No such file or directory",
        "driver is missing: libascend_hal.so",
        "/usr/local/Ascend/driver",
    ),
}
AFTER = "\n".join(
    f"[TRACE] HCCL(83434,python): [status:stop] hcom destroy complete,take time [{number}]us"
    for number in range(300)
)


@pytest.fixture
def run(tmp_path: Path) -> RunDirectory:
    run = RunDirectory(tmp_path)
    for rank in range(2):
        run.device_log(rank).parent.mkdir(parents=True)
        run.device_log(rank).write_text("step: 3, loss is 0.3\n")
    return run


@pytest.mark.parametrize("sample", SAMPLES)
def test_an_error_of_cann_is_a_cause_and_a_remedy(run: RunDirectory, sample: str) -> None:
    """Though hundreds of lines of others' follow it."""
    log, cause, remedy = SAMPLES[sample]
    run.device_log(1).write_text(f"step: 3, loss is 0.3\n{log}\n{AFTER}\n")
    death = explain_death(run, 1, 1)
    assert death.problem.startswith("The process of device 1 ended with code 1. ")
    assert cause in death.problem
    assert remedy in death.remedy
    assert str(run.device_log(1)) in death.remedy


@pytest.mark.parametrize("waiting", ["socket timeout", "notify timeout"])
def test_a_device_that_waited_names_the_cause_of_the_other(run: RunDirectory, waiting: str) -> None:
    run.device_log(0).write_text(SAMPLES[waiting][0])
    assert SAMPLES[waiting][1] in explain_death(run, 0, 1).problem
    run.device_log(1).write_text(SAMPLES["memory"][0])
    death = explain_death(run, 0, 1)
    assert "It waited for device1: The memory of an NPU is used up" in death.problem
    assert "npu-smi info" in death.remedy


def test_a_log_of_a_training_has_no_error_of_cann(run: RunDirectory) -> None:
    run.device_log(1).write_text("step: 107001, loss is 507011\nEpoch E80 done\n" * 200)
    assert explain_death(run, 1, 1).problem == "The process of device 1 ended with code 1."
