"""Whether torch and Ray can be imported on this machine, and what torch sees of it, asked in processes of their own.

Both take seconds to import, so that they are asked side by side, while the caller looks at other things. Ray may also
hide GPUs of the machine from a process.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

_LONGEST_S = 120.0
_TORCH = """
import json, time, torch
try:
    import torchaudio
    audio = torchaudio.__version__
except ModuleNotFoundError:
    audio = ""
except Exception as error:
    audio = f"not usable ({type(error).__name__})"
gpus = [torch.cuda.get_device_properties(i) for i in range(torch.cuda.device_count())]
torch.set_num_threads(1)
def seconds(kind):  # of a matrix product: the least of three, after one that loads what it needs
    x, least = torch.ones(256, 256, dtype=kind), 1e9
    for _ in range(4):
        start = time.perf_counter()
        x @ x
        least = min(least, time.perf_counter() - start)
    return least
gain = seconds(torch.float32) / seconds(torch.bfloat16)
used = torch.backends.cpu.get_cpu_capability()
gpus = [[g.name, g.total_memory] for g in gpus]
print(json.dumps({"torchaudio": audio, "gpus": gpus, "used": used, "bfloat16_gain": gain}))
"""
_RAY = 'import ray; print("{}")'
# A third of the seconds go into looking for cycles among objects that all stay, and into releasing each at the end.
_CODE = """
import gc, os, sys
gc.disable()
{}
sys.stdout.flush()
os._exit(0)
"""


@dataclass(frozen=True)
class Libraries:
    """What torch sees; ``problems``: libraries that cannot be imported, and why."""

    gpus: tuple[tuple[str, int], ...] = ()  # name, bytes of memory
    torchaudio: str = ""  # its version, or why it is of no use; "" without it
    used: str = ""  # sets of instructions, as torch calls them
    bfloat16_gain: float = 0.0  # how many times as fast as float32 it multiplies; 0 unknown
    problems: tuple[str, ...] = ()


@dataclass
class Look:
    """The processes that import torch and Ray, begun."""

    processes: Mapping[str, subprocess.Popen[str]] = field(default_factory=dict)

    def result(self) -> Libraries:
        """Waits for them; returns what they say."""
        answers: dict[str, Mapping[str, object]] = {}
        problems = []
        for name, process in self.processes.items():
            try:
                text, error = process.communicate(timeout=_LONGEST_S)
                reason = (error.strip().splitlines() or [f"exit status {process.returncode}"])[-1]
            except subprocess.TimeoutExpired:
                process.kill()
                text, reason = process.communicate()[0], f"it takes longer than {_LONGEST_S:.0f} s"
            if process.returncode:
                problems.append(f"{name} cannot be imported: {reason}")
            else:
                answers[name] = json.loads(text.splitlines()[-1])
        facts = answers.get("torch", {})
        gpus, gain = facts.get("gpus", []), facts.get("bfloat16_gain", 0.0)
        return Libraries(
            gpus=tuple((str(name), int(memory)) for name, memory in gpus) if isinstance(gpus, list) else (),
            torchaudio=str(facts.get("torchaudio", "")),
            used=str(facts.get("used", "")),
            bfloat16_gain=gain if isinstance(gain, float) else 0.0,
            problems=tuple(problems),
        )


@contextmanager
def looking() -> Iterator[Look]:
    """Begins the imports; at the end of the block none of the processes is left."""
    variables = {k: v for k, v in os.environ.items() if k != "CUDA_VISIBLE_DEVICES"}
    processes = {
        name: subprocess.Popen(
            [sys.executable, "-P", "-c", _CODE.format(code)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            env=variables,
        )
        for name, code in (("torch", _TORCH), ("ray", _RAY))
    }
    try:
        yield Look(processes)
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
            process.communicate()
