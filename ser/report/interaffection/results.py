"""The results of a grid of corpora and networks, and the grid that a study expects, so that holes are visible.

A cell of the grid is a target with a combination of corpora and a configuration of the network. It has a result for
each of its splits: for every seed, and for every fold of the seed where the study has folds.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from typing import Any

from ser.report.predictions import LabelPredictions
from ser.report.runs import Expected
from ser.report.statistics import Integers
from ser.study import POOLING_SIGNS

Configuration = tuple[str, str, str]  # temporal block, pooling, task set-up
Split = tuple[int, int]  # seed, and fold of the seed; fold 0: the study has no folds
TrialKey = tuple[tuple[str, ...], str, str, str, int, int]  # corpora, block, pooling, task, fold, seed
Key = tuple[str, tuple[str, ...], str, str, str, int, int]  # target, and the same


@dataclass(frozen=True, eq=False)
class Result:
    """One trial tested on one corpus."""

    trial_id: str
    run_id: str
    corpora: tuple[str, ...]
    block: str
    pooling: str
    task: str
    fold: int  # 0: the study has no folds
    seed: int
    target: str
    wa: float  # as logged, 0 … 1; the tables compute theirs from the predictions
    ua: float
    test: LabelPredictions
    same_as: str = ""  # id of the trial whose training this result shares (one corpus: unified is multi)
    validation: Mapping[str, float] = field(default_factory=dict)  # metric → its value on the target's validation side

    @property
    def key(self) -> Key:
        """The place in the grid."""
        return self.target, *self.trial_key

    @property
    def trial_key(self) -> TrialKey:
        """The place of its trial, whatever it is tested on."""
        return self.corpora, self.block, self.pooling, self.task, self.fold, self.seed

    @property
    def split(self) -> Split:
        """Seed and fold."""
        return self.seed, self.fold

    @property
    def uids(self) -> tuple[str, ...]:
        """Test utterances, sorted."""
        return self.test.uids

    @property
    def truth(self) -> Integers:
        """Class indices [utterances]."""
        return self.test.truth

    @property
    def predicted(self) -> Integers:
        """Class indices [utterances]."""
        return self.test.predicted


@dataclass(frozen=True)
class Grid:
    """The grid that a study expects over its corpora, so that holes are visible."""

    expected: Expected

    @property
    def letters(self) -> dict[str, str]:
        """Corpus → "I"."""
        return self.expected.letters

    @property
    def corpora(self) -> tuple[str, ...]:
        """All corpora."""
        return tuple(c.name for c in self.expected.corpora)

    @property
    def targets(self) -> tuple[str, ...]:
        """The corpora that are tested."""
        return self.expected.tested

    @property
    def classes(self) -> tuple[str, ...]:
        """The emotions that are distinguished."""
        return self.expected.classes

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of every point."""
        return self.expected.seeds

    @cached_property
    def folds(self) -> tuple[int, ...]:
        """The folds of every seed; (0,) where there are none."""
        return tuple(sorted({key[4] for key in self.titles})) or (0,)

    @cached_property
    def splits(self) -> tuple[Split, ...]:
        """Seeds and folds in which a cell is trained, at most: its repeats."""
        return tuple(product(self.seeds, self.folds))

    @property
    def repeats(self) -> str:
        """What the splits are, for people: ``seeds``, ``folds``, ``seeds × folds``."""
        if self.folds == (0,):
            return "seeds"
        return "seeds × folds" if len(self.seeds) > 1 else "folds"

    @cached_property
    def titles(self) -> dict[TrialKey, str]:
        """Every expected trial, and the title that it bears elsewhere: ``I+T+R · tdnn · μσ² · multi``."""
        return {trial_key(point): title for title, point in self.expected.trials}

    @cached_property
    def points(self) -> tuple[Mapping[str, Any], ...]:
        """The points that are trained with every seed: corpora, block, pooling, task, and fold where there are some."""
        return tuple(point for _, point in self.expected.trials if point["seed"] == self.seeds[0])

    @cached_property
    def blocks(self) -> tuple[str, ...]:
        """The temporal blocks."""
        return tuple(dict.fromkeys(key[1] for key in self.titles))

    @cached_property
    def pooling(self) -> tuple[str, ...]:
        """The poolings."""
        return tuple(dict.fromkeys(key[2] for key in self.titles))

    @cached_property
    def task(self) -> tuple[str, ...]:
        """The task set-ups."""
        return tuple(dict.fromkeys(key[3] for key in self.titles))

    @property
    def configurations(self) -> tuple[Configuration, ...]:
        """The networks, in the fixed order that decides ties under "first"."""
        return tuple(product(self.blocks, self.pooling, self.task))

    @cached_property
    def mixes(self) -> bool:
        """Whether some trial is of several corpora; else all task set-ups are one training, and no corpus is added."""
        return any(len(key[0]) > 1 for key in self.titles)

    def combinations(self, target: str) -> tuple[tuple[str, ...], ...]:
        """Returns the combinations that hold ``target``, in the order of the points."""
        return tuple(dict.fromkeys(key[0] for key in self.titles if target in key[0]))

    def mix(self, corpora: Iterable[str]) -> str:
        """Returns the letters of a combination: ``I+T``."""
        return "+".join(self.letters.get(c, c) for c in corpora)

    def network(self, configuration: Configuration) -> str:
        """Returns a configuration in a word: ``TDNN μσ² multi``."""
        block, pooling, task = configuration
        return f"{block.upper()} {sign(pooling)} {task}"

    def trials(self) -> Iterator[tuple[str, list[Key]]]:
        """Yields title and expected results of every trial."""
        for key, title in self.titles.items():
            yield title, [(target, *key) for target in self.targets if target in key[0]]


def trial_key(point: Mapping[str, Any], fold: int = 0) -> TrialKey:
    """Returns the place of a point, or of a run's statement, in the grid; ``fold`` where that is no part of it."""
    corpora = point["corpora"]
    names = tuple(corpora.split(",")) if isinstance(corpora, str) else tuple(corpora)
    network = point["block"], point.get("pooling", "none"), point.get("task", "unified")
    return names, *network, int(point.get("fold", fold)), int(point["seed"])


def sign(pooling: str) -> str:
    """``μσ²`` for ``mean_var``; a pooling without a sign keeps its name."""
    return POOLING_SIGNS.get(pooling, pooling)
