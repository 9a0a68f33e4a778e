"""Which code made a result: the package's version and, in a checkout, the commit; libraries, and the command."""

import platform
import shlex
import subprocess
import sys
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from ser import PACKAGE
from ser.host.paths import without_secrets

_LIBRARIES = ("torch", "numpy", "ray", "mlflow")
_LONGEST = 1000  # letters of a command


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


@cache
def library_versions() -> str:
    """For example ``python 3.11.2, torch 2.8.0, numpy 2.3.1``: what can move the last digits, as far as it is there."""
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return ", ".join(f"{name} {number}" for name, number in versions.items())


def command() -> str:
    """Returns the command that this process was started with, without the passwords of addresses."""
    words = [without_secrets(word) for word in sys.argv[1:]]
    text = shlex.join(["ser", *words])
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} …"
