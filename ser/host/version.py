"""Which code made a result: the package's version and, in a checkout, the commit."""

import subprocess
from functools import cache
from importlib.metadata import version

from ser import PACKAGE


@cache
def code_version() -> str:
    """For example ``0.1.0+3f2a9c1`` or, with uncommitted changes, ``0.1.0+3f2a9c1.changed``."""
    root = str(PACKAGE.parent)
    command = ["git", "-C", root, "describe", "--always", "--dirty=.changed", "--exclude=*"]
    try:
        commit = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return version("ser")
    return f"{version('ser')}+{commit}"
