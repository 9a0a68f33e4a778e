"""The axes of any study, and its trials by setting: one per combination of values, repeated with seeds and folds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ser.report.content import HOLE
from ser.report.groups import fold_of, readable, short
from ser.report.runs import Expected, Finished
from ser.study import POOLING_SIGNS

# What points say beside their axes, and what follows from the rest of a statement.
_NO_AXES = ("fold", "initial_from", "final", "role", "seed")
_REPEATS = ("seed", "repeat", "initial_from", "role", "study", "mode")
_ROLES = ("role.system", "role.protocol")  # of a role, these are settings
_HEADS = {"corpora": "Corpora", "system": "System", "protocol": "Protocol", "block": "Block", "pooling": "Pooling",
          "task": "Task"}  # fmt: skip


@dataclass(frozen=True)
class Axes:
    """The settings in which a study's trials differ on purpose."""

    paths: tuple[str, ...]  # as a study writes them: corpora, block, training.learning_rate, lstm.units
    letters: Mapping[str, str]  # corpus → "I"
    stated: bool  # whether the study states them all, so that it is known which results are to come

    @property
    def heads(self) -> tuple[str, ...]:
        """The names that tables give them; a corpus's own setting keeps the corpus's name."""
        return tuple(
            path if path.partition(".")[0] in self.letters else _HEADS.get(path.removeprefix("role."), name)
            for path, name in zip(self.paths, short(self.paths), strict=True)
        )

    def values(self, run: Finished) -> tuple[str, ...]:
        """Returns a run's values, as people read them."""
        return tuple(self._readable(path, logged(run, path)) for path in self.paths)

    def planned(self, point: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns the values of a point, in the same form."""
        return tuple(self._readable(path, _text(point[path]) if path in point else None) for path in self.paths)

    def _readable(self, path: str, text: str | None) -> str:
        if text is None:
            return HOLE
        if path == "corpora":
            return "+".join(self.letters.get(name, name) for name in text.split(","))
        return POOLING_SIGNS.get(text, text) if path == "pooling" else readable(text)


def axes_of(runs: Sequence[Finished], expected: Expected) -> Axes:
    """Returns the axes of a study: what its points and its search vary, and what its runs differ in beside these.

    A point that lacks an axis has a value of its own there. The last kind keeps two results of unlike settings apart
    that would else pass for repeats of one.
    """
    points = [point for _, point in expected.trials]
    stated = [path for path in dict.fromkeys(path for point in points for path in point) if path not in _NO_AXES]
    stated = [path for path in stated if len({_text(point.get(path)) for point in points}) > 1]
    listed = dict.fromkeys(path for run in runs for path in _varied(run))
    searched = [path for path in listed if len({logged(run, path) for run in runs}) > 1]
    names = list(dict.fromkeys([*stated, *searched]))
    axes = Axes(tuple(names), expected.letters, not set(names) - set(stated))
    while more := _unexplained(runs, axes):
        axes = Axes((*axes.paths, *more), expected.letters, stated=False)
    return axes


def _varied(run: Finished) -> list[str]:
    return [path for path in run.params.get("role.varied", "").split(",") if logged(run, path) is not None]


def _unexplained(runs: Iterable[Finished], axes: Axes) -> list[str]:
    """Names of params in which runs differ that have the same values, seed and fold."""
    first: dict[tuple[Any, ...], Finished] = {}
    for run in runs:
        other = first.setdefault((*axes.values(run), repeat_of(run), fold_of(run)), run)
        if names := [name for name in other.params if _differs(name, other, run) and name not in axes.paths]:
            return names
    return []


def _differs(name: str, one: Finished, other: Finished) -> bool:
    same = one.params[name] == other.params.get(name, one.params[name])
    repeated = name.partition(".")[0] in _REPEATS and name not in _ROLES
    return not same and not repeated and not name.endswith(".split.fold")


def _text(value: object) -> str:
    """A point's value as statements are logged."""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def logged(run: Finished, path: str) -> str | None:
    """Returns what a run logged for a path of its study; None if it has no such setting.

    ``lstm.units`` is logged as ``block.units`` of a run with that block, ``iemocap.test`` as a setting of the corpus.
    """
    head, _, key = path.partition(".")
    names = [path, f"role.{path}", f"augmentation.{path}"]
    names += [f"block.{key}"] if head == run.params.get("block") else []
    names += [f"corpus.{head}.{part}.{key}" for part in ("loader", "split", "front_end")] if key else []
    return next((run.params[name] for name in names if name in run.params), None)


def repeat_of(run: Finished) -> tuple[str, str]:
    """Returns what tells the repeats of a setting apart: the seed, and which of equal models it is."""
    return run.params.get("seed", "0"), run.params.get("repeat", "0")
