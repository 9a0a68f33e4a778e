"""What MLflow's pages show of an experiment: a description, and saved views of its runs in the menu "Views".

A saved view is a tag of the experiment, as MLflow's pages write it themselves when a person saves one. What a person
has changed since stays: tags are written again only where what they are made of has changed.
"""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from zlib import crc32

from ser.errors import Away, BadInput, Refused
from ser.runs import reader, shown
from ser.runs.described import NOTE
from ser.runs.links import CHARTS, MEANS, RESULTS
from ser.runs.location import Location
from ser.runs.reader import Run
from ser.runs.shown import COMBINATION
from ser.runs.tracker import Tracker, is_of_study

_VIEW = "mlflow.sharedViewState."
_PRIMARY = "mlflow.experiment.primaryMetric.name"  # whose chart comes first
_DIGEST = "mlflow.ser.pages"  # of what the tags were made of
_MOST = 8  # corpora and axes that a view names
_FIRST = (COMBINATION, "role.system", "role.protocol", "block", "pooling", "task")
_SCORES = ("ua", "wa", "balanced", "macro_f1", "ccc")
_LOOKED_AT = 400  # runs of an experiment of an earlier version
_MADE_OF = 1  # goes up where the views themselves change


@dataclass(frozen=True)
class Presented:
    """A study as its experiment presents it."""

    description: str  # Markdown that begins as plain text
    corpora: tuple[str, ...]  # that are tested
    scores: tuple[str, ...]  # beginnings of the metrics' names, the most important first: ``ua``, ``wa``
    axes: tuple[str, ...]  # parameters in which trials differ
    curves: tuple[str, ...]  # metrics of epochs


def publish(tracker: Tracker, presented: Presented) -> None:
    """Writes description and views of an experiment where they are not there in this form. Raises Away."""
    tags = tracker.client.get_experiment(tracker.experiment).tags
    written = crc32(f"{_MADE_OF} {json.dumps(asdict(presented))}".encode())
    before, _, note = tags.get(_DIGEST, "").partition(" ")
    if before == f"{written:08x}":
        return
    new: dict[str, str] = {}
    is_ours = NOTE not in tags or f"{crc32(tags[NOTE].encode()):08x}" == note  # else a person has written another
    new |= {NOTE: presented.description} if presented.description and is_ours else {}
    for key, (name, state) in views_of(presented).items():
        now = int(time.time() * 1000)
        view = {"name": name, "createdAt": now, "updatedAt": now, "state": json.dumps(state, separators=(",", ":"))}
        new[_VIEW + key] = json.dumps(view, ensure_ascii=False)
    if presented.corpora and presented.scores:
        new[_PRIMARY] = f"{presented.scores[0]}/{presented.corpora[0]}"
    new[_DIGEST] = f"{written:08x} {crc32(presented.description.encode()):08x}"
    with suppress(Refused):  # a server that takes no texts of this length shows none; runs are what counts
        for key, text in new.items():  # the digest last
            tracker.client.set_experiment_tag(tracker.experiment, key, text)


def publish_missing(where: Location) -> None:
    """Gives views to experiments that have none, as earlier versions made them, by what their runs hold.

    Nothing is written where the store does not let it.
    """
    with suppress(Away, BadInput):
        for experiment in reader.client(where, to_read=True).search_experiments():
            if is_of_study(experiment) and _VIEW + RESULTS not in experiment.tags:
                runs = Tracker(where, experiment.name, to_read=True).pages("attributes.status = 'FINISHED'")
                publish(Tracker(where, experiment.name), _of_runs(list(islice(runs, _LOOKED_AT))))


def _of_runs(runs: Sequence[Run]) -> Presented:
    metrics = dict.fromkeys(name for run in runs for name in run.data.metrics)
    scores = tuple(name for name in _SCORES if any(metric.startswith(f"{name}/") for metric in metrics))
    tested = [m.partition("/")[2] for m in metrics if scores and m.startswith(f"{scores[0]}/")]
    corpora = tuple(name for name in tested if "/" not in name)
    curves = tuple(name for name in ("train/loss", "val/loss") if name in metrics)
    return Presented("", corpora, scores[:2], axes_of([run.data.params for run in runs]), curves)


def axes_of(statements: Sequence[Mapping[str, str]]) -> tuple[str, ...]:
    """Returns the parameters in which runs differ that they show, of their whole ``statements``.

    Those that people look for first come first, the seed at the end.
    """
    varying = shown.varying(statements)
    visible = dict.fromkeys(key for params in statements for key in shown.params_of(params, varying))
    several = [key for key in visible if key in varying and key not in ("corpora", "role.number")]
    several = [key for key in several if not key.startswith("corpus.") or key.endswith((".fold", ".test"))]
    rank = {name: number - len(_FIRST) for number, name in enumerate(_FIRST)} | {"seed": 1}
    return tuple(sorted(several, key=lambda key: rank.get(key, 0)))


def views_of(presented: Presented) -> dict[str, tuple[str, Mapping[str, object]]]:
    """Returns name and state of each view by its key."""
    results = [f"{score}/{corpus}" for corpus in presented.corpora[:_MOST] for score in presented.scores[:2]]
    axes = [axis for axis in presented.axes if axis != COMBINATION][:_MOST]
    columns = [*(f"params.`{p}`" for p in (COMBINATION, *axes)), *(f"metrics.`{m}`" for m in results)]
    order = f"metrics.`{results[0]}`" if results else "attributes.start_time"
    common: dict[str, object] = {
        "searchFilter": "attributes.status = 'FINISHED'",
        "orderByKey": order,
        "orderByAsc": False,
        "startTime": "ALL",
        "lifecycleFilter": "Active",
        "datasetsFilter": [],
        "modelVersionFilter": "All Runs",
        "selectedColumns": columns,
        "runsHiddenMode": "FIRST_20_RUNS",
        **_charts(presented, results, [COMBINATION, *axes]),
    }
    by_combination = {"aggregateFunction": "average", "groupByKeys": [{"mode": "param", "groupByData": COMBINATION}]}
    grouped = {"selectedColumns": [f"metrics.`{m}`" for m in results], "groupBy": by_combination}
    scores = " and ".join(score.upper() for score in presented.scores[:2]) or "scores"
    return {
        RESULTS: (f"Results: {scores} of every trial", common),
        MEANS: ("Means by combination of corpora", common | grouped),
        CHARTS: ("Charts: results, axes, curves", common),
    }


def _charts(presented: Presented, results: Sequence[str], axes: Sequence[str]) -> dict[str, object]:
    """Charts in sections of their own, before those that the pages add: tests, axes beside them, curves."""
    tests, curves = "ser-tests", "ser-curves"
    charts: list[dict[str, object]] = []
    for metric in results:
        charts.append(_chart("BAR", metric, tests, metricKey=metric))
    if results and axes:
        first = {"selectedParams": list(axes), "selectedMetrics": list(results[:1]), "showAllRuns": True}
        charts.append(_chart("PARALLEL", "axes", tests, **first))
    for corpus in presented.corpora[:_MOST]:
        score = presented.scores[0]
        x, y = ({"key": f"{kind}{score}/{corpus}", "type": "METRIC"} for kind in ("objective/", ""))
        charts.append(_chart("SCATTER", f"validation-{corpus}", tests, xaxis=x, yaxis=y, runsCountToCompare=100))
    for metric in presented.curves:
        charts.append(_chart("LINE", metric, curves, metricKey=metric, **_LINE))
    names = {tests: "Tests, and what they follow from", curves: "Curves"}
    sections = [{"uuid": k, "name": name, "display": True, "isReordered": True} for k, name in names.items()]
    return {"compareRunCharts": charts, "compareRunSections": sections, "isAccordionReordered": True}


_LINE = {
    "lineSmoothness": 0, "xAxisScaleType": "linear", "scaleType": "linear", "xAxisKey": "step", "yAxisKey": "metric",
    "selectedXAxisMetricKey": "", "yAxisExpressions": [], "ignoreOutliers": False, "useGlobalXaxisKey": True,
    "useGlobalLineSmoothing": True, "range": {},
}  # fmt: skip


def _chart(kind: str, name: str, section: str, **values: object) -> dict[str, object]:
    own = {
        "type": kind,
        "uuid": f"{section}-{kind.lower()}-{name}",
        "metricSectionId": section,
        "runsCountToCompare": 20,
    }
    return {**own, "deleted": False, "isGenerated": False, "displayName": name, **values}
