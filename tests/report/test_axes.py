"""A study with one more axis than its report knows: no report loses a result, or takes it for a repeat of another."""

from dataclasses import replace

import pytest

from experiments.interaffection import study as interaffection
from experiments.survey import study as survey
from ser.report import collect
from ser.report.general import content as general
from ser.report.groups import grouped
from ser.report.mfcc_networks import content as mfcc_networks
from ser.report.multilabel import content as multilabel
from ser.report.runs import Expected, Finished, Options, UsedCorpus
from ser.report.segments import content as segments
from ser.runs.tracker import Tracker
from ser.study import override
from ser.trials.run import run

CLASSES = ("angry", "sad")
# What a run of each report has beside its axis.
PARAMS = {
    "mfcc_networks": {"block": "cnn1d", "role": "printed"},
    "multilabel": {"block": "cnn2d", "role": "printed"},
    "segments": {"block": "vggish", "block.units": "200", "front_end.segmentation": "nonoverlap", "role": "grid"},
}
TEXTS = {
    "mfcc_networks": "corpus,uid,label,predicted\na,0,angry,angry\na,1,sad,sad\n",
    "multilabel": "corpus,uid,label,p_angry,p_sad\na,0,angry,1,0\na,1,sad,0,1\n",
    "segments": "corpus,uid,segment,label,predicted,l_angry,l_sad\na,0,0,angry,angry,1,0\na,1,0,sad,sad,0,1\n",
}
REPORTS = {"mfcc_networks": mfcc_networks, "multilabel": multilabel, "segments": segments}
# One that the statement of a network has, one of a corpus alone, and what no study names.
AXES = ("training.learning_rate", "corpus.a.front_end.trim_s", "corpus.a.split.test")
OPTIONS = Options(replicates=0)


def finished(report, axis, value, seed=0):
    name = f"{value} {seed}"
    params = {"corpora": "a", "classes": ",".join(CLASSES), "seed": str(seed), axis: str(value), **PARAMS[report]}
    return Finished(name, f"run {name}", "A · network" + f" · seed {seed}" * bool(seed), params, {}, "", TEXTS[report])


def expected(report, seeds=(0,)):
    return Expected("mine", "Mine", report, CLASSES, (UsedCorpus("a", "A", True),), "", (), 0, seeds, False)


def results_in(content, key):
    """How many tested runs the rows of a table count."""
    rows = next(t for t in content.tables if t.key == key).rows
    first = rows[0].metric if key == "table3" else None
    return sum(row.n for row in rows if first in (None, row.metric))


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize(("report", "key"), [("mfcc_networks", "accuracy"), ("multilabel", "search"),
                                             ("segments", "table3")])  # fmt: skip
def test_papers_that_tell_settings_apart_show_every_result(report, key, axis, monkeypatch):
    monkeypatch.setattr(REPORTS[report], "_pictures", lambda *_: ())
    runs = [finished(report, axis, value, seed) for value in (1, 2, 3) for seed in (0, 1)]
    content = REPORTS[report].content(runs, expected(report, (0, 1)), OPTIONS)
    assert results_in(content, key) == 6
    assert not any(note.startswith("Left out") for note in content.notes)
    rows = [row for row in next(t for t in content.tables if t.key == key).rows if row.n]
    assert {row.n for row in rows} == {2}  # the seeds, and no value of the axis
    assert len({(row.metric, row.name) for row in rows}) == len(rows)


def test_seeds_that_move_with_the_trials_are_no_settings():
    """A trial's seed moves those of its split and augmentation; a seed that is an axis of its own is a setting."""
    moved = [finished("multilabel", "augmentation.noise.seed", 5 + seed, seed) for seed in (0, 1, 2)]
    moved = [Finished(r.trial_id, r.run_id, r.title, {**r.params, "corpus.a.split.seed": r.params["seed"]}, {}, "", "")
             for r in moved]  # fmt: skip
    assert [len(group.runs) for group in grouped(moved)] == [3]
    stated = [finished("multilabel", "augmentation.noise.seed", value) for value in (5, 6)]
    assert [group.title for group in grouped(stated)] == ["A · network (seed 5)", "A · network (seed 6)"]


@pytest.mark.parametrize("study", [interaffection, survey])
def test_papers_that_know_their_axes_say_which_they_do_not_know(study):
    more = override(study, "training.learning_rate", 1e-4)
    module = collect.report_of(more)
    assert collect.unknown_axes(module, more) == ()

    def points(corpora, train_only):
        rates = (1e-3, 1e-4)
        return [{**p, "training.learning_rate": r} for p in study.points(corpora, train_only) for r in rates]

    assert collect.unknown_axes(module, _with(more, points)) == ("training.learning_rate",)


def _with(study, points):
    return replace(study, points=points, expect=2 * study.expect)


def test_the_general_tables_have_every_fold_of_every_value(monkeypatch):
    """A survey with one more axis: its own tables cannot tell the values apart, those behind them can."""
    monkeypatch.setattr(general, "_pictures", lambda *_: ())
    runs = []
    for rate in ("0.1", "0.2"):
        for system in ("badshah", "wang"):
            for fold in (1, 2):
                params = {"corpora": "a", "classes": "angry,sad", "seed": "0", "training.learning_rate": rate}
                params |= {"role": "system", "role.system": system, "role.protocol": "sd"}
                params |= {"corpus.a.split": "stratified", "corpus.a.split.fold": str(fold)}
                name = f"{rate} {system} {fold}"
                text = TEXTS["mfcc_networks"].replace("a,0", f"a,0/{fold}").replace("a,1", f"a,1/{fold}")
                runs.append(Finished(name, f"run {name}", f"A · {system} · sd · fold {fold}", params, {}, "", text))
    content = general.content(runs, expected(""), OPTIONS)
    ids = [row.cells[-1].split(" run ") for row in next(t for t in content.tables if t.key == "runs").rows]
    assert sum(map(len, ids)) == len(runs)
    assert len(next(t for t in content.tables if t.key == "results_a").rows) == 4


def test_trials_of_one_title_are_shown_apart_and_said(job, study, trial_of, tmp_path, monkeypatch):
    """The points of a study were edited between two runs: one title, one variant, two trials."""
    monkeypatch.setattr(general, "_pictures", lambda *_: ())
    for trial in (trial_of("R"), trial_of("R", learning_rate=0.5)):
        run(job, trial)
    done = collect.report(Tracker(job.where, study.name), study, tmp_path / "report", OPTIONS)
    assert "where trials of one title differ, of the one begun first (R · lstm · μ · unified" in done.markdown
    lines = (tmp_path / "report" / "tables.csv").read_text().splitlines()
    shown = [
        line for line in lines if line.startswith("all_results_ravdess,") and ",UA,," not in line and ",UA," in line
    ]
    assert sorted(line.split(",")[2].rpartition(" · ")[2] for line in shown) == ["0.003", "0.003", "0.5"]  # and a twin
