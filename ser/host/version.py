"""Which code made a result: the package's version and, in a checkout, the commit; libraries, command and account."""

import getpass
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
    commit = _git("describe", "--always", "--dirty=.changed", "--exclude=*")
    return f"{version('ser')}+{commit}" if commit else version("ser")


@cache
def commit() -> str:
    """Returns the commit of a checkout, 40 hex digits; "" of an installed package."""
    return _git("rev-parse", "HEAD")


def _git(*arguments: str) -> str:
    command = ["git", "-C", str(PACKAGE.parent), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


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


def user() -> str:
    """Returns the account that this process runs under; "unknown" where the machine has none for it."""
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's number without a name
        return "unknown"
