"""Why something failed, as far as logs tell."""

import re
from pathlib import Path

_TAIL = 1 << 16  # bytes of a log in which the reason is looked for
# The last line of a Python traceback; and what Ray's C++ says of a machine that lacks something.
_RAISED = re.compile(r"^(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?:Error|Exception|Exit|Interrupt)\b.*")
_LACKING = re.compile(
    r"no space left|permission denied|cannot allocate|too many open files|temporarily unavailable|bad_alloc"
    r"|out of memory|read-only file system|quota exceeded|check failed|pthread_create|can't start new thread",
    re.IGNORECASE,
)
_SEVERE = re.compile(r"^\[[-\d]+ [\d:,]+ [EF] ")  # of Ray's C++, in the log of the process that it is a part of
# When and where a line of Ray's C++ was written, and that it is a bug of Ray's, which it need not be.
_NOISE = re.compile(r"^\[.*?\]\s*|\S+\.(?:cc|h):\d+:\s*|An unexpected system state has occurred\..*?(?=Check failed)")


def reason(log: Path, offset: int, folder: Path) -> str:
    """The last line that gives one: of what was written to ``log`` since it had ``offset`` bytes, else of the logs that
    a Ray keeps in ``folder``; "" where none does.
    """
    lines = [text for text in _lines(log, offset) if _RAISED.match(text)]
    for name in ("raylet.err", "gcs_server.err", "raylet.out", "gcs_server.out"):
        for path in sorted(folder.glob(f"*/session_2*/logs/{name}")) if not lines else ():
            lines = [text for text in _lines(path, 0) if _LACKING.search(text)]
    lines = lines or [text for text in _lines(log, offset) if _SEVERE.match(text)]
    return _NOISE.sub("", lines[-1])[:300] if lines else ""


def _lines(path: Path, offset: int) -> list[str]:
    try:
        with path.open("rb") as file:
            file.seek(max(offset, size(path) - _TAIL))
            return [text.strip() for text in file.read().decode(errors="replace").splitlines()]
    except OSError:
        return []


def size(path: Path) -> int:
    """Bytes of a file; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
