"""Equivalence of two values of a setting: tests against scipy, statsmodels and sums by hand, pairs, and the table."""

from dataclasses import replace

import numpy as np
import pytest
from matplotlib.figure import Figure
from scipy import stats
from sklearn.metrics import accuracy_score, recall_score
from statsmodels.stats.weightstats import ttost_paired

from ser.errors import BadInput
from ser.planning.plan import resolve
from ser.report import bootstrap, collect, drawing, equivalence_section
from ser.report.content import Picture
from ser.report.equivalence import DIFFERENT, EQUIVALENT, UNDECIDED, Changes, Equivalence, changes, check, equivalence
from ser.report.equivalence_section import Pair
from ser.report.matched import Matching
from ser.report.predictions import LabelPredictions
from ser.report.runs import Expected, Finished, Options, UsedCorpus
from ser.runs.tracker import Tracker
from ser.study import override
from ser.trials import run as one
from ser.trials.job import job_of

CLASSES = ("happy", "sad")


def without_each(values):
    """What a mean over speakers [speakers, seeds] is without each of them: [speakers, 1, seeds]."""
    return np.stack([np.delete(values, i, axis=0).mean(axis=0) for i in range(len(values))])[:, None]


def of_speakers(values):
    """Changes of one case, the mean over speakers that count alike: [speakers, seeds]."""
    return Changes(values.mean(axis=0)[None], without_each(values), np.ones((len(values), 1), bool))


def test_of_one_seed_it_is_the_paired_t_test_over_speakers():
    rng = np.random.default_rng(1)
    first, second = rng.normal(0.7, 0.1, (2, 12))
    found = equivalence([of_speakers((second - first)[:, None])], 0.05)
    by_t = stats.ttest_rel(second, first)
    assert found.difference == pytest.approx(np.mean(second - first))
    for level in (0.9, 0.95):
        interval, reference = found.interval(level), by_t.confidence_interval(level)
        assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high))
    assert (found.seeds, found.verdict, np.isnan(found.p)) == (1, UNDECIDED, True)  # another training is not known
    found = replace(found, seeds=2)
    for margin in (0.01, 0.05, 0.2):
        p = ttost_paired(second, first, -margin, margin)[0]
        assert replace(found, margin=margin).p == pytest.approx(p)
        assert (replace(found, margin=margin).verdict == EQUIVALENT) is bool(p < 0.05)


def test_of_several_seeds_the_variance_is_that_of_two_ways_by_hand():
    rng = np.random.default_rng(2)
    for of_speaker, of_seed in ((0.1, 0.1), (0.0, 0.0), (0.3, 0.01)):
        x = rng.normal(0, of_speaker, (8, 1)) + rng.normal(0, of_seed, (1, 5)) + rng.normal(0, 0.05, (8, 5))
        rows, columns = x.mean(1).var(ddof=1) / 8, x.mean(0).var(ddof=1) / 5
        found = equivalence([of_speakers(x)], 0.02)
        assert found.error**2 == pytest.approx(max(rows + columns - residual(x), rows, columns))
        assert (found.freedom, found.difference) == (4, pytest.approx(x.mean()))


def test_corpora_have_their_speakers_for_themselves_and_seeds_in_common():
    rng = np.random.default_rng(3)
    x, y = rng.normal(size=(6, 4)), rng.normal(size=(9, 4))
    found = equivalence([of_speakers(x), of_speakers(y)], 0.02)
    by_speaker = (x.mean(1).var(ddof=1) / 6 + y.mean(1).var(ddof=1) / 9) / 4
    by_seed = ((x.mean(0) + y.mean(0)) / 2).var(ddof=1) / 4
    by_cell = (residual(x) + residual(y)) / 4
    assert found.error**2 == pytest.approx(max(by_speaker + by_seed - by_cell, by_speaker, by_seed))
    assert (found.difference, found.freedom) == (pytest.approx((x.mean() + y.mean()) / 2), 3)


def residual(x):
    """The mean square of the residuals of two-way analysis of variance, in the variance of the mean."""
    rest = x - x.mean(axis=0) - x.mean(axis=1, keepdims=True) + x.mean()
    return (rest**2).sum() / (x.shape[0] - 1) / (x.shape[1] - 1) / x.size


def test_a_seed_that_a_case_lacks_is_left_out_of_its_mean():
    x = np.random.default_rng(4).normal(size=(5, 3))
    complete = of_speakers(x)
    lacking = Changes(complete.whole.copy(), complete.without.copy(), complete.tested)
    lacking.whole[0, 2] = lacking.without[:, 0, 2] = np.nan
    joined = (np.concatenate([getattr(one, name) for one in (complete, lacking)], axis=place)
              for name, place in (("whole", 0), ("without", 1), ("tested", 1)))  # fmt: skip
    both = Changes(*joined)
    found = equivalence([both], 0.02)
    assert found.difference == pytest.approx((x.mean() + x[:, :2].mean()) / 2)
    assert found.freedom == 2


def test_a_single_speaker_tells_nothing_and_nothing_is_decided():
    found = equivalence([Changes(np.zeros((1, 3)), np.full((1, 1, 3), np.nan), np.ones((1, 1), bool))], 0.02)
    assert (found.verdict, np.isnan(found.p), np.isnan(found.interval(0.9).low)) == (UNDECIDED, True, True)
    alike = equivalence([of_speakers(np.zeros((6, 3)))], 0.02)  # no draw differs: how far others would is not known
    assert (alike.verdict, np.isnan(alike.least_margin)) == (UNDECIDED, True)


@pytest.mark.parametrize(
    ("difference", "error", "verdict"),
    [
        (0.001, 0.005, EQUIVALENT),
        (0.009, 0.001, EQUIVALENT),  # surely not 0, and surely less than the margin
        (0.001, 0.02, UNDECIDED),
        (0.03, 0.02, UNDECIDED),
        (-0.05, 0.005, DIFFERENT),
        (0.05, 0.005, DIFFERENT),
    ],
)
def test_a_verdict_goes_by_both_intervals(difference, error, verdict):
    found = Equivalence(difference, error, 9, 0.02)
    assert found.verdict == verdict
    inner = found.interval(0.9)
    assert found.least_margin == max(-inner.low, inner.high)
    assert (found.p < 0.05) is (verdict == EQUIVALENT)


def test_intervals_hold_and_a_difference_of_the_margin_seldom_passes():
    rng = np.random.default_rng(5)
    held, passed = [], []
    for _ in range(400):
        x = 0.02 + rng.normal(0, 0.01, (10, 1)) + rng.normal(0, 0.01, (1, 6)) + rng.normal(0, 0.05, (10, 6))
        found = equivalence([of_speakers(x)], 0.02)
        interval = found.interval(0.95)
        held.append(interval.low <= 0.02 <= interval.high)
        passed.append(found.verdict == EQUIVALENT)
    assert np.mean(held) > 0.93
    assert np.mean(passed) < 0.05


def test_speakers_whom_no_case_has_do_not_count():
    x = np.random.default_rng(7).normal(size=(5, 3))
    five = of_speakers(x)
    absent = np.repeat(five.whole[None], 4, axis=0)  # without them everything is as it is
    nine = Changes(five.whole, np.concatenate([five.without, absent]), np.arange(9)[:, None] < 5)
    assert equivalence([nine], 0.02) == equivalence([five], 0.02)


def predictions(predicted, truth, speakers):
    names = tuple(f"u{i:02}" for i in range(len(truth)))
    return LabelPredictions("r", names, np.array(truth), np.array(predicted), 3, speakers)


def test_changes_are_those_of_the_accuracies_with_each_speaker_left_out():
    rng = np.random.default_rng(6)
    truth = rng.integers(0, 3, 40)
    speakers = np.array([f"s{i % 5}" for i in range(40)])
    guesses = [np.where(rng.random(40) < 0.6, truth, rng.integers(0, 3, 40)) for _ in range(4)]
    results = [(i, i // 2, predictions(g, truth, tuple(speakers))) for i, g in enumerate(guesses)]
    counted = bootstrap.counted_of(bootstrap.tested_of(results, "speaker"))
    of_wa, of_ua = changes(counted, {(0, 0): (0, 1), (1, 1): (2, 3)})
    for found, score in ((of_wa, accuracy_score), (of_ua, lambda t, p: recall_score(t, p, average="macro"))):
        for case, (first, second) in ((0, guesses[:2]), (1, guesses[2:])):
            assert found.whole[case, case] == pytest.approx(score(truth, second) - score(truth, first))
            for number in range(5):
                left = speakers != f"s{number}"
                change = score(truth[left], second[left]) - score(truth[left], first[left])
                assert found.without[number, case, case] == pytest.approx(change)
        assert np.isnan(found.whole[0, 1])
    assert of_wa.tested.tolist() == [[True, True]] * 5


# --- pairs ---


def params(precision, **others):
    return {"block": "lstm", "training.precision": precision, "block.units": "4", "seed": "0", "role": "grid", **others}


def test_runs_are_matched_that_differ_in_the_setting_alone():
    matching = Matching[str]("training.precision", "float32")
    matching.add("reduced", params("bfloat16", role="system"), True)
    matching.add("exact", params("float32"), False)
    matching.add("again", params("float32"), False)
    matching.add("other seed", params("float32", seed="1"), False)
    matching.add("other units", params("float32", **{"block.units": "8"}), True)
    matching.add("tf32", params("tf32"), False)
    assert list(matching.pairs()) == [("exact", "reduced", "bfloat16"), ("exact", "tf32", "tf32")]
    assert matching.values == ("float32", "bfloat16", "tf32")
    assert matching.counts == (1, 2)


def test_what_is_no_part_of_the_report_is_not_matched_with_each_other():
    matching = Matching[str]("lstm.units", "4")  # of another block there is no such setting
    matching.add("a", params("float32"), False)
    matching.add("b", params("float32", **{"block.units": "8"}), False)
    matching.add("c", params("float32", block="tdnn"), True)
    assert list(matching.pairs()) == []
    assert (matching.values, matching.counts) == ((), (0, 0))


# --- the table ---

EXPECTED = Expected("s", "S", "", CLASSES, (UsedCorpus("a", "A", True),), "", (), 2, (0, 1), False)


def finished(precision, block, seed, fold, right):
    """Eight utterances of two speakers of a fold, of which the first ``right`` are right."""
    lines = ["corpus,uid,label,predicted,speaker,sex,session,sentence"]
    for i in range(8):
        label, other = CLASSES[i % 2], CLASSES[1 - i % 2]
        guess = label if i < right else other
        lines.append(f"a,{fold}_{i},{label},{guess},s{fold}{i // 4},F,,")
    title = f"A · {block} · fold {fold}" + (f" · seed {seed}" if seed else "")
    statement = {"classes": "happy,sad", "corpora": "a", "block": block, "seed": str(seed)}
    statement |= {"training.precision": precision, "corpus.a.split.fold": str(fold)}
    return Finished(title + precision, title + precision, title, statement, {}, "", "\n".join(lines) + "\n")


def pairs_of(right):
    """Pairs by (block, seed, fold) → right utterances of both."""
    return [
        Pair(finished("float32", *key, first), finished("bfloat16", *key, second), "bfloat16")
        for key, (first, second) in right.items()
    ]


RIGHT = {("lstm", 0, 1): (6, 8), ("lstm", 0, 2): (4, 4), ("lstm", 1, 1): (6, 6), ("tdnn", 0, 1): (8, 4)}


def test_the_table_has_a_line_for_each_network_and_one_for_all():
    section = equivalence_section.section_of(pairs_of(RIGHT), ("float32", "bfloat16"), (4, 5), EXPECTED, Options())
    (table,) = section.tables
    rows = {(row.metric, row.cells[0]): row for row in table.rows}
    assert list(rows) == [(metric, name) for metric in ("wa", "ua") for name in ("lstm", "tdnn", "all")]
    # lstm: seed 0 has 2 of 16 more right, seed 1, of one fold, none; tdnn: 4 of 8 fewer.
    lstm, tdnn = ((0.125 + 0) / 2, -0.5)
    for name, value, count in (("lstm", lstm, "3"), ("tdnn", tdnn, "1"), ("all", (lstm + tdnn) / 2, "4")):
        row = rows["wa", name]
        assert (row.name, row.cells[1], row.cells[2].value) == ("bfloat16 − float32", count, pytest.approx(value))
    assert {row.cells[-1] for row in table.rows} <= {EQUIVALENT, DIFFERENT, UNDECIDED}
    assert "± 2 points" in table.explanation
    assert section.notes == ("Equivalence of float32, bfloat16: 4 of 5 finished trials have a counterpart. "
                             "a: 4 speakers, 2 seeds.",)  # fmt: skip


def test_runs_that_predict_no_labels_have_no_table():
    pairs = [replace(p, first=replace(p.first, text="corpus,uid,true_arousal\na,x,1\n")) for p in pairs_of(RIGHT)]
    assert equivalence_section.section_of(pairs, ("float32", "bfloat16"), (4, 4), EXPECTED, Options()).tables == ()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (Options(margin=0.0), "--margin: 0; allowed: percent points above 0"),
        (Options(margin=float("nan")), "--margin: nan"),
        (Options(equivalence="training.precison"), "did you mean training.precision"),
    ],
)
def test_what_cannot_be_compared_is_refused(study, options, said):
    with pytest.raises(BadInput, match=said):
        check(study, options)


# --- from runs ---


def test_trials_in_two_precisions_are_compared_in_the_report(
    job, study, plan, manifests, features, trial_of, tmp_path, monkeypatch
):
    blank = drawing.begin(Figure, "blank", "")  # drawn once: drawing takes most of the time
    monkeypatch.setattr("ser.report.figures.picture", lambda recipe, name, caption: Picture(name, caption, blank))
    tracker = Tracker(job.where, job.study)
    for block in ("lstm", "tdnn"):
        one.run(job, trial_of("R", block))
    alone = collect.report(tracker, study, tmp_path / "report", Options(replicates=0))
    assert "precision: float32" in alone.markdown
    assert "Equivalence" not in alone.markdown
    reduced = resolve(override(study, "training.precision", "bfloat16"), {n: manifests[n] for n in plan.sources})
    other_job = job_of(reduced, job.where, tmp_path, str(features), "cpu", 1, "test", [])
    for trial in reduced.to_train[:3]:
        one.run(other_job, trial)
    done = collect.report(tracker, study, tmp_path / "report", Options(replicates=0))
    assert "precision: bfloat16" in done.markdown
    assert "## Equivalence: training.precision" in done.markdown
    (line,) = {line for line in done.markdown.splitlines() if "bfloat16 − float32" in line and line.startswith("| WA")}
    assert line.split("|")[3].strip() == "lstm"
    assert any("1 of 3 finished trials have a counterpart" in note for note in done.notes)
