"""The trials of Sahoo et al. 2019 by setting: way of cutting, units, and test clips of each seed, of all folds."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from ser.report.groups import Group, fold_of, grouped
from ser.report.predictions import SegmentPredictions, pooled_segments
from ser.report.runs import Expected, Finished

PRINTED = {"nonoverlap": "nonoverlap", "overlap_repo": "overlap"}  # the program's way made the paper's numbers
PAPERS_UNITS = "200"
_TITLED = ("block", "front_end.segmentation", "block.units", "block.layers", "block.segment")


Tests = Mapping[str, Mapping[str, SegmentPredictions]]


@dataclass(frozen=True, eq=False)
class Setting:
    """Runs that differ in seed and fold only."""

    group: Group
    rest: str  # settings beyond those that the tables tell, where these alone do not tell it from others
    tests: Tests  # corpus → seed → test clips; seeds that lack a fold are left out

    @property
    def runs(self) -> tuple[Finished, ...]:
        """Oldest first."""
        return self.group.runs

    def param(self, name: str) -> str:
        """A value of its statement, "" if unknown."""
        return self.runs[0].params.get(name, "")

    @property
    def block(self) -> str:
        """Its network."""
        return self.param("block")

    @property
    def way(self) -> str:
        """The way in which clips are cut, as the paper calls it if it does: nonoverlap, overlap, overlap_textbook."""
        stated = self.param("front_end.segmentation")
        return PRINTED.get(stated, stated)

    @property
    def units(self) -> str:
        """The units of the last hidden layer."""
        return self.param("block.units")

    @property
    def title(self) -> str:
        """``overlap, 200 units``, ``mlp 2 × 200``."""
        if self.block == "mlp":
            other = "" if self.way == "nonoverlap" else f", {self.way}"
            return f"mlp {self.param('block.layers')} × {self.units}{other}{self.rest}"
        return f"{self.way}, {self.units} units{self.rest}"

    def of(self, corpus: str) -> tuple[SegmentPredictions, ...]:
        """Test clips of each complete seed."""
        return tuple(self.tests.get(corpus, {}).values())


def folds_of(runs: Iterable[Finished], expected: Expected) -> tuple[int, ...]:
    """The folds that every seed should have; (0,) where the test side is fixed."""
    observed = {fold_of(run) for run in runs} | {int(point.get("fold", 0)) for _, point in expected.trials}
    return tuple(sorted(observed - {0})) or (0,)


def settings_of(
    runs: Sequence[Finished],
    answers: Tests,
    folds: Sequence[int],
    tested: Sequence[str],
) -> list[Setting]:
    """All settings, in the order of their first runs. ``answers``: run id → corpus → clips."""
    groups = grouped(runs)
    keys = [tuple(group.runs[0].params.get(name, "") for name in _TITLED) for group in groups]
    out = []
    for group, key in zip(groups, keys, strict=True):
        more = {k.rpartition(".")[2]: v for k, v in group.settings.items() if k not in _TITLED and v}
        rest = "".join(f", {name} {value}" for name, value in more.items()) if keys.count(key) > 1 else ""
        tests = {corpus: _complete(group.runs, answers, folds, corpus) for corpus in tested}
        out.append(Setting(group, rest, tests))
    return out


def _complete(
    runs: Iterable[Finished], answers: Tests, folds: Sequence[int], corpus: str
) -> dict[str, SegmentPredictions]:
    """Seed → test clips of all its folds."""
    by_seed: dict[str, dict[int, SegmentPredictions]] = {}
    for run in runs:
        if corpus in answers.get(run.run_id, {}):
            by_seed.setdefault(run.params.get("seed", "0"), {})[fold_of(run)] = answers[run.run_id][corpus]
    return {
        seed: pooled_segments([by_fold[f] for f in folds])
        for seed, by_fold in by_seed.items()
        if all(f in by_fold for f in folds)
    }


def main_units(settings: Sequence[Setting]) -> str:
    """The units of Table 3: the paper's 200, or else those of the most settings."""
    units = [s.units for s in settings if s.block == "vggish"]
    return PAPERS_UNITS if PAPERS_UNITS in units else max(units, key=units.count, default=PAPERS_UNITS)
