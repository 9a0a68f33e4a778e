"""More of the best results of any report of one label an utterance, from saved predictions alone: nothing is trained.

F1, calibration, gaps by sex and by speaker, confusion as shares; figures of reliability and of every speaker. A report
names its best results by their runs, and adds what it gets to its own content::

    best = further.read("ravdess", "test UA", title, further.by_seed(runs), classes, options)
    more = further.more_of([b for b in (best, …) if b], options)
    Content.of(…, tables=(*tables, *more.tables), pictures=(*pictures, *more.pictures), notes=(*notes, *more.notes))

Of each corpus the first result is drawn. A result that was chosen in two ways is one line: "test UA, validation UA".
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from ser.report import further_figures, further_tables
from ser.report.content import Picture, Table
from ser.report.further_scores import Best, Scores, scores_of
from ser.report.groups import repeat_of
from ser.report.predictions import pooled_labels, single_label
from ser.report.runs import Finished, Options

__all__ = ["Best", "Further", "by_seed", "more_of", "read", "several"]


@dataclass(frozen=True, eq=False)
class Further:
    """What a report adds to its own; nothing where there are no results."""

    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    notes: tuple[str, ...] = ()


def by_seed(runs: Iterable[Finished]) -> list[list[str]]:
    """Returns the ids of a setting's runs, those of the folds of one seed together."""
    ids: dict[tuple[str, str], list[str]] = {}
    for run in runs:
        ids.setdefault(repeat_of(run), []).append(run.run_id)
    return list(ids.values())


def several(settings: int) -> str:
    """Returns the title of what was chosen anew in every seed and fold, where it is not always the same setting."""
    return f"{settings} settings, each chosen in its seed and fold"


def read(
    corpus: str, how: str, title: str, runs: Sequence[Sequence[str]], classes: Sequence[str], options: Options
) -> Best | None:
    """Returns a result with probabilities, from the predictions of its runs, which are read again.

    ``how`` it was chosen: "test UA". ``runs``: for each seed the ids of the runs of all its folds. None where a run has
    no predictions of the corpus, or they cannot be had (``Options.file``). Raises BadInput for labels of other classes.
    """
    tests = []
    for folds in runs:
        parts = []
        for run_id in folds:
            text = options.file(run_id, "predictions.csv") or ""
            run = Finished("", run_id, title, {}, {}, "", text)
            found = single_label(run, classes, only=corpus, probabilities=True)
            if corpus not in found:
                return None
            parts.append(found[corpus])
        tests.append(pooled_labels(parts))
    return Best(corpus, how, title, tuple(tests), tuple(classes)) if tests else None


def more_of(results: Sequence[Best], options: Options) -> Further:
    """Returns the tables, figures and notes of the best results, in their order.

    Intervals are bootstrapped as ``options`` say; without replicates there are none.
    """
    merged = _merged(results)
    if not merged:
        return Further()
    scores = [scores_of(best, options) for best in merged]
    tables = [further_tables.accuracies(scores), further_tables.calibration(scores)]
    tables += [further_tables.by_sex(scores), further_tables.by_speaker(scores)]
    tables += [further_tables.every_speaker(scores)] if any(each.by_speaker for each in scores) else []
    tables.append(further_tables.confusion(scores))
    return Further(tuple(tables), tuple(_pictures(scores)), tuple(_notes(scores)))


def _merged(results: Sequence[Best]) -> list[Best]:
    """Each result once, the corpora in the order of their first: of one title, with the same predictions."""
    merged: dict[tuple[str, str, tuple[bytes, ...]], Best] = {}
    for best in results:
        key = best.corpus, best.title, tuple(test.predicted.tobytes() for test in best.tests)
        before = merged.get(key)
        merged[key] = replace(before, how=f"{before.how}, {best.how}") if before else best
    corpora = [best.corpus for best in results]
    return sorted(merged.values(), key=lambda best: corpora.index(best.corpus))


def _pictures(scores: Sequence[Scores]) -> Iterator[Picture]:
    first = {each.best.corpus: each for each in reversed(scores)}
    of_corpora = [first[corpus] for corpus in dict.fromkeys(each.best.corpus for each in scores)]
    certain = [each.best for each in of_corpora if all(test.probabilities is not None for test in each.best.tests)]
    if certain:
        yield further_figures.reliability_diagrams(certain)
    if known := [each for each in of_corpora if len(each.by_speaker) > 1]:
        yield further_figures.speakers(known)


def _notes(scores: Sequence[Scores]) -> Iterator[str]:
    untold: dict[str, list[str]] = {}
    for each in scores:
        if not each.by_speaker:
            untold.setdefault("speakers", []).append(each.best.corpus)
        elif not any(each.utterances_of.values()):
            untold.setdefault("sexes", []).append(each.best.corpus)
        if any(test.probabilities is None for test in each.best.tests):
            untold.setdefault("chances", []).append(each.best.corpus)
    names = {kind: ", ".join(dict.fromkeys(corpora)) for kind, corpora in untold.items()}
    if "speakers" in names:
        yield (
            f"Holes by sex and by speaker: the runs on {names['speakers']} were made before predictions said who "
            "speaks, and the work folder has no scan of the same corpora. F1 and calibration need no new runs."
        )
    if "sexes" in names:
        do, their = ("do", "their") if "," in names["sexes"] else ("does", "its")
        yield f"Holes by sex: {names['sexes']} {do} not tell the sexes of {their} speakers."
    if "chances" in names:
        yield (
            f"Holes of calibration on {names['chances']}: a best result is of a fitted model, whose decision values "
            "are no probabilities."
        )
