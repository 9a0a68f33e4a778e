"""The best system of each corpus and protocol as validation chooses it, beside the best that the test chooses."""

from collections import Counter
from collections.abc import Mapping
from functools import partial

import numpy as np

from ser.report.bootstrap import accuracy_draws, tested_of
from ser.report.content import Cell, Row, Table
from ser.report.groups import spread
from ser.report.predictions import LabelPredictions, pooled_labels
from ser.report.runs import Options
from ser.report.statistics import DIFFERENCE, METRICS, SHARE, interval
from ser.report.survey.results import PROTOCOLS, Bench, Fold, Result
from ser.report.validation import validation_accuracy

_UA = METRICS.index("ua")


def best_by_validation(bench: Bench, options: Options) -> Table:
    """Returns the best system of every case by the UA of validation, chosen anew in each fold."""
    rows = []
    for corpus, protocol in bench.cases:
        of = sum(bench.can(corpus, protocol, system) for system in bench.systems)
        known = _known(bench.ranked(corpus, protocol), corpus, options)
        if len(known) > 1:
            rows.append(_row(bench, corpus, protocol, known, of, options))
    return Table(
        "best_validation",
        "The best system, chosen by validation",
        "By UA in validation, in the epoch that was kept, chosen anew in each fold of each seed and tested there: the "
        "test utterances have no part in it. Only networks can be chosen so: fitted models have no validation subset "
        "that they do not learn from. Shown is the system that is chosen most often; numbers are of all that were "
        "chosen. ±: sample standard deviation over seeds and folds. Best: of these systems the one that the test "
        "chooses, as biased as the table above. Optimism: Best minus Test, paired.",
        ("System", "Chosen in", "Validation", "Test", "±", "Best system", "Best", "Optimism"),
        tuple(rows),
        "systems",
        grouped="Corpus",
        brief=True,
        named="Protocol",
    )


Place = tuple[str, str]  # seed, fold


def chosen_folds(bench: Bench, corpus: str, protocol: str, options: Options) -> list[Fold]:
    """Returns the fold of the system that validation chooses in each; [] where it has nothing to choose from."""
    known = _known(bench.ranked(corpus, protocol), corpus, options)
    return [fold for _, _, fold in _picked(bench, known).values()] if len(known) > 1 else []


def _known(ranked: list[Result], corpus: str, options: Options) -> dict[str, dict[Place, tuple[float, Fold]]]:
    """The complete systems, the best first, whose validation is known in every fold that the first of them has."""
    validated = partial(validation_accuracy, corpus=corpus, metric="ua", curve=options.curve)
    known = {
        result.system: {(fold.seed, fold.number): (validated(fold.run), fold) for fold in result.folds}
        for result in ranked
    }
    known = {name: folds for name, folds in known.items() if not any(np.isnan(ua) for ua, _ in folds.values())}
    first = next(iter(known.values()), {}).keys()
    return {name: folds for name, folds in known.items() if folds.keys() == first}


def _row(
    bench: Bench,
    corpus: str,
    protocol: str,
    known: Mapping[str, Mapping[Place, tuple[float, Fold]]],
    of: int,
    options: Options,
) -> Row:
    top = bench.results[corpus, protocol, next(iter(known))]
    picked = _picked(bench, known)
    pooled = _pooled({place: fold for place, (_, _, fold) in picked.items()})
    best = _pooled({(fold.seed, fold.number): fold for fold in top.folds})
    seeds = {seed: number for number, seed in enumerate(sorted({*pooled, *best}))}
    parts = [(i, seeds[seed], test) for i, tests in enumerate((pooled, best)) for seed, test in tests.items()]
    tested = tested_of(parts, options.resample)
    point, draws = accuracy_draws(tested, options.replicates, np.random.default_rng(0))
    (test, best_value), (test_draws, best_draws) = point[_UA], draws[_UA].T
    count = tested.sample.clusters
    (most, times), *_ = Counter(name for name, _, _ in picked.values()).most_common()
    cells = (
        *(most, f"{times} of {len(picked)}", Cell(float(np.mean([ua for _, ua, _ in picked.values()])))),
        *(
            interval(test, test_draws, count, SHARE),
            Cell(spread([fold.accuracy("ua") for _, _, fold in picked.values()])),
        ),
        *(
            top.system,
            interval(best_value, best_draws, count, SHARE),
            interval(best_value - test, best_draws - test_draws, count, DIFFERENCE),
        ),
    )
    return Row(corpus, PROTOCOLS[protocol], cells, len(known), of)


def _picked(
    bench: Bench, known: Mapping[str, Mapping[Place, tuple[float, Fold]]]
) -> dict[Place, tuple[str, float, Fold]]:
    """The system that validation chooses in every fold of every seed, its UA there, and what was tested."""
    names = [system for system in bench.systems if system in known]
    picked = {}
    for place in next(iter(known.values())):
        name = names[int(np.argmax([round(known[system][place][0], 9) for system in names]))]
        picked[place] = name, *known[name][place]
    return picked


def _pooled(folds: Mapping[Place, Fold]) -> dict[str, LabelPredictions]:
    """The answers of each seed to all its utterances."""
    by_seed: dict[str, list[LabelPredictions]] = {}
    for (seed, _), fold in folds.items():
        by_seed.setdefault(seed, []).extend([fold.answers] if fold.answers else [])
    return {seed: pooled_labels(parts) for seed, parts in by_seed.items()}
