"""A command and its terminal: streams that are closed, full or left, signals, and one line for whatever goes wrong.

Exit statuses: 0 done, 1 trials failed or are left, 2 bad input, 130 interrupted, 141 the reader of our output left,
70 a defect of ours.
"""

import errno
import os
import select
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ser.errors import Away, BadInput
from ser.host import environment

DONE, BAD_INPUT, DEFECT, INTERRUPTED, READER_LEFT = 0, 2, 70, 130, 141
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)
_NAMES = (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENAMETOOLONG, errno.ELOOP)  # a file where a folder is meant


@contextmanager
def prepared() -> Iterator[None]:
    """Streams that can be written, and meanwhile signals that end a command as Ctrl-C does.

    Entered before anything is opened. Where Python takes no signals, in a thread of a notebook or service, they stay.
    """
    _open_missing_streams()
    for stream in (sys.stdout, sys.stderr):  # a folder's name need not be text
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)}
    signal.signal(signal.SIGTERM, interrupt)
    if before[signal.SIGHUP] != signal.SIG_IGN:  # as nohup leaves it
        signal.signal(signal.SIGHUP, interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)


def _open_missing_streams() -> None:
    """Where a standard stream is closed the next file opened would get its number, and what is printed into it."""
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest free number, which is this one
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def interrupt(number: int, *_: object) -> None:
    """What SIGTERM and SIGHUP do: the same as Ctrl-C, and once; who is asked twice tidies up only once."""
    for signal_number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(signal_number, signal.SIG_IGN)
    if number == signal.SIGHUP:
        for stream in (1, 2):
            _mute_if_gone(stream)
    raise KeyboardInterrupt


def _mute_if_gone(stream: int) -> None:
    """A terminal that was closed answers every write with an error."""
    try:
        os.write(stream, b"")
    except OSError:
        mute(stream)


def mute(stream: int = 1) -> None:
    """Let all that is still written to a standard stream go nowhere."""
    with suppress(OSError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream)
        os.close(nowhere)


def flushed() -> int:
    """0, or the exit status where what was printed cannot be written; else it would be lost without a word."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError as error:
        return failed(error, None)
    return DONE


def failed(error: BaseException, work: str | Path | None) -> int:
    """Say in one line why a command ended, and return its exit status. ``work`` keeps the traceback of a defect."""
    if isinstance(error, KeyboardInterrupt):
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # only moments are left
        _say("ser: interrupted; nothing finished is lost, and the same command continues")
        return INTERRUPTED
    if isinstance(error, BrokenPipeError) and any(map(_is_left, (1, 2))):
        mute()
        return READER_LEFT
    no_output = _mute_if_full(error)
    if isinstance(error, BadInput):
        return _bad_input(error)
    if isinstance(error, OSError) and error.errno in (*_DISK, *_NAMES):
        return _bad_input(_of_system(error, no_output))
    if isinstance(error, Away):
        _say(f"ser: error: the tracking store is away: {error}; start it, and give the command again")
        return BAD_INPUT
    if isinstance(error, UnicodeEncodeError):  # of a name; what is printed can always be
        allowed = f"names that the locale's {sys.getfilesystemencoding()} has"
        return _bad_input(BadInput(ascii(error.object), "the locale", allowed, "export LC_ALL=C.UTF-8"))
    if isinstance(error, ImportError | AttributeError) and (place := environment.shadow()):
        return _bad_input(BadInput(str(error), place, "the library of that name alone", "call the file otherwise"))
    return _defect(error, work)


def _bad_input(error: BadInput) -> int:
    _say(f"ser: error: {error}")
    return BAD_INPUT


def _of_system(error: OSError, no_output: bool) -> BadInput:
    """The error of a file or disk as a person reads it."""
    reason, place = error.strerror or type(error).__name__, str(error.filename or "disk")
    if error.filename is None and no_output:
        return BadInput(reason, "standard output", "a file that can be written", "free space, or print elsewhere")
    if error.errno in _NAMES:
        return BadInput(reason, place, "folders that are there or can be made", "give another path")
    remedy = "free space or fix it; the same command goes on"
    return BadInput(reason, place, "a disk with room that can be written", remedy)


def _mute_if_full(error: BaseException) -> bool:
    """Whether what is printed cannot be written; then it is given up, or Python would try it again at its end."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
        if isinstance(error, OSError) and error.filename is None and not os.isatty(1):
            os.write(1, b"\n")  # a write that was not buffered leaves nothing to flush
    except OSError:
        mute()
        return True
    return False


def _is_left(stream: int) -> bool:
    """Whether nobody reads any more what is written to a pipe."""
    poll = select.poll()
    poll.register(stream, select.POLLOUT)
    return any(event & (select.POLLERR | select.POLLNVAL) for _, event in poll.poll(0))


def _defect(error: BaseException, work: str | Path | None) -> int:
    text = "".join(traceback.format_exception(error))
    summary = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')[:300]}"
    path = _written(text, work)
    if path is None:
        _say(text)
    _say(f"ser: a defect of ser, not of what you gave: {summary}" + (f"; please report it with {path}" if path else ""))
    return DEFECT


def _written(text: str, work: str | Path | None) -> Path | None:
    """Where the traceback was put: beside the other logs where there are some, else among temporary files."""
    name = f"ser-defect-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}.txt"
    folders = [Path(work) / "logs"] if work and Path(work).is_dir() else []
    for folder in (*folders, Path(tempfile.gettempdir())):
        with suppress(OSError, ValueError):
            folder.mkdir(exist_ok=True)
            (folder / name).write_text(text, encoding="utf-8", errors="backslashreplace")
            return folder / name
    return None


def _say(line: str) -> None:
    with suppress(OSError, ValueError):  # who cannot read it may still look at the exit status
        print(line, file=sys.stderr, flush=True)
