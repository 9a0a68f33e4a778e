"""Environment variables of Ray, of workers and of this process: read when libraries are loaded, so set before."""

import ctypes
import os
import pwd
import sys
import sysconfig
import tempfile
from contextlib import suppress
from pathlib import Path

from ser import PACKAGE
from ser.errors import BadInput

# Read by Ray and Tune when they are imported, here or on a head node.
OF_RAY = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # a quarter of what is left of the cost per trial
    "RAY_AIR_NEW_OUTPUT": "0",  # the new output prints a table even at verbosity 0
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Tune would swallow an interrupt and return as if finished
}
# glibc gives large tensors back to the kernel and asks for them anew; these keep the pages (same bits, 25 % faster).
OF_WORKERS = {
    "MALLOC_MMAP_THRESHOLD_": "4294967296",
    "MALLOC_TRIM_THRESHOLD_": "8589934592",
    "MALLOC_TOP_PAD_": "268435456",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic matrix products on a GPU
}
# The same by a call, for a process that has begun: trim threshold, top pad, mapped blocks (none), as in malloc.h.
_KEEPING = ((-1, 2**31 - 1), (-2, 2**28), (-4, 0))
_LIBRARIES = (
    *(
        "torch",
        "ray",
        "mlflow",
        "numpy",
        "pandas",
        "pyarrow",
        "scipy",
        "soundfile",
        "soxr",
        "librosa",
        "sklearn",
        "pywt",
    ),
    *("pywt", "h5py", "noisereduce", "pyroomacoustics", "fsspec", "matplotlib", "PIL", "jinja2", "rich"),
)
_CACHES = ("NUMBA_CACHE_DIR", "MPLCONFIGDIR")  # without a place numba refuses to compile, and Matplotlib warns


def settle() -> str:
    """Make up, for this process and its children, what libraries take for granted of a machine, before they are loaded.

    Returns what a person should know of it, or "". A user without an account or a home (``docker -u``, OpenShift), a
    home that cannot be written or is full, and a temporary folder that is not there get what does as well. Raises
    BadInput where no folder for temporary files can be written.
    """
    note = _temporary_folder()
    if not _has_name():
        os.environ["LOGNAME"] = str(os.getuid())  # asked for by MLflow, as the user of a run
    if not _writable(home := _home()):
        place = Path(tempfile.gettempdir()) / f"ser-home-{os.getuid()}"
        with suppress(OSError):
            place.mkdir(mode=0o700, exist_ok=True)
            if place.stat().st_uid == os.geteuid() and not place.is_symlink():
                for name in _CACHES:
                    os.environ.setdefault(name, str(place / name.lower()))
                if home is None:
                    os.environ["HOME"] = str(place)
    return note


def keeps_memory() -> bool:
    """Whether the C library knows these settings, as glibc does; others, as musl, give memory back all the same."""
    return hasattr(ctypes.CDLL(None), "mallopt")


def keep_memory() -> None:
    """Keeps what this process frees for its next tensors, as ``OF_WORKERS`` does for processes that start with it."""
    if keeps_memory():
        library = ctypes.CDLL(None)
        for parameter, value in _KEEPING:
            library.mallopt(parameter, value)


def shadow() -> str:
    """A file or folder on the path, by ``PYTHONPATH`` for example, that is called as a library and found before it."""
    installed = [Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    ours = PACKAGE.parent
    for entry in map(Path, sys.path):
        # One environment may take the packages of another along, by a .pth file.
        is_installed = entry.name in ("site-packages", "dist-packages")
        if entry == ours or is_installed or any(entry.is_relative_to(p) for p in installed) or not entry.is_dir():
            continue
        for path in sorted(entry.iterdir()):
            name = path.stem if path.suffix == ".py" else path.name if (path / "__init__.py").is_file() else ""
            if name in sys.stdlib_module_names or name in _LIBRARIES:
                return str(path)
    return ""


def _temporary_folder() -> str:
    """Gives every process the one that Python finds usable; returns what a person should know of it, or ""."""
    tmpdir = os.environ.get("TMPDIR")
    try:
        usable = tempfile.gettempdir()
    except FileNotFoundError:
        allowed, remedy = "a folder for temporary files that can be written, with room", "export TMPDIR=/such/a/folder"
        raise BadInput(tmpdir or "/tmp, /var/tmp", "TMPDIR", allowed, remedy) from None
    if not tmpdir:
        return ""
    os.environ["TMPDIR"] = usable  # absolute, too, as workers have other folders
    same = os.path.abspath(tmpdir) == usable
    return "" if same else f"TMPDIR={tmpdir} is no folder that can be written, with room; {usable} is used"


def _has_name() -> bool:
    if any(os.environ.get(name) for name in ("LOGNAME", "USER", "LNAME", "USERNAME")):
        return True
    try:
        return bool(pwd.getpwuid(os.getuid()))
    except KeyError:
        return False


def _home() -> Path | None:
    """None where there is none: Python finds no folder for ``~``."""
    try:
        return Path.home()
    except RuntimeError:
        return None


def _writable(folder: Path | None) -> bool:
    """Whether a file with content can be there: with a quota that is used up, only empty ones can. Nobody sees it."""
    try:
        with tempfile.TemporaryFile(dir=folder or "/nowhere") as file:
            file.write(bytes(4096))
            file.flush()
            return True
    except OSError:
        return False
