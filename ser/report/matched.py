"""Runs that differ in one setting alone, those of a report beside others of the same study, wherever they were run."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from ser.report.groups import param_of
from ser.study.trial import identity

Run = TypeVar("Run")
_NO_STATEMENT = ("role", "role.")  # what a run was for is no part of what it computed


@dataclass
class _Alike(Generic[Run]):
    """Runs whose statements are equal but for the setting."""

    by_value: dict[str, Run] = field(default_factory=dict)
    is_reported: bool = False  # whether one of them is of the report


@dataclass
class Matching(Generic[Run]):
    """Sorts runs, oldest first, by all of their statements but the setting at ``path``.

    Splits, seeds and fingerprints of corpora are in a statement: what is matched was trained on the same utterances,
    from the same initial weights, and tested on the same.
    """

    path: str
    base: str  # the value beside which the others stand; where no run has it, the first one
    _alike: dict[str, _Alike[Run]] = field(default_factory=dict)
    _values: dict[str, None] = field(default_factory=dict)  # in the order in which they came

    def add(self, run: Run, params: Mapping[str, str], is_reported: bool) -> None:
        """Takes in a run with its whole statement; of several of one statement the first counts."""
        name = param_of(params, self.path)
        if name is None:
            return
        others = {k: v for k, v in params.items() if k != name and not k.startswith(_NO_STATEMENT)}
        alike = self._alike.setdefault(identity(others), _Alike())
        alike.by_value.setdefault(params[name], run)
        alike.is_reported |= is_reported
        self._values[params[name]] = None

    @property
    def counts(self) -> tuple[int, int]:
        """How many of the report's statements have a counterpart, and how many there are."""
        reported = [alike for alike in self._alike.values() if alike.is_reported]
        return sum(len(alike.by_value) > 1 for alike in reported), len(reported)

    @property
    def values(self) -> tuple[str, ...]:
        """The values of matched runs, that beside which others stand first."""
        reported = [alike for alike in self._alike.values() if alike.is_reported]
        seen = [value for value in self._values if any(value in alike.by_value for alike in reported)]
        return tuple(sorted(seen, key=lambda value: value != self.base))

    def pairs(self) -> Iterator[tuple[Run, Run, str]]:
        """Yields a run of the first value, one of another, and that value; one of the two is of the report."""
        first, *others = self.values or ("",)
        for alike in self._alike.values():
            if alike.is_reported and first in alike.by_value:
                yield from ((alike.by_value[first], alike.by_value[v], v) for v in others if v in alike.by_value)
