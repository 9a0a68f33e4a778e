"""The axes of any study, and its trials by setting: one per combination of values, repeated with seeds and folds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from ser.report.content import HOLE
from ser.report.groups import as_logged, logged, readable, short, unexplained
from ser.report.runs import Expected, Finished
from ser.study import POOLING_SIGNS

# What points say beside their axes, and what follows from the rest of a statement.
_NO_AXES = ("fold", "initial_from", "final", "role", "seed")
_HEADS = {"corpora": "Corpora", "system": "System", "protocol": "Protocol", "block": "Block", "pooling": "Pooling",
          "task": "Task", "unseen": "Unseen"}  # fmt: skip


@dataclass(frozen=True)
class Axes:
    """The settings in which a study's trials differ on purpose."""

    paths: tuple[str, ...]  # as a study writes them: corpora, block, training.learning_rate, lstm.units
    letters: Mapping[str, str]  # corpus → "I"
    stated: bool  # whether the study states them all, so that it is known which results are to come
    seed_moves: tuple[str, ...] = ("weights",)  # what another seed changes
    # (block or system, path) → what its runs have whose points state nothing there
    defaults: Mapping[tuple[str, str], str] = field(default_factory=dict)

    @property
    def heads(self) -> tuple[str, ...]:
        """The names that tables give them; a corpus's own setting keeps the corpus's name."""
        return tuple(
            path if path.partition(".")[0] in self.letters else _HEADS.get(path.removeprefix("role."), name)
            for path, name in zip(self.paths, short(self.paths), strict=True)
        )

    def values(self, run: Finished) -> tuple[str, ...]:
        """Returns a run's values, as people read them."""
        return tuple(self._readable(path, self.as_stated(run, path)) for path in self.paths)

    def planned(self, point: Mapping[str, Any]) -> tuple[str, ...]:
        """Returns the values of a point, in the same form."""
        return tuple(self._readable(path, self.stated_at(point, path)) for path in self.paths)

    def stated_at(self, point: Mapping[str, Any], path: str) -> str | None:
        """Returns the value of a point as runs log it, or what runs of its kind have where it states nothing."""
        if path in point:
            return as_logged(point[path])
        return self.defaults.get((str(point.get("system") or point.get("block", "")), path))

    def as_stated(self, run: Finished, path: str) -> str | None:
        """Returns a run's value as its study states it: seeds of splits and augmentations without the trial's."""
        text, name = logged(run, path), path.rpartition(".")[0]
        places = {"augmentation": f"augmentation.{path}", "split": f"corpus.{name}.split.seed"}
        moved = any(place in run.params for kind, place in places.items() if kind in self.seed_moves)
        if text is None or not moved or not path.endswith(".seed") or not text.isdigit():
            return text
        return str(int(text) - int(run.params.get("seed", "0")))

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
    stated = [path for path in stated if len({as_logged(point.get(path)) for point in points}) > 1]
    listed = dict.fromkeys(path for run in runs for path in _varied(run))
    searched = [path for path in listed if len({logged(run, path) for run in runs}) > 1]
    names = list(dict.fromkeys([*stated, *searched]))
    axes = Axes(tuple(names), expected.letters, not set(names) - set(stated), expected.seed_moves)
    axes = replace(axes, defaults=_defaults(runs, axes))
    while more := unexplained(runs, axes.values, axes.paths):
        axes = replace(axes, paths=(*axes.paths, *more), stated=False)
    return axes


def _defaults(runs: Sequence[Finished], axes: Axes) -> dict[tuple[str, str], str]:
    """What runs of a block or system have on the axes that their points do not state."""
    defaults: dict[tuple[str, str], str] = {}
    for run in runs:
        kind, stated = run.params.get("role.system") or run.params.get("block", ""), set(_varied(run))
        for path in (path for path in axes.paths if path not in stated):
            if (text := axes.as_stated(run, path)) is not None:
                defaults.setdefault((kind, path), text)
    return defaults


def _varied(run: Finished) -> list[str]:
    return [path for path in run.params.get("role.varied", "").split(",") if logged(run, path) is not None]
