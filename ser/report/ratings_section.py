"""The section on ratings and shares of votes, in reports whose runs predict them: tables, and true by predicted."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ser.metrics.confusion import INK
from ser.report import bootstrap, figures, sheets
from ser.report.bootstrap import Sample
from ser.report.content import Cell, Picture, Row, Table
from ser.report.counted import Counts
from ser.report.groups import grouped, repeat_of
from ser.report.ratings import (
    DISTANCES,
    MEASURES,
    Answers,
    agreement,
    dimensions_of,
    divergence,
    pooled,
    ratings_of,
    votes_of,
)
from ser.report.runs import Expected, Finished, Options
from ser.report.section import Section
from ser.report.statistics import Floats, interval

if TYPE_CHECKING:  # Matplotlib takes half a second to import
    from matplotlib.figure import Figure

_MOST_READ = 24  # results of a table that is for reading
_MOST_POINTS = 2000  # that a panel of the figure shows
_WITHIN = ((-1.0, 1.0), (-1.0, 1.0), (0.0, np.inf))  # where CCC, correlation and RMSE lie


@dataclass(frozen=True, eq=False)
class Setting:
    """What the runs of one setting answer on one corpus, by seed, the folds of a seed pooled."""

    title: str
    corpus: str
    by_seed: tuple[Answers, ...]


@dataclass(frozen=True, eq=False)
class Measured:
    """A setting with its measures [metrics] and those of every replicate [replicates, metrics]."""

    setting: Setting
    values: Floats
    draws: Floats
    sample: Sample

    def cell(self, column: int, within: tuple[float, float]) -> Cell:
        """Returns a measure with its interval, and what it comes from."""
        cell = interval(self.values[column], self.draws[:, column], self.sample.clusters, within)
        words = f"{self.setting.corpus}: {self.setting.title}, {len(self.setting.by_seed)} seeds"
        return cell.from_runs((), self.sample.utterances, words)


def section_of(runs: Iterable[Finished], expected: Expected, options: Options) -> Section:
    """Returns the section; nothing where no run predicts ratings or shares of votes."""
    names: dict[str, None] = {}
    light: list[Finished] = []
    rated: dict[str, dict[str, Answers]] = {}
    voted: dict[str, dict[str, Answers]] = {}
    for run in runs:
        names |= dict.fromkeys(dimensions_of(run))
        rated[run.run_id], voted[run.run_id] = ratings_of(run), votes_of(run)
        light.append(replace(run, text=""))
    ratings = [_measured(s, agreement, options) for s in _settings(light, rated, expected)]
    votes = [_measured(s, divergence, options) for s in _settings(light, voted, expected)]
    tables = [*(_rating_tables(ratings, tuple(names)) if ratings else ()), *([_vote_table(votes)] if votes else [])]
    pictures = [_scatter(ratings, tuple(names), expected)] if ratings else []
    samples = {measured.setting.corpus: measured.sample for measured in (*ratings, *votes)}
    words = bootstrap.words(options, samples)
    notes = (f"Ratings and shares of votes. {words}",) if words else ()
    return Section(sheets.marked(tuple(tables), expected), tuple(pictures), notes)


def _settings(
    runs: Sequence[Finished], answers: dict[str, dict[str, Answers]], expected: Expected
) -> Iterator[Setting]:
    for corpus in expected.tested:
        for group in grouped([run for run in runs if corpus in answers[run.run_id]]):
            by_seed: dict[tuple[str, str], list[Answers]] = {}
            for run in group.runs:
                by_seed.setdefault(repeat_of(run), []).append(answers[run.run_id][corpus])
            yield Setting(group.title, corpus, tuple(pooled(parts) for parts in by_seed.values()))


def _measured(
    setting: Setting, measure_of: Callable[[Answers], Callable[[Counts], Floats]], options: Options
) -> Measured:
    measures = [measure_of(answers) for answers in setting.by_seed]
    plain = [
        measure(np.ones((1, len(each.uids)), np.float32))[0]
        for measure, each in zip(measures, setting.by_seed, strict=True)
    ]
    uids, speakers = [each.uids for each in setting.by_seed], [each.speakers for each in setting.by_seed]
    clusters, sample = bootstrap.clusters_of_tests(uids, speakers, options.resample)
    rng = np.random.default_rng(0)
    draws = bootstrap.measure_draws(measures, clusters, len(plain[0]), options.replicates, rng)
    return Measured(setting, np.mean(plain, axis=0), draws, sample)


def _rating_tables(measured: Sequence[Measured], dimensions: tuple[str, ...]) -> Iterator[Table]:
    """The concordance of every result, the best of a corpus first; then correlation and error."""
    size = len(dimensions)
    ordered = sorted(measured, key=lambda m: (m.setting.corpus, -np.nan_to_num(m.values[-1], nan=-np.inf)))
    rows = [
        Row(
            m.setting.corpus,
            m.setting.title,
            (*(m.cell(column, _WITHIN[0]) for column in range(size)), m.cell(3 * size, _WITHIN[0])),
        )
        for m in ordered
    ]
    yield Table(
        "ratings",
        "Agreement with raters",
        "The concordance correlation coefficient of predicted with true ratings (Lin 1989) of each dimension, and the "
        "mean: 1 at best, 0 of a constant. Utterances without a rating do not count. Folds are pooled before, seeds "
        "averaged after it is computed.",
        (*dimensions, "mean"),
        tuple(rows),
        digits=3,
        unit="",
        grouped="Corpus",
        brief=len(rows) <= _MOST_READ,
        named="Setting",
    )
    heads = [f"{name} {dimension}" for name in ("Pearson", "RMSE") for dimension in dimensions]
    yield Table(
        "ratings_further",
        "Correlation and error of ratings",
        "Pearson's correlation, which a shift or another scale of predictions leaves alone, and the root of the mean "
        "squared error. Ratings are from -1 to 1, the ends of a corpus's own scale.",
        tuple(heads),
        tuple(
            Row(
                m.setting.corpus,
                m.setting.title,
                tuple(m.cell(column, _WITHIN[column // size]) for column in range(size, len(MEASURES) * size)),
            )
            for m in ordered
        ),
        digits=3,
        unit="",
        grouped="Corpus",
        named="Setting",
    )


def _vote_table(measured: Sequence[Measured]) -> Table:
    ordered = sorted(measured, key=lambda m: (m.setting.corpus, np.nan_to_num(m.values[1], nan=np.inf)))
    rows = [
        Row(m.setting.corpus, m.setting.title, tuple(m.cell(k, (0.0, np.inf)) for k in range(len(DISTANCES))))
        for m in ordered
    ]
    return Table(
        "votes",
        "Distance from the shares of votes",
        "Mean divergence of the probabilities from the shares that classes have of raters' votes, in nats; less is "
        "better. Kullback-Leibler is a hole where a class that raters chose has probability 0; Jensen-Shannon is at "
        "most 0.693. WA and UA are against the class of most votes, without utterances on which votes tie.",
        ("Kullback-Leibler", "Jensen-Shannon"),
        tuple(rows),
        digits=3,
        unit="",
        grouped="Corpus",
        brief=len(rows) <= _MOST_READ,
        named="Setting",
    )


def _scatter(measured: Sequence[Measured], dimensions: tuple[str, ...], expected: Expected) -> Picture:
    """Draws true ratings by predicted ones of the result with the greatest mean CCC on each corpus."""
    best: dict[str, Measured] = {}
    for one in measured:
        before = best.setdefault(one.setting.corpus, one)
        if np.nan_to_num(one.values[-1], nan=-np.inf) > np.nan_to_num(before.values[-1], nan=-np.inf):
            best[one.setting.corpus] = one
    settings = "; ".join(f"{corpus}: {one.setting.title}" for corpus, one in best.items())
    caption = (
        f"Predicted ratings by those of raters, of the setting with the greatest mean CCC in the test: {settings}. "
        "Dotted: where both agree."
    )
    return figures.picture(partial(_panels, best, dimensions), "ratings", caption)


def _panels(best: Mapping[str, Measured], dimensions: tuple[str, ...]) -> "Figure":
    shape = len(best), len(dimensions)
    figure = figures.sheet(0.6 + 2.7 * shape[0], 1.2 + 2.6 * shape[1])
    panels = figure.subplots(*shape, squeeze=False, sharex=True, sharey=True)
    for line, (corpus, one) in zip(panels, best.items(), strict=True):
        answers = one.setting.by_seed[0]
        step = max(1, len(answers.uids) // _MOST_POINTS)
        for column, (axes, dimension) in enumerate(zip(line, dimensions, strict=True)):
            axes.plot([-1, 1], [-1, 1], color=INK, lw=0.8, ls=":")
            axes.plot(
                answers.truth[::step, column], answers.predicted[::step, column], "o", ms=3, mew=0, alpha=0.45,
                color=figures.colour(column),
            )  # fmt: skip
            ccc = one.values[column]
            axes.set_title(f"{dimension}, CCC {ccc:.2f}" if np.isfinite(ccc) else dimension, loc="left", fontsize=9)
            axes.set_xlim(-1.05, 1.05)
            figures.light(axes, "both")
        line[0].set_ylabel(f"{corpus}\npredicted", fontsize=9)
    for axes in panels[-1]:
        axes.set_xlabel("rated", fontsize=9)
    return figure
