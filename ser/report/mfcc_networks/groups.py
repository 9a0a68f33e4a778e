"""The trials of Khan et al. by their role: settings that the study states, candidates of its search, refits.

A statement's ``role`` says which: "candidate" (one run per fold) and "refit" have the candidate's number in
``role.number``; all else is stated.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser.report.groups import fold_of, grouped, repeat_of
from ser.report.predictions import LabelPredictions, pooled_labels
from ser.report.runs import Finished
from ser.report.validation import Curve, validation_accuracy

_SEARCHED = ("candidate", "member")
_FOLDS = re.compile(r"corpus\..*\.split\.folds")
Repeat = tuple[str, str]  # seed, and which of equal models


@dataclass(frozen=True, eq=False)
class TestedSetting:
    """A setting that is tested: its runs, one per seed, and what each said of a corpus's test side."""

    title: str
    block: str
    refitted: bool
    runs: tuple[Finished, ...]
    answers: Mapping[str, Mapping[Repeat, LabelPredictions]]  # corpus → seed → what was said in all folds
    left_out: tuple[str, ...] = ()  # titles of runs whose seed lacks folds that others have

    def tests(self, corpus: str) -> tuple[LabelPredictions, ...]:
        """Returns what each seed said."""
        return tuple(self.answers.get(corpus, {}).values())

    def runs_of(self, repeat: Repeat) -> list[Finished]:
        """Returns the runs of a seed."""
        return [run for run in self.runs if repeat_of(run) == repeat]

    def best(self, corpus: str) -> LabelPredictions | None:
        """Returns of several seeds the one with the most right; the first of equal ones."""
        return max(self.tests(corpus), key=lambda t: int(t.correct.sum()), default=None)

    def by_validation(
        self, corpus: str, searched: Sequence["Candidate"], curve: Curve
    ) -> tuple[Repeat, LabelPredictions] | None:
        """Returns of several seeds the one of the best validation accuracy, the first of equal ones.

        A network that learned from all that is not tested has none of its own; one that a search had trained again has
        that of its candidate. None where any has none.
        """
        tests = self.answers.get(corpus, {})
        values = {repeat: self._validation(repeat, corpus, searched, curve) for repeat in tests}
        if not values or any(np.isnan(value) for value in values.values()):
            return None
        best = max(values, key=lambda repeat: values[repeat])
        return best, tests[best]

    def _validation(self, repeat: Repeat, corpus: str, searched: Sequence["Candidate"], curve: Curve) -> float:
        runs = self.runs_of(repeat)
        own = float(np.mean([validation_accuracy(run, corpus, "wa", curve) for run in runs]))
        key = self.block, repeat[0], runs[0].params.get("role.number")
        of_candidate = [c.mean("objective/wa") for c in searched if (c.block, c.seed, c.number) == key]
        return of_candidate[0] if np.isnan(own) and self.refitted and of_candidate else own


@dataclass(frozen=True, eq=False)
class Candidate:
    """A candidate of a search: a run per fold."""

    block: str
    seed: str
    number: str
    folds: Mapping[int, Finished]
    expected: tuple[int, ...]  # folds that it should have

    def each(self, score: str) -> list[float]:
        """A final metric in every expected fold; nan where a fold or its metric is missing."""
        runs = (self.folds.get(fold) for fold in self.expected)
        return [float("nan") if run is None else run.scores.get(score, float("nan")) for run in runs]

    def mean(self, score: str) -> float:
        """Over all folds; nan if one is missing."""
        return float(np.mean(self.each(score)))


def role_of(run: Finished) -> str:
    """The run's part in the study."""
    return run.params.get("role", "grid")


def is_candidate(run: Finished) -> bool:
    """Whether a search proposed the run to compare it with others."""
    return role_of(run) in _SEARCHED


def candidates(runs: Sequence[Finished]) -> list[Candidate]:
    """Returns the candidates of the search, in the order of the first run of each."""
    by_candidate: dict[tuple[str, str, str], dict[int, Finished]] = {}
    for run in filter(is_candidate, runs):
        key = run.params.get("block", ""), run.params.get("seed", "0"), run.params.get("role.number", "")
        by_candidate.setdefault(key, {}).setdefault(fold_of(run), run)
    stated = [int(v) for run in runs for k, v in run.params.items() if _FOLDS.fullmatch(k) and v.isdigit()]
    observed = {fold for folds in by_candidate.values() for fold in folds}
    expected = tuple(range(1, max(*observed, *stated) + 1)) if observed - {0} else (0,)
    return [Candidate(*key, folds, expected) for key, folds in by_candidate.items()]


def settings_tested(
    runs: Sequence[Finished], answers: Mapping[str, Mapping[str, LabelPredictions]]
) -> list[TestedSetting]:
    """Returns the settings that are tested: stated settings first, then what the search had trained again, by block.

    ``answers``: run id → corpus → what it said.
    """
    out = []
    stated = grouped([run for run in runs if not is_candidate(run) and role_of(run) != "refit"])
    titles = [_title(group.runs[0]) for group in stated]
    for group, title in zip(stated, titles, strict=True):
        whole = title if titles.count(title) == 1 else f"{title} ({_described(group.settings)})"
        out.append(_tested(whole, group.runs, answers))
    refits: dict[str, list[Finished]] = {}
    for run in runs:
        if role_of(run) == "refit":
            refits.setdefault(run.params.get("block", ""), []).append(run)
    return out + [_tested(f"{block}, refitted", repeats, answers) for block, repeats in refits.items()]


def _title(run: Finished) -> str:
    return run.params.get("block", "") + (", as printed" if role_of(run) == "printed" else ", as stated")


def _described(settings: Mapping[str, str]) -> str:
    return ", ".join(f"{name.rpartition('.')[2]} {value}" for name, value in settings.items() if value)


def _tested(
    title: str, runs: Sequence[Finished], answers: Mapping[str, Mapping[str, LabelPredictions]]
) -> TestedSetting:
    tested = [run for run in runs if run.run_id in answers]
    folds = {fold_of(run) for run in tested}
    by_repeat: dict[Repeat, dict[int, Finished]] = {}
    for run in tested:
        by_repeat.setdefault(repeat_of(run), {}).setdefault(fold_of(run), run)
    complete = {repeat: by_fold for repeat, by_fold in by_repeat.items() if by_fold.keys() == folds}
    by_corpus: dict[str, dict[Repeat, LabelPredictions]] = {}
    for repeat, by_fold in complete.items():
        parts = [answers[run.run_id] for run in by_fold.values()]
        for name in dict.fromkeys(corpus for part in parts for corpus in part):
            by_corpus.setdefault(name, {})[repeat] = pooled_labels([part[name] for part in parts if name in part])
    counted = {run.run_id for by_fold in complete.values() for run in by_fold.values()}
    return TestedSetting(
        title,
        runs[0].params.get("block", ""),
        role_of(runs[0]) == "refit",
        tuple(runs),
        by_corpus,
        tuple(run.title for run in tested if run.run_id not in counted),
    )


def at_kept_epoch(run: Finished, metric: str, curve: Callable[[str, str], list[float]]) -> float:
    """A metric that is logged every epoch, at the epoch whose weights are kept; nan if it was not logged."""
    epoch, values = int(run.scores.get("best_epoch", 0)), curve(run.run_id, metric)
    return values[epoch - 1] if 0 < epoch <= len(values) else float("nan")
