"""What a process sets for itself and for those that it starts, before libraries are loaded."""

import subprocess
import sys

import pytest

from ser.host import environment

_ALLOCATIONS = """
import resource
from ser.host import environment
environment.keep_memory()
b"x" * (1 << 26)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    b"x" * (1 << 26)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(not environment.keeps_memory(), reason="the C library has no such setting")
def test_memory_that_was_freed_is_used_again_without_asking_the_system():
    done = subprocess.run([sys.executable, "-c", _ALLOCATIONS], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 1000  # of 16384 pages each
