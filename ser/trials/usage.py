"""What a trial's process takes of its machine while it trains: metrics ``system/…``, which MLflow's pages show apart.

Processor and memory are the process's own, of the GPU it is all that it does for anybody: several trials may share it.
Measured with an epoch at most every ten seconds, and once of a trial that is faster; a measurement takes 0.1 ms.
"""

import ctypes
import os
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

import torch

PREFIX = "system/"
_EVERY_S = 10.0
_MIB = 2**20


class Usage:
    """The measurements of one trial; ``device`` is where it is trained, as torch names it."""

    def __init__(self, device: str = "cpu") -> None:
        self._device = device
        self._wall, self._processor = time.monotonic(), time.process_time()
        self._is_measured = False

    def due(self) -> dict[str, float]:
        """Returns the metrics where it is time for them, else nothing."""
        return self._measured() if time.monotonic() - self._wall >= _EVERY_S else {}

    def at_end(self) -> dict[str, float]:
        """Returns the metrics of a whole trial, if it was too fast for others."""
        return {} if self._is_measured else self._measured()

    def _measured(self) -> dict[str, float]:
        wall, processor = time.monotonic(), time.process_time()
        seconds, busy = wall - self._wall, processor - self._processor
        self._wall, self._processor, self._is_measured = wall, processor, True
        values = {"cpu_utilization_percentage": 100 * busy / seconds} if seconds > 0 else {}  # 100 is one core
        with suppress(OSError, ValueError, IndexError):  # where there is no /proc
            pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
            values["memory_usage_megabytes"] = pages * os.sysconf("SC_PAGE_SIZE") / _MIB
        if self._device != "cpu" and torch.cuda.is_available():
            values |= _of_gpu(self._device)
        return {f"{PREFIX}{name}": value for name, value in values.items()}


def _of_gpu(device: str) -> dict[str, float]:
    free, total = torch.cuda.mem_get_info(device)
    values = {"gpu_0_memory_usage_megabytes": (total - free) / _MIB}
    busy = _busy(f"GPU-{torch.cuda.get_device_properties(device).uuid}".encode())
    return values | ({} if busy is None else {"gpu_0_utilization_percentage": busy})


class _Rates(ctypes.Structure):
    _fields_ = (("gpu", ctypes.c_uint), ("memory", ctypes.c_uint))


@cache
def _library() -> ctypes.CDLL | None:
    """The driver's own library of measurements; None where there is none."""
    with suppress(OSError):
        library = ctypes.CDLL("libnvidia-ml.so.1")
        if library.nvmlInit_v2() == 0:
            return library
    return None


def _busy(uuid: bytes) -> float | None:
    """Percent of the last second or so in which a GPU did something; None where the driver does not tell."""
    library, handle, rates = _library(), ctypes.c_void_p(), _Rates()
    if library is None or library.nvmlDeviceGetHandleByUUID(uuid, ctypes.byref(handle)) != 0:
        return None
    return float(rates.gpu) if library.nvmlDeviceGetUtilizationRates(handle, ctypes.byref(rates)) == 0 else None
