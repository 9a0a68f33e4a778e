"""The trials of Khan et al. by their role: settings that the study states, candidates of its search, refits.

A statement's ``role`` says which: "candidate" (one run per fold) and "refit" have the candidate's number in
``role.number``; all else is stated.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ser.report.groups import fold_of, grouped
from ser.report.predictions import LabelPredictions, on_same_utterances
from ser.report.runs import Finished

_SEARCHED = ("candidate", "member")
_FOLDS = re.compile(r"corpus\..*\.split\.folds")


@dataclass(frozen=True, eq=False)
class TestedSetting:
    """A setting that is tested: its runs, one per seed, and what each said of a corpus's test side."""

    title: str
    block: str
    refitted: bool
    runs: tuple[Finished, ...]
    answers: Mapping[str, tuple[LabelPredictions, ...]]  # corpus → of those runs that share the first one's utterances

    def best(self, corpus: str) -> LabelPredictions | None:
        """Returns of several seeds the one with the most right; the first of equal ones."""
        return max(self.answers.get(corpus, ()), key=lambda t: int((t.truth == t.predicted).sum()), default=None)


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
    by_corpus = [answers[run.run_id] for run in runs if run.run_id in answers]
    corpora = dict.fromkeys(name for tests in by_corpus for name in tests)
    same_utterances = {
        name: tuple(on_same_utterances([tests[name] for tests in by_corpus if name in tests])) for name in corpora
    }
    return TestedSetting(
        title, runs[0].params.get("block", ""), role_of(runs[0]) == "refit", tuple(runs), same_utterances
    )


def at_kept_epoch(run: Finished, metric: str, curve: Callable[[str, str], list[float]]) -> float:
    """A metric that is logged every epoch, at the epoch whose weights are kept; nan if it was not logged."""
    epoch, values = int(run.scores.get("best_epoch", 0)), curve(run.run_id, metric)
    return values[epoch - 1] if 0 < epoch <= len(values) else float("nan")
