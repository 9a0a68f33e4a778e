"""Results and predictions of a study as data frames."""

import io
from collections.abc import Collection, Sequence

import pandas as pd
from pandas.api.types import union_categoricals

from ser.analysis.places import Folder, location, options
from ser.errors import BadInput
from ser.report.fetched import with_predictions
from ser.report.overview import RunSummary, Selection, overview
from ser.report.runs import Finished
from ser.report.tidy import counted, rows_of
from ser.report.tidy_files import kind
from ser.runs.tracker import Tracker
from ser.study import load_study

_TYPES = {"bool_": "boolean", "int64": "Int64", "float64": "float64", "string": "object"}
_TEXTS = ("corpus", "uid", "speaker", "sex", "session", "sentence", "label", "predicted")
_OF_RUNS = ("run_id", "trial_id", "title")


def results(
    study: str,
    work: Folder | None = None,
    *,
    tracking_uri: str | None = None,
    variant: str | None = None,
    replicates: int = 1000,
) -> pd.DataFrame:
    """Returns a row for each trial of a study and each corpus that it was tested on, as in a report's results.csv.

    Columns: what the trial is (``trial_id``, ``run_id``, ``title``, ``status``, ``failure``, ``same_as``: the trial
    whose training it shares, ``seed``, ``fold``, ``target``: the corpus of the test, ``combination`` and ``corpora``
    that it learned from, ``block``), a column for each axis of the study, by its path; ``n`` test utterances, ``wa``
    and ``ua``, 0 … 1, with 95 % intervals (``wa_low``, ``wa_high``), and all further scores of the test, of validation
    (``val_ua``) and of the training (``epochs``, ``seconds``). Trials that failed, or have no run yet, are rows without
    numbers.

    ``study`` is a name or a path as ``ser report`` takes it. ``work`` is the folder of ``ser run --work``, without one
    ``$SER_WORK`` or ``./work``; ``tracking_uri`` a tracking store elsewhere. ``variant``: of which settings and
    corpora; None = those that were run last. ``replicates`` of the bootstrap make the intervals; 0 = neither
    intervals nor ``n``, which is faster, as no predictions are read. Raises BadInput where there are no such runs.

    >>> import ser
    >>> table = ser.results("interaffection", work)
    >>> table.groupby("block").ua.mean().round(2).to_dict()
    {'blstm': 0.61, 'lstm': 0.7, 'tdnn': 0.77}
    >>> best = table.loc[table.ua.idxmax()]
    >>> best.target, int(best.n)
    ('ravdess', 8)
    >>> table[table.status != "finished"].groupby("status").size().to_dict()
    {'failed': 1, 'missing': 1}
    """
    loaded = load_study(study)
    tracker = Tracker(location(work, tracking_uri), loaded.name, to_read=True)
    rows = rows_of(tracker, loaded, variant, options(work, replicates))
    columns = {name: pd.array(values, dtype=_dtype(values)) for name, values in rows.columns.items()}
    return pd.DataFrame(columns)


def _dtype(values: list[str | int | float | bool | None]) -> str:
    """The plain NumPy type where there is no hole, else the one of pandas that has them."""
    name = kind(values)
    if name in ("int64", "bool_") and None not in values:
        return name.rstrip("_")
    return _TYPES[name]


def predictions(
    study: str,
    work: Folder | None = None,
    *,
    run_ids: Collection[str] | None = None,
    tracking_uri: str | None = None,
    variant: str | None = None,
) -> pd.DataFrame:
    """Returns a row for each test utterance of each finished run of a study.

    Columns: ``run_id``, ``trial_id``, ``title``, ``corpus`` of the test, ``uid``, ``speaker``, ``sex``, ``session``,
    ``sentence``, ``label`` and ``prediction``, and what the model gives for each class: probabilities ``p_<class>``, of
    fitted models decision values ``d_<class>``. Where an utterance is many segments, a row is a segment, with
    logits ``l_<class>``. Ratings are ``true_<dimension>`` and ``predicted_<dimension>``, from -1 to 1. Texts are
    categories, so that thousands of runs of the same utterances fit; ``run_ids`` takes some runs alone.

    The other arguments, and errors, are those of ``results``.

    >>> import ser
    >>> table = ser.predictions("interaffection", work)
    >>> right = table.label.astype(str) == table.prediction.astype(str)
    >>> wa = right.groupby(table.run_id, observed=True).mean()
    >>> expected = ser.results("interaffection", work).dropna(subset="wa").set_index("run_id").wa
    >>> bool((wa - expected).abs().max() < 1e-12)
    True
    """
    loaded = load_study(study)
    tracker = Tracker(location(work, tracking_uri), loaded.name, to_read=True)
    runs, _ = overview(tracker, loaded, variant, Selection((), ("wa/", "ua/", "ccc/", "balanced/")))
    finished = [r for r in counted(r for r in runs if not r.is_reference) if r.status == "FINISHED"]
    return predictions_of(tracker, finished if run_ids is None else _among(finished, set(run_ids)))


def _among(runs: Sequence[RunSummary], ids: set[str]) -> list[RunSummary]:
    if unknown := ids - {run.run_id for run in runs}:
        allowed = f"ids of {len(runs)} finished runs"
        raise BadInput(", ".join(sorted(unknown)), "run_ids", allowed, "take them from the column run_id of results")
    return [run for run in runs if run.run_id in ids]


def predictions_of(tracker: Tracker, runs: Sequence[RunSummary]) -> pd.DataFrame:
    """Returns the predictions of some finished runs, in their order; without any an empty table."""
    tables = [_table(run) for run in with_predictions(tracker, runs) if run.text]
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    columns = {}
    for name in names:
        parts = [table[name] if name in table else _holes(name, len(table)) for table in tables]
        is_text = isinstance(parts[0].dtype, pd.CategoricalDtype)
        columns[name] = union_categoricals(parts) if is_text else pd.concat(parts, ignore_index=True)
    return pd.DataFrame(columns, columns=names or [*_OF_RUNS, "corpus", "uid", "label", "prediction"])


def _table(run: Finished) -> pd.DataFrame:
    """The table of a run; texts as categories."""
    table = pd.read_csv(io.StringIO(run.text), dtype=dict.fromkeys(_TEXTS, str), keep_default_na=False, na_values=[""])
    for name in (name for name in _TEXTS if name in table):
        table[name] = table[name].fillna("").astype("category")
    stated = (run.run_id, run.trial_id, run.title)
    of_run = {name: pd.Categorical([text]).repeat(len(table)) for name, text in zip(_OF_RUNS, stated, strict=True)}
    return pd.concat([pd.DataFrame(of_run), table.rename(columns={"predicted": "prediction"})], axis=1)


def _holes(name: str, size: int) -> "pd.Series[float]":
    """A column that other runs have."""
    is_text = name in (*_TEXTS, "prediction")
    return pd.Series(pd.Categorical([""] * size)) if is_text else pd.Series([float("nan")] * size)
