"""The errors a person meets: what was given, where, what is allowed, what to do; and what a tracking store does not do.

A store that is away may answer later (``Away``); one that refuses will not, however often it is asked (``Refused``).
"""

import re
from collections.abc import Iterable
from difflib import get_close_matches


class BadInput(ValueError):
    """Something a person wrote or a file on disk cannot be used.

    The message always has the same four parts, so that it can be acted on without reading code:
    the place, the value found there, what is allowed, and what to do next.

    >>> print(BadInput("'lstmm'", "--block", "blstm, lstm, tdnn", "choose one of them"))
    --block: 'lstmm'; allowed: blstm, lstm, tdnn; choose one of them
    """

    def __init__(self, value: str, place: str, allowed: str, remedy: str) -> None:
        self.value, self.place, self.allowed, self.remedy = value, place, allowed, remedy
        super().__init__(f"{place}: {value}; allowed: {allowed}; {remedy}")

    def __reduce__(self) -> tuple[type["BadInput"], tuple[str, str, str, str]]:
        # Exceptions cross process borders by pickling their arguments; ours has four.
        return type(self), (self.value, self.place, self.allowed, self.remedy)


class Refused(BadInput):
    """The tracking store refuses a call for good, until a person changes something; says what."""


def unknown(value: str, place: str, known: Iterable[str], remedy: str = "choose one of them") -> BadInput:
    """The error for a name that is none of ``known``, with those that it resembles named first.

    >>> print(unknown("lstmm", "--block", ("tdnn", "blstm", "lstm")))
    --block: 'lstmm'; allowed: lstm, blstm, tdnn; did you mean lstm? If not, choose one of them
    """
    names = list(known)
    close = get_close_matches(value.lower(), names)
    allowed = ", ".join([*close, *(n for n in names if n not in close)]) or "none"
    return BadInput(repr(value), place, allowed, advice(value, names, remedy))


def advice(value: str, known: Iterable[str], remedy: str) -> str:
    """Returns ``remedy``, after a question for the name of ``known`` that ``value`` resembles most, if it does."""
    close = get_close_matches(value.lower(), list(known), 1)
    return f"did you mean {close[0]}? If not, {remedy}" if close else remedy


_OUT_OF_MEMORY = re.compile(
    r"out ?of ?memory|running low on memory|can't allocate memory|not enough memory|ALLOC_FAILED", re.IGNORECASE
)


def is_out_of_memory(error: BaseException | str) -> bool:
    """Whether an error, or its text, speaks of lack of memory, and not only of what may have been the cause.

    torch's CPU allocator, cuDNN and cuBLAS have no class for it, only words.
    """
    if isinstance(error, str):
        return bool(_OUT_OF_MEMORY.search(error))
    text = f"{type(error).__name__}: {error}"
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and bool(_OUT_OF_MEMORY.search(text)))


class Away(Exception):
    """The tracking store did not take a call, for now; says why, without its password."""
