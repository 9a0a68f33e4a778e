"""The general report: any axis, every result, means and shares of cases counted by hand."""

import csv
import io
from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure

from ser.errors import BadInput
from ser.planning.plan import resolve
from ser.report import collect, drawing, figures, write
from ser.report.content import Cell, Content, Picture, appended
from ser.report.general.axes import cases_of
from ser.report.general.content import content as general
from ser.report.groups import logged
from ser.report.results import results_of
from ser.report.runs import Expected, Finished, Options, UsedCorpus
from ser.report.settings import axes_of
from ser.runs.tracker import Tracker
from ser.study import grid
from ser.trials.job import job_of
from ser.trials.run import run

CLASSES = ("happy", "sad")
RATES = (0.1, 0.01)
# Right utterances of ten, of each class five, by learning rate and block.
RIGHT = {(0.1, "lstm"): 4, (0.1, "tdnn"): 6, (0.01, "lstm"): 8, (0.01, "tdnn"): 6}
NEVER = Options(replicates=0)


def expected(points, seeds=(0,), **changes):
    trials = tuple((f"trial {p} {s}", {**p, "seed": s}) for s in seeds for p in points)
    corpora = (UsedCorpus("a", "A", True),)
    given = Expected("mine", "My study", "", CLASSES, corpora, "", trials, len(trials), seeds, False)
    return replace(given, **changes)


def text_of(right, corpus="a", first=0):
    """Ten utterances of which so many are right, the happy and the sad ones in turn."""
    lines = ["corpus,uid,label,predicted"]
    for i in range(10):
        label, other = CLASSES[i % 2], CLASSES[1 - i % 2]
        lines.append(f"{corpus},{i + first},{label},{label if i < right else other}")
    return "\n".join(lines) + "\n"


def run_of(rate, block, right, seed=0, fold=0, **params):
    point = {"corpora": ("a",), "training.learning_rate": rate, "block": block}
    name = f"trial {point} {seed}" + (f" fold {fold}" if fold else "")
    statement = {"corpora": "a", "block": block, "training.learning_rate": str(rate), "seed": str(seed)}
    statement |= {"classes": "happy,sad", "role": "grid", **params}
    statement |= {"corpus.a.split": "folds", "corpus.a.split.fold": str(fold)} if fold else {}
    scores = {"wa/a": right / 10, "ua/a": right / 10, "objective/loss": 1 - right / 10}
    return Finished(name, f"run {name}", name, statement, scores, "", text_of(right, first=10 * fold))


POINTS = grid(**{"corpora": [("a",)], "training.learning_rate": RATES, "block": ["lstm", "tdnn"]})


def runs_of(right=RIGHT, seed=0):
    return [run_of(rate, block, count, seed) for (rate, block), count in right.items()]


def table(content, key):
    return next(t for t in content.tables if t.key == key)


def axis_rows(content):
    return {(row.metric, row.name): row for row in table(content, "axes").rows}


@pytest.fixture
def undrawn(monkeypatch):
    """Without figures, which take most of the time."""
    monkeypatch.setattr("ser.report.general.content._pictures", lambda *_: ())


def test_every_result_is_shown_with_its_values_the_best_first(undrawn):
    content = general(runs_of(), expected(POINTS), NEVER)
    every = table(content, "results_a")
    assert every.columns == ("learning_rate", "Block", "WA", "UA")
    shown = [(row.name, *row.cells[:2], row.cells[2].value, row.n, row.of) for row in every.rows]
    assert shown == [
        ("1", "0.01", "lstm", 0.8, 1, 1),
        ("2", "0.1", "tdnn", 0.6, 1, 1),
        ("3", "0.01", "tdnn", 0.6, 1, 1),
        ("4", "0.1", "lstm", 0.4, 1, 1),
    ]
    assert (content.done, content.expected, content.holes) == (4, 4, ())
    best = table(content, "best").rows[1]
    assert (best.metric, best.name, best.cells[:2], best.cells[4]) == ("UA", "a", ("0.01", "lstm"), "0")


def test_means_and_shares_of_cases_by_hand(undrawn):
    """Rates: 0.01 wins with lstm (8 > 4) and ties with tdnn (6 = 6). Blocks: tdnn wins with 0.1, lstm with 0.01."""
    rows = axis_rows(general(runs_of(), expected(POINTS), NEVER))
    found = {name: (row.cells[1].value, row.cells[3].value, row.n, row.of) for name, row in rows.items()}
    assert found == {
        ("learning_rate", "0.1"): (pytest.approx(0.5), 0.25, 2, 2),
        ("learning_rate", "0.01"): (pytest.approx(0.7), 0.75, 2, 2),
        ("Block", "lstm"): (pytest.approx(0.6), 0.5, 2, 2),
        ("Block", "tdnn"): (pytest.approx(0.6), 0.5, 2, 2),
    }
    first = axis_rows(general(runs_of(), expected(POINTS), replace(NEVER, ties="first")))
    assert first["learning_rate", "0.1"].cells[3].value == 0.5


def test_a_case_that_lacks_a_result_does_not_count_and_the_result_is_a_hole(undrawn):
    content = general(runs_of()[:3], expected(POINTS), NEVER)
    rows = axis_rows(content)
    assert [rows["learning_rate", str(rate)].cells[3].value for rate in RATES] == [0, 1]
    assert (rows["learning_rate", "0.1"].cells[1].value, rows["learning_rate", "0.1"].n) == (pytest.approx(0.4), 1)
    assert (rows["Block", "lstm"].n, rows["Block", "lstm"].of) == (1, 2)
    hole = table(content, "results_a").rows[-1]
    assert (hole.cells[:2], hole.n) == (("0.01", "tdnn"), 0)
    assert np.isnan(hole.cells[2].value)
    assert len(content.holes) == 1


def test_settings_that_share_their_trainings_are_compared_once(undrawn):
    """With the rate 0.1 tdnn is the training of lstm: no case of the block, and 0.1 − 0.01 counts for each block."""
    runs = runs_of()
    twin = replace(runs[1], same_as=runs[0].trial_id, text=runs[0].text, scores=runs[0].scores)
    results = results_of([runs[0], twin, *runs[2:]], expected(POINTS), NEVER)
    by_rate, by_block = (cases_of(results, axis)[1] for axis in (0, 1))
    assert [len(case) for case in by_block] == [2]
    assert len(by_rate) == 2
    shared = [replace(run, same_as=runs[2 * (i // 2)].trial_id) if i % 2 else run for i, run in enumerate(runs)]
    results = results_of(shared, expected(POINTS), NEVER)
    assert [len(cases_of(results, axis)[1]) for axis in (0, 1)] == [1, 0]
    assert {row.metric for row in table(general(shared, expected(POINTS), NEVER), "axes").rows} == {"learning_rate"}


def test_a_value_that_a_case_cannot_have_is_no_hole(undrawn):
    pruned = [p for p in POINTS if (p["training.learning_rate"], p["block"]) != (0.01, "tdnn")]
    rows = axis_rows(general(runs_of()[:3], expected(pruned), NEVER))
    assert (rows["Block", "tdnn"].cells[3].value, rows["Block", "tdnn"].n, rows["Block", "tdnn"].of) == (1, 1, 1)
    assert (rows["learning_rate", "0.01"].cells[3].value, rows["learning_rate", "0.01"].of) == (1, 1)


def test_seeds_are_a_mean_with_its_deviation(undrawn):
    runs = [*runs_of(), *runs_of({key: right + 1 for key, right in RIGHT.items()}, seed=1)]
    every = table(general(runs, expected(POINTS, seeds=(0, 1)), Options(replicates=50)), "results_a")
    assert every.columns[-3:] == ("± WA", "± UA", "Best set")
    first = every.rows[0]
    assert (first.cells[2].value, first.n, first.of) == (pytest.approx(0.85), 2, 2)
    assert first.cells[4].value == pytest.approx(0.1 / np.sqrt(2))
    assert first.cells[2].low < 0.85 < first.cells[2].high


def test_folds_are_one_test_side_and_must_all_be_there(undrawn):
    points = grid(**{"corpora": [("a",)], "training.learning_rate": RATES, "block": ["lstm"], "fold": [1, 2]})
    runs = [run_of(0.1, "lstm", 4, fold=1), run_of(0.1, "lstm", 8, fold=2), run_of(0.01, "lstm", 9, fold=1)]
    every = table(general(runs, expected(points), NEVER), "results_a")
    assert [row.cells[0] for row in every.rows] == ["0.1", "0.01"]
    assert every.rows[0].cells[1].value == pytest.approx(0.6)  # 12 of 20
    assert np.isnan(every.rows[1].cells[1].value)


def test_settings_that_no_axis_names_keep_results_apart(undrawn):
    """Two runs that differ in a setting beyond the axes are two results, not a result and its repeat."""
    more = replace(run_of(0.1, "lstm", 7, **{"training.dropout": "0.5"}), run_id="other", title="other")
    first = replace(runs_of()[0], params=runs_of()[0].params | {"training.dropout": "0.0"})
    content = general([first, *runs_of()[1:], more], expected(POINTS), NEVER)
    every = table(content, "results_a")
    assert every.columns[:3] == ("learning_rate", "Block", "dropout")
    assert len(every.rows) == 5


def test_values_of_a_block_or_a_corpus_are_found_in_what_was_logged():
    run = run_of(0.1, "lstm", 5, **{"block.units": "8", "corpus.a.split.test": "0.2", "augmentation.noise.snr": "5"})
    paths = ("lstm.units", "a.test", "noise.snr", "tdnn.units", "training.learning_rate")
    assert [logged(run, path) for path in paths] == ["8", "0.2", "5", None, "0.1"]


def test_a_seed_that_is_an_axis_is_shown_as_stated(undrawn):
    """The study varies the seed of its noise; the trial's own seed is added to it, and is no other setting."""
    points = [{"corpora": ("a",), "block": "lstm", "noise.seed": value} for value in (0, 5)]
    runs = [
        replace(run_of(0.1, "lstm", 4 + value, seed, **{"augmentation.noise.seed": str(value + seed)}), title=name,
                run_id=name)
        for value in (0, 5) for seed in (0, 1) for name in (f"{value} {seed}",)
    ]  # fmt: skip
    moved = expected(points, seeds=(0, 1), seed_moves=("weights", "split", "augmentation"))
    rows = table(general(runs, moved, NEVER), "results_a").rows
    assert [(row.cells[0], row.cells[1].value, row.n) for row in rows] == [("5", 0.9, 2), ("0", 0.4, 2)]


def test_systems_that_no_point_names_are_results_of_their_own(undrawn):
    runs = [replace(run_of(0.1, "lstm", 4 + i), run_id=name, title=name) for i, name in enumerate(("svm", "knn"))]
    runs = [replace(run, params=run.params | {"role": "system", "role.system": run.title}) for run in runs]
    every = table(general(runs, expected([]), NEVER), "results_a")
    assert every.columns[0] == "System"
    assert [row.cells[0] for row in every.rows] == ["knn", "svm"]


def test_runs_that_no_result_counts_are_said(undrawn):
    points = grid(**{"corpora": [("a",)], "training.learning_rate": RATES, "block": ["lstm"], "fold": [1, 2]})
    runs = [run_of(0.1, "lstm", 4, fold=1), run_of(0.1, "lstm", 8, fold=2), run_of(0.01, "lstm", 9, fold=1)]
    notes = general(runs, expected(points), NEVER).notes
    assert f"Left out: runs that lack folds which others have: {runs[2].title}." in notes


def test_seeds_that_move_the_split_are_all_counted(undrawn):
    """Seed 1 is tested on other utterances than seed 0: the value is the mean of both, and the note says so."""
    moved = replace(run_of(0.1, "lstm", 8, seed=1), text=text_of(8, first=100))
    content = general([*runs_of(), moved], expected(POINTS, seeds=(0, 1)), Options(replicates=20))
    row = next(row for row in table(content, "results_a").rows if row.cells[:2] == ("0.1", "lstm"))
    assert (row.cells[2].value, row.n) == (pytest.approx(0.6), 2)
    assert "Not all results are of the same test utterances on a." in content.notes


# --- chosen by validation ---


def validated(runs, accuracies):
    """Runs with an accuracy in validation each."""
    return [
        replace(run, scores=run.scores | {"objective/ua/a": value, "objective/wa/a": value})
        for run, value in zip(runs, accuracies, strict=True)
    ]


def test_the_best_is_chosen_by_validation_and_compared_with_the_best_of_the_test(undrawn):
    """Validation prefers 0.1 tdnn (0.6 in the test) to 0.01 lstm (0.8), which the test prefers."""
    content = general(validated(runs_of(), (0.3, 0.9, 0.7, 0.5)), expected(POINTS), Options(replicates=50))
    row = table(content, "chosen").rows[1]
    assert (row.metric, row.name, row.cells[:2], row.n, row.of) == ("UA", "a", ("0.1", "tdnn"), 4, 4)
    validation, test, best, optimism = row.cells[2:]
    assert (validation.value, test.value, best.value) == (0.9, pytest.approx(0.6), pytest.approx(0.8))
    assert optimism.value == pytest.approx(0.2)
    assert optimism.low <= 0.2 <= optimism.high
    every = table(content, "results_a")
    assert every.columns[-2:] == ("Validation", "Best set")
    assert [row.cells[-2].value for row in every.rows] == [0.7, 0.9, 0.5, 0.3]


def test_in_every_fold_the_setting_of_its_own_validation_is_tested(undrawn):
    """Fold 1 chooses the rate 0.1 (4 of 10 right), fold 2 the rate 0.01 (9 of 10): 13 of 20, as neither rate alone."""
    points = grid(**{"corpora": [("a",)], "training.learning_rate": RATES, "block": ["lstm"], "fold": [1, 2]})
    right = [(0.1, 4, 1), (0.1, 8, 2), (0.01, 2, 1), (0.01, 9, 2)]
    runs = validated([run_of(rate, "lstm", n, fold=fold) for rate, n, fold in right], (0.9, 0.1, 0.5, 0.5))
    row = table(general(runs, expected(points), NEVER), "chosen").rows[0]
    assert row.cells[:2] == ("0.1", "1 of 2")
    assert row.cells[2].value == pytest.approx((0.9 + 0.5) / 2)
    assert row.cells[3].value == pytest.approx(13 / 20)
    assert row.cells[4].value == pytest.approx(np.std([0.4, 0.9], ddof=1))


def test_validation_of_older_runs_is_read_from_their_curves(undrawn):
    """Kept was the second of three epochs, so the last value, which scores have, is another."""
    runs = [replace(run, scores=run.scores | {"val/ua/a": 0.0, "best_epoch": 2.0, "epochs": 3.0}) for run in runs_of()]
    curves = {run.run_id: [0.0, value, 0.0] for run, value in zip(runs, (0.3, 0.9, 0.7, 0.5), strict=True)}
    options = Options(replicates=0, curve=lambda run_id, name: curves[run_id] if name == "val/ua/a" else [])
    (row,) = table(general(runs, expected(POINTS), options), "chosen").rows
    assert (row.metric, row.cells[1:3]) == ("UA", ("tdnn", Cell(0.9)))


def test_without_validation_nothing_is_chosen_by_it(undrawn):
    """Fitted models learn from that subset."""
    assert "chosen" not in {t.key for t in general(runs_of(), expected(POINTS), NEVER).tables}


# --- comparisons ---


def spoken(run, right, speakers=8):
    """The run with ten utterances of each of several speakers, of whom each has so many right: ``right`` of speaker."""
    lines = ["corpus,uid,label,predicted,speaker,sex,session,sentence"]
    for who in range(speakers):
        for i in range(10):
            label, other = CLASSES[i % 2], CLASSES[1 - i % 2]
            lines.append(f"a,{who}/{i},{label},{label if i < right(who) else other},{who},F,,")
    return replace(run, text="\n".join(lines) + "\n")


def planted(difference):
    """Four settings over eight speakers; tdnn has ``difference`` more of each speaker's ten right than lstm."""
    rng = np.random.default_rng(7)
    noise = rng.integers(-1, 2, size=(4, 8))
    return [
        spoken(run, lambda who, i=i, run=run: 5 + noise[i, who] + difference * (run.params["block"] == "tdnn"))
        for i, run in enumerate(runs_of())
    ]


def test_an_effect_is_paired_and_tested(undrawn):
    content = general(planted(3), expected(POINTS), Options(replicates=400))
    block = next(row for row in table(content, "effects").rows if row.metric == "Block")
    difference, better, over_speakers, over_cases = block.cells
    assert (block.name, better, block.n) == ("tdnn − lstm", "2 of 2", 2)
    assert difference.low > 0.15
    assert (over_speakers, over_cases) == ("< 0.001", "0.500")  # two cases cannot be significant
    assert [row.cells[-1] for row in table(content, "results_a").rows].count("•") == 2  # both rates of tdnn
    axis = axis_rows(content)["Block", "tdnn"]
    assert (axis.cells[3].value, axis.cells[5].value) == (1, pytest.approx(0.5, abs=0.1))
    assert axis.cells[5].low < axis.cells[5].high


def test_without_an_effect_nothing_is_told_apart(undrawn):
    content = general(planted(0), expected(POINTS), Options(replicates=400))
    block = next(row for row in table(content, "effects").rows if row.metric == "Block")
    assert block.cells[0].low < 0 < block.cells[0].high
    assert float(block.cells[2]) > 0.05
    assert [row.cells[-1] for row in table(content, "results_a").rows] == ["•"] * 4


def test_intervals_are_of_speakers_and_say_so(undrawn):
    """Half of the speakers are always right: between speakers there is far more than between utterances."""
    runs = [spoken(run, lambda who: 10 * (who % 2)) for run in runs_of()]
    by_speaker = general(runs, expected(POINTS), Options(replicates=300))
    by_utterance = general(runs, expected(POINTS), Options(replicates=300, resample="utterance"))
    wide, narrow = (table(content, "best").rows[0].cells[2] for content in (by_speaker, by_utterance))
    assert wide.value == narrow.value == 0.5
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)
    assert table(by_speaker, "best").rows[0].cells[-1] == "80 utterances, 8 speakers"
    assert any("a: 8 speakers, 80 utterances" in note for note in by_speaker.notes)


def test_axes_of_three_values_are_ranked(undrawn):
    points = grid(**{"corpora": [("a",)], "training.learning_rate": RATES, "block": ["lstm", "tdnn", "cnn"]})
    more = {(0.1, "cnn"): 9, (0.01, "cnn"): 9}
    ranks = table(general(runs_of({**RIGHT, **more}), expected(points), NEVER), "ranks").rows
    assert [(row.name, row.cells[0].value) for row in ranks] == [("cnn", 1), ("lstm", 2.5), ("tdnn", 2.5)]


# --- searches ---


def test_folds_of_a_search_are_not_asked_of_what_is_tested(undrawn):
    """Candidates are validated in folds; the best is trained again, and tested without one."""
    role = {"role": "candidate", "role.varied": "training.learning_rate"}
    tried = [
        replace(run, text="", params=run.params | role, scores={"objective/wa": 0.3, "objective/loss": 0.7})
        for run in (run_of(0.2, "lstm", 0, fold=fold) for fold in (1, 2))
    ]
    again = run_of(0.2, "lstm", 7, role="refit")
    content = general([*tried, again], expected([], count=3), NEVER)
    assert [row.cells[-1].value for row in table(content, "results_a").rows] == [0.7]
    assert [row.n for row in table(content, "validation").rows] == [2]


def test_trials_of_a_search_are_compared_by_validation(undrawn):
    untested = [
        replace(run_of(rate, "lstm", 0), text="", scores={"objective/wa": rate, "objective/loss": 1.0 - rate})
        for rate in (0.2, 0.3)
    ]
    role = {"role": "candidate", "role.varied": "training.learning_rate"}
    untested = [replace(run, params=run.params | role) for run in untested]
    content = general(untested, expected([], count=2), NEVER)
    rows = table(content, "validation").rows
    assert [row.cells[:2] for row in rows] == [("0.3", "30.0 %"), ("0.2", "20.0 %")]
    assert rows[0].cells[2].value == pytest.approx(0.7)


def test_metrics_of_several_labels_are_as_logged(undrawn):
    runs = [
        replace(run, text="corpus,uid,label,p_happy,p_sad\n", scores={"balanced/a": right / 10, "macro_f1/a": 0.5})
        for run, right in zip(runs_of(), RIGHT.values(), strict=True)
    ]
    every = table(general(runs, expected(POINTS), NEVER), "results_a")
    assert every.columns[2:] == ("macro F1", "balanced")
    assert [row.cells[3].value for row in every.rows] == [0.8, 0.6, 0.6, 0.4]


def test_resamples_are_paired_and_the_same_every_time(undrawn):
    results = results_of(runs_of(), expected(POINTS), Options(replicates=30))
    draws = {values: result.draws["ua"] for (_, values), result in results.cells.items()}
    np.testing.assert_array_equal(draws["0.1", "tdnn"], draws["0.01", "tdnn"])  # the same six are right
    again = results_of(runs_of(), expected(POINTS), Options(replicates=30))
    np.testing.assert_array_equal(again.cells["a", ("0.1", "tdnn")].draws["ua"], draws["0.1", "tdnn"])


def test_axes_are_those_that_vary():
    axes = axes_of(runs_of(), expected(POINTS))
    assert (axes.paths, axes.stated) == (("training.learning_rate", "block"), True)
    values, cases = cases_of(results_of(runs_of(), expected(POINTS), NEVER), 0)
    assert (values, len(cases)) == (["0.1", "0.01"], 2)


def test_one_result_has_no_axes_and_is_shown(undrawn):
    content = general(runs_of()[:1], expected(POINTS[:1]), NEVER)
    assert "axes" not in {t.key for t in content.tables}
    assert len(table(content, "results_a").rows) == 1


def test_without_runs_everything_is_a_hole(undrawn):
    content = general([], expected(POINTS), NEVER)
    assert (content.done, content.expected, len(content.holes)) == (0, 4, 4)
    assert len(table(content, "results_a").rows) == 4


def test_an_unknown_rule_of_ties_is_refused(undrawn):
    with pytest.raises(BadInput, match="coin"):
        general(runs_of(), expected(POINTS), replace(NEVER, ties="coin"))


def test_everything_is_written(tmp_path, accessible):
    options = Options(replicates=20, curve=lambda run, metric: [1.0, 0.5])
    done = write.write(general(runs_of(), expected(POINTS), options), tmp_path)
    names = {path.name for path in done.files}
    assert {"axis_1.png", "axis_2.png", "curves.png", "confusion_1_a.png", "report.html"} <= names
    lines = list(csv.DictReader(io.StringIO((tmp_path / "tables.csv").read_text())))
    assert len([line for line in lines if line["table"] == "results_a" and line["column"] == "UA"]) == 4
    assert "No paper's numbers stand beside" in done.markdown
    accessible(tmp_path / "report.html")


def test_general_tables_follow_a_papers_own():
    own = Content.of(expected(POINTS), ["x"], tables=[], notes=["mine"])
    tables = general(runs_of(), expected(POINTS), NEVER).tables
    rest = Content.of(expected(POINTS), ["x", "y"], tables=tables, notes=["mine"])
    both = appended(own, rest, "of the first value")
    assert both.tables[0].title == "Results over other settings: The best result on every corpus"
    assert both.notes == ("of the first value", "mine")
    assert both.done == 2


# --- from tracked runs ---


def test_an_axis_that_a_papers_report_does_not_know_is_shown(job, study, manifests, features, tmp_path, monkeypatch):
    """A learning rate as an axis: the paper's tables are of its first value, the general ones show both."""

    def points(corpora, train_only):
        rates = [0.003, 0.001]
        return [{**p, "training.learning_rate": r} for p in study.points(corpora, train_only) for r in rates]

    both = replace(study, points=points, expect=2 * study.expect)
    plan = resolve(both, {name: manifests[name] for name in ("tess", "ravdess")})
    assert len(plan.trials) == 48
    two = [t for t in plan.to_train if (t.combination, t.block.name, t.pooling) == ("T+R", "lstm", "mean")]
    where = job_of(plan, job.where, tmp_path, str(features), "cpu", 1, "test", [])
    for trial in (t for t in two if t.task == "multi"):
        run(where, trial)
    blank = drawing.begin(Figure, "blank", "")  # drawn once: drawing takes most of the time
    monkeypatch.setattr("ser.report.figures.picture", lambda recipe, name, caption: Picture(name, caption, blank))
    done = collect.report(Tracker(job.where, both.name), both, tmp_path / "report", Options(replicates=5))
    assert (done.done, done.expected) == (2, 48)
    assert "Results over other settings: Every result on ravdess" in done.markdown
    assert "own report are of training.learning_rate = 0.003" in done.markdown
    lines = list(csv.DictReader(io.StringIO((tmp_path / "report" / "tables.csv").read_text())))
    shown = [
        row["row"] for row in lines if row["table"] == "all_results_ravdess" and row["column"] == "UA" and row["value"]
    ]
    assert sorted(row.split(" · ")[-1] for row in shown) == ["0.001", "0.003"]
    own = [row for row in lines if row["table"] == "results" and row["column"] == "UA" and row["value"]]
    assert len(own) == 1


def test_a_study_that_names_no_report_has_the_general_one(job, study, trial_of, tmp_path):
    run(job, trial_of("R"))
    plain = replace(study, report="")
    done = collect.report(Tracker(job.where, study.name), plain, tmp_path / "report", Options(replicates=2))
    assert "What each setting does" in done.markdown
    assert done.expected == 24


def test_curves_are_of_what_the_caption_names():
    """A curve for one corpus of two: legend and caption tell of that one alone."""
    curves = {"a: one": [1.0, 0.5], "b: two": []}
    drawn = figures.learning_curves(curves, {"a: one": "a", "b: two": "b"}, {"a": "on a", "b": "on b"}, "loss", "Of a.")
    assert "on a" in drawn.svg
    assert "on b" not in drawn.svg
    assert drawn.caption == "Of a."


def test_the_best_results_have_f1_from_their_saved_predictions(undrawn):
    runs = runs_of()
    texts = {run.run_id: run.text for run in runs}
    options = replace(NEVER, file=lambda run_id, path: texts[run_id] if path == "predictions.csv" else None)
    (row,) = table(general(runs, expected(POINTS), options), "more").rows
    assert (row.metric, row.cells[0]) == ("a", "test UA")
    # Of the happy ones 4 of 5 are right, and so are 4 of 5 sad ones.
    assert [cell.value for cell in row.cells[3:]] == pytest.approx([0.8] * 4)
    assert [t.key for t in general(runs, expected(POINTS), NEVER).tables if t.key == "more"] == []


def test_corpora_left_out_in_turn_are_results_of_their_own_and_nothing_else_is_expected():
    """Of a combination each trial tests the one that it leaves out: no hole of the others, no repeat of another."""
    corpora = tuple(UsedCorpus(name, name.upper(), True) for name in "abc")
    points = [
        {"corpora": names, "block": "lstm", "unseen": left_out}
        for names in (("a", "b"), ("a", "b", "c"))
        for left_out in names
    ]
    runs = []
    for right, point in enumerate(points, 4):
        names, left_out = point["corpora"], point["unseen"]
        rules = {f"corpus.{name}.split": "unseen" if name == left_out else "speakers" for name in names}
        statement = {"corpora": ",".join(names), "block": "lstm", "seed": "0", "classes": "happy,sad", "role": "grid"}
        statement |= {"role.unseen": left_out, **rules}
        scores = {f"wa/{left_out}": right / 10, "objective/loss": 0.5}
        title = f"trial {point} 0"
        runs.append(Finished(title, f"run {title}", title, statement, scores, "", text_of(right, left_out)))
    found = results_of(runs, expected(points, corpora=corpora), NEVER)
    assert found.axes.stated
    assert set(found.axes.paths) == {"corpora", "unseen"}
    cells = {(corpus, values): cell and cell.runs[0].title for (corpus, values), cell in found.cells.items()}
    assert cells == {(p["unseen"], found.axes.planned(p)): f"trial {p} 0" for p in points}
    assert found.left_out == ()
