"""What this machine's processor is and can do, as far as training cares. Read from the system alone, without torch."""

import platform
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path("/")
# Sets of instructions, by the words that Linux has for them in a line of flags (x86) or features (ARM).
_ABILITIES = {
    "AVX2": ("avx2",),
    "AVX-512": ("avx512f",),
    "AVX-512-BF16": ("avx512_bf16",),
    "AMX": ("amx_tile", "amx_bf16"),
    "NEON": ("asimd",),
    "SVE": ("sve",),
    "BF16": ("bf16",),
}


@dataclass(frozen=True)
class Processor:
    """A processor's name and its sets of instructions; torch may use fewer (``ATEN_CPU_CAPABILITY``)."""

    name: str
    abilities: tuple[str, ...]

    @property
    def bfloat16_drawback(self) -> str:
        """What is to be said of bfloat16 here; "" where networks train faster in it, or where nothing is known.

        Measured on an AMD EPYC, and where an AMX processor had its sets of instructions switched off: docs/speed.md.
        """
        if {"AMX", "BF16"} & set(self.abilities) or "AVX2" not in self.abilities:
            return ""
        if "AVX-512-BF16" in self.abilities:
            return "in bfloat16 without AMX a TDNN is hardly faster than in float32, an LSTM 0.9 to 1.7 times as fast"
        return "bfloat16 is slower than float32 on a processor without instructions for it, in convolutions many times"


def processor(root: Path = _ROOT) -> Processor:
    """Returns the first processor of this machine; nothing is known of its abilities where the system does not say."""
    try:
        text = (root / "proc/cpuinfo").read_text(encoding="utf-8", errors="replace")
    except OSError:
        text = ""
    facts: dict[str, str] = {}
    for line in text.splitlines():
        key, _, value = line.partition(":")
        facts.setdefault(key.strip().lower(), value.strip())
    words = {*facts.get("flags", "").split(), *facts.get("features", "").split()}
    # "Intel(R) Xeon(R) Processor" is Intel Xeon; an ARM gives no name.
    name = facts.get("model name", "").replace("(R)", "").replace("(TM)", "")
    name = " ".join(name.partition(" @ ")[0].split()).removesuffix(" Processor").removesuffix(" CPU")
    abilities = tuple(ability for ability, needed in _ABILITIES.items() if words.issuperset(needed))
    return Processor(name or platform.machine(), abilities)
