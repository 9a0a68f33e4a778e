"""Processors are read from the texts that Linux has of them."""

import pytest

from ser.host.processor import processor

# As /proc/cpuinfo has them, shortened: names, and the flags that matter among others.
SAPPHIRE = """processor\t: 0
model name\t: Intel(R) Xeon(R) Platinum 8481C CPU @ 2.70GHz
flags\t\t: fpu vme avx avx2 avx512f avx512dq avx512_bf16 amx_bf16 avx512_fp16 amx_tile amx_int8

processor\t: 1
model name\t: another
flags\t\t: fpu
"""
ZEN4 = "model name\t: AMD EPYC 9654 96-Core Processor\nflags\t\t: avx avx2 avx512f avx512_bf16\n"
HASWELL = "model name\t: Intel(R) Core(TM) i7-4770 CPU @ 3.40GHz\nflags\t\t: sse4_2 avx avx2\n"
GRAVITON3 = "processor\t: 0\nFeatures\t: fp asimd sve i8mm bf16\nCPU implementer\t: 0x41\n"
TILES_OF_BYTES = "model name\t: X\nflags\t\t: avx2 amx_tile amx_int8\n"


@pytest.mark.parametrize(
    ("text", "name", "abilities"),
    [
        (SAPPHIRE, "Intel Xeon Platinum 8481C", ("AVX2", "AVX-512", "AVX-512-BF16", "AMX")),
        (ZEN4, "AMD EPYC 9654 96-Core", ("AVX2", "AVX-512", "AVX-512-BF16")),
        (HASWELL, "Intel Core i7-4770", ("AVX2",)),
        (TILES_OF_BYTES, "X", ("AVX2",)),
    ],
)
def test_names_and_abilities(tmp_path, text, name, abilities):
    found = _of(tmp_path, text)
    assert (found.name, found.abilities) == (name, abilities)


@pytest.mark.parametrize(
    ("text", "drawback"),
    [
        (SAPPHIRE, ""),
        (GRAVITON3, ""),
        (ZEN4, "hardly faster than in float32"),
        ("flags\t\t: avx2 avx512f\n", "slower than float32"),
        (HASWELL, "slower than float32"),
        ("", ""),  # nothing is known, and nothing claimed
    ],
)
def test_what_bfloat16_costs_is_said_where_it_is_no_gain(tmp_path, text, drawback):
    found = _of(tmp_path, text).bfloat16_drawback
    assert drawback in found
    assert bool(found) is bool(drawback)


def test_an_arm_processor_has_features_in_place_of_flags_and_no_name(tmp_path):
    found = _of(tmp_path, GRAVITON3)
    assert found.abilities == ("NEON", "SVE", "BF16")
    assert found.name


def test_a_system_that_says_nothing_has_no_known_abilities(tmp_path):
    assert processor(tmp_path).abilities == ()
    assert processor(tmp_path).name


def _of(root, text):
    (root / "proc").mkdir()
    (root / "proc/cpuinfo").write_text(text, encoding="utf-8")
    return processor(root)
