"""F1, calibration, gaps by sex and by speaker of the best results, from saved predictions alone: known answers."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ser.metrics import accuracy, calibration
from ser.report import further, further_figures, further_tables
from ser.report.content import HOLE
from ser.report.further_scores import Best, scores_of
from ser.report.predictions import LabelPredictions
from ser.report.runs import Finished, Options

CLASSES = ("angry", "happy", "sad")


def made(speakers=8, each=30, gap=0.0, seed=0, probabilities=True, known=True):
    """Predictions of speakers by turns female and male; a female's are right more often by ``gap``."""
    rng = np.random.default_rng(seed)
    n = speakers * each
    who = np.repeat(np.arange(speakers), each)
    truth = rng.integers(3, size=n)
    right = rng.random(n) < 0.6 + np.where(who % 2 == 0, gap / 2, -gap / 2)
    guess = np.where(right, truth, (truth + rng.integers(1, 3, size=n)) % 3)
    chances = np.full((n, 3), 0.2, np.float32)
    chances[np.arange(n), guess] = 0.6
    names = tuple(f"made/{k:02d}" for k in who.tolist()) if known else ()
    sexes = tuple("FM"[k % 2] for k in who.tolist()) if known else ()
    blank = ("",) * n if known else ()
    uids = tuple(f"u{i:04d}" for i in range(n))
    return LabelPredictions(
        "run", uids, truth, guess, 3, names, sexes, blank, blank, chances if probabilities else None
    )


def best(*tests, how="test UA", title="a · b"):
    return Best("made", how, title, tests, CLASSES)


def test_values_are_means_over_seeds_of_the_metrics():
    tests = made(seed=1), made(seed=2)
    found = scores_of(best(*tests), Options(replicates=0))
    for name, metric in {"wa": accuracy.wa, "ua": accuracy.ua}.items():
        assert found.cells[name].value == pytest.approx(np.mean([metric(t.counts) for t in tests]))
    for name in ("macro", "weighted"):
        values = [f1_score(t.truth, t.predicted, average=name) for t in tests]
        assert found.cells[f"{name}_f1"].value == pytest.approx(np.mean(values))
    for name in ("ece", "nll", "brier"):
        values = [getattr(calibration, name)(t.truth, t.probabilities) for t in tests]
        assert found.cells[name].value == pytest.approx(np.mean(values))
    assert found.cells["confidence"].value == pytest.approx(0.6)
    assert found.cells["excess"].value == pytest.approx(0.6 - found.cells["wa"].value, abs=1e-6)
    shares = [[cell.value for cell in line] for line in found.shares]
    np.testing.assert_allclose(shares, np.mean([accuracy.row_shares(t.counts) for t in tests], axis=0))
    assert found.counts.sum() == 480
    assert np.isnan(found.cells["ua"].low)


def test_tests_of_seeds_on_other_utterances_count_each_for_itself():
    first, second = made(seed=1), made(seed=2)
    moved = replace(
        second,
        uids=tuple(uid.replace("u", "v") for uid in second.uids),
        speakers=tuple(name.replace("made/", "made/1") for name in second.speakers),
    )
    found = scores_of(best(first, moved), Options(replicates=50))
    assert found.cells["wa"].value == pytest.approx((first.correct.mean() + moved.correct.mean()) / 2)
    assert (found.sample.utterances, found.sample.speakers, found.sample.seeds) == (480, 16, 2)
    assert len(found.by_speaker) == 16


def test_by_sex_and_speaker_by_hand():
    test = made(speakers=4, each=10, seed=5)
    found = scores_of(best(test), Options(replicates=0))
    female = np.array([sex == "F" for sex in test.sexes])
    for sex, inside in {"F": female, "M": ~female}.items():
        counts = accuracy.confusion(test.truth[inside], test.predicted[inside], 3)
        assert found.cells[f"wa_{sex}"].value == pytest.approx(accuracy.wa(counts))
        assert found.cells[f"ua_{sex}"].value == pytest.approx(accuracy.ua(counts))
    gap = found.cells["ua_F"].value - found.cells["ua_M"].value
    assert found.cells["ua_gap"].value == pytest.approx(gap)
    assert (found.speakers_of, found.utterances_of) == ({"F": 2, "M": 2}, {"F": 20, "M": 20})
    for who in found.by_speaker:
        inside = np.array([name == who.speaker for name in test.speakers])
        counts = accuracy.confusion(test.truth[inside], test.predicted[inside], 3)
        assert (who.ua, who.wa, who.utterances) == (pytest.approx(accuracy.ua(counts)), accuracy.wa(counts), 10)
    assert [who.ua for who in found.by_speaker] == sorted(who.ua for who in found.by_speaker)


def test_intervals_of_two_speakers_end_where_numbers_end():
    """Student's t of two speakers is wider than accuracies can be."""
    test = made(speakers=2, each=30)
    easy = np.array([name == test.speakers[0] for name in test.speakers])
    test = replace(test, predicted=np.where(easy, test.truth, test.predicted))
    cells = scores_of(best(test), Options(replicates=100)).cells
    limits = dict.fromkeys(("wa", "ua", "macro_f1", "weighted_f1"), (0, 1))
    limits |= {"excess": (-1, 1), "nll": (0, np.inf), "brier": (0, 2)}
    for name, (low, high) in limits.items():
        assert low <= cells[name].low < cells[name].high <= high, name
    assert (cells["ua"].low, cells["ua"].high) == (0, 1)


def test_utterances_do_not_become_more_by_seeds():
    picture = further_figures.reliability_diagrams([best(made(seed=1), made(seed=2))])
    assert "n = 240 × 2 seeds" in picture.svg
    assert "mean of the seeds" in picture.caption
    assert "seeds" not in further_figures.reliability_diagrams([best(made())]).caption


def test_the_table_of_sexes_has_a_line_per_accuracy():
    found = scores_of(best(made(speakers=8, each=10)), Options(replicates=0))
    table = further_tables.by_sex([found])
    assert table.columns == ("Chosen by", "Metric", "Speakers", "Utterances", "Female", "Male", "Gap")
    assert [row.cells[1:4] for row in table.rows] == [(name, "4 F + 4 M", "40 + 40") for name in ("WA", "UA")]
    for metric, row in zip(("wa", "ua"), table.rows, strict=True):
        assert row.cells[4:] == tuple(found.cells[f"{metric}_{of}"] for of in ("F", "M", "gap"))


def test_the_interval_of_a_gap_finds_a_planted_one_and_none_where_there_is_none():
    options = Options(replicates=400)
    planted = scores_of(best(made(speakers=20, each=40, gap=0.3)), options).cells["ua_gap"]
    assert 0 < planted.low < 0.3 < planted.high
    none = scores_of(best(made(speakers=20, each=40)), options).cells["ua_gap"]
    assert none.low < 0 < none.high


def test_intervals_of_speakers_are_wider_than_those_of_utterances_where_speakers_differ():
    rng = np.random.default_rng(11)
    test = made(speakers=12, each=50)
    hard = rng.random(12)[np.repeat(np.arange(12), 50)]
    guess = np.where(rng.random(600) < hard, test.truth, (test.truth + 1) % 3)
    test = replace(test, predicted=guess)
    width = {}
    for resample in ("speaker", "utterance"):
        cells = scores_of(best(test), Options(replicates=400, resample=resample)).cells
        width[resample] = [cells[name].high - cells[name].low for name in ("wa", "macro_f1", "weighted_f1")]
    assert all(s > 2 * u for s, u in zip(width["speaker"], width["utterance"], strict=True))


def test_intervals_hold_the_value_and_follow_the_seed():
    found = [scores_of(best(made()), Options(replicates=200)).cells for _ in range(2)]
    assert {name: (c.low, c.high) for name, c in found[0].items()} == {n: (c.low, c.high) for n, c in found[1].items()}
    for name in ("wa", "ua", "macro_f1", "nll", "brier"):
        assert found[0][name].low < found[0][name].value < found[0][name].high


def test_with_two_speakers_of_a_sex_it_and_the_gap_have_no_interval():
    cells = scores_of(best(made(speakers=5)), Options(replicates=100)).cells
    assert not np.isnan(cells["ua_F"].low)
    assert np.isnan([cells["ua_M"].low, cells["ua_gap"].low]).all()
    assert not np.isnan(cells["ua_gap"].value)


def test_certain_and_wrong_has_an_infinite_loss_and_no_interval():
    test = made()
    chances = np.eye(3, dtype=np.float32)[test.predicted]
    nll = scores_of(best(replace(test, probabilities=chances)), Options(replicates=50)).cells["nll"]
    assert (nll.value, np.isnan(nll.low)) == (np.inf, True)


def rows_of(content, key):
    return next(table for table in content.tables if table.key == key).rows


def test_what_is_unknown_is_a_hole_and_the_notes_say_why():
    old = further.more_of([best(made(known=False, probabilities=False))], Options(replicates=20))
    (sexes, _), (speakers,) = rows_of(old, "by_sex"), rows_of(old, "by_speaker")
    assert sexes.cells[1:4] == ("WA", HOLE, HOLE)
    assert all(np.isnan(cell.value) for cell in sexes.cells[4:])
    assert (speakers.cells[1], *speakers.cells[4:]) == (HOLE, HOLE, HOLE)
    assert all(np.isnan(cell.value) for cell in rows_of(old, "calibration")[0].cells[3:])
    assert not np.isnan(rows_of(old, "more")[0].cells[-1].value)
    assert len(old.notes) == 2
    assert "made before predictions said who speaks" in old.notes[0]
    assert "decision values are no probabilities" in old.notes[1]
    assert old.pictures == ()


def test_sexes_that_a_corpus_does_not_tell_are_told():
    test = made()
    told = further.more_of([best(replace(test, sexes=("",) * len(test.uids)))], Options(replicates=0))
    assert told.notes == ("Holes by sex: made does not tell the sexes of its speakers.",)
    assert rows_of(told, "by_speaker")[0].cells[1] == "8"


def test_a_result_that_was_chosen_in_two_ways_is_one_line():
    test, other = made(seed=1), made(seed=2)
    results = [best(test), best(test, how="validation UA"), best(other, how="loss"), replace(best(test), corpus="b")]
    found = further.more_of(results, Options(replicates=0))
    lines = [(row.metric, row.name, row.cells[0]) for row in rows_of(found, "more")]
    assert lines == [("made", "a · b", "test UA, validation UA"), ("made", "a · b", "loss"), ("b", "a · b", "test UA")]
    assert [picture.name for picture in found.pictures] == ["reliability", "speakers"]
    shares = rows_of(found, "confusion_shares")
    assert len(shares) == 9
    assert sum(cell.value for cell in shares[0].cells[3:]) == pytest.approx(1)


def test_nothing_to_show_adds_nothing():
    nothing = further.more_of([], Options())
    assert (nothing.tables, nothing.pictures, nothing.notes) == ((), (), ())


def table_of(test, classes=CLASSES):
    lines = [f"corpus,uid,speaker,sex,session,sentence,label,predicted,{','.join(f'p_{c}' for c in classes)}"]
    for i, uid in enumerate(test.uids):
        who = f"{test.speakers[i]},{test.sexes[i]},,"
        lines.append(
            f"made,{uid},{who},{classes[test.truth[i]]},{classes[test.predicted[i]]},"
            + ",".join(map(str, test.probabilities[i].tolist()))
        )
    return "\n".join(lines) + "\n"


def test_results_are_read_again_by_seed_and_fold():
    test = made()
    whole = table_of(test).splitlines()
    half = len(test.uids) // 2
    texts = {"one": [whole[0], *whole[1 : half + 1]], "two": [whole[0], *whole[half + 1 :]], "all": whole}
    files = {name: "\n".join(lines) + "\n" for name, lines in texts.items()}
    options = Options(replicates=0, file=lambda run, path: files.get(run) if path == "predictions.csv" else None)
    found = further.read("made", "test UA", "a", [["one", "two"], ["all"]], CLASSES, options)
    first, second = found.tests
    assert first.uids == second.uids == test.uids
    np.testing.assert_array_equal(first.probabilities, test.probabilities)
    assert first.speakers == test.speakers
    assert further.read("made", "test UA", "a", [["one", "gone"]], CLASSES, options) is None
    assert further.read("other", "test UA", "a", [["one"]], CLASSES, options) is None
    assert further.read("made", "test UA", "a", [], CLASSES, options) is None


def test_runs_are_put_together_by_seed():
    runs = [Finished("", f"{seed}{fold}", "", {"seed": str(seed)}, {}, "", "") for fold in (1, 2) for seed in (0, 1)]
    assert further.by_seed(runs) == [["01", "02"], ["11", "12"]]


def test_intervals_hold_the_truth_as_often_as_they_say():
    """A fifth of the speakers' accuracy is their own: of 150 draws of speakers 95 % should hold the mean of all."""
    rng, held = np.random.default_rng(1), dict.fromkeys(("macro_f1", "nll", "excess"), 0)
    for draw in range(150):
        skill = np.repeat(rng.uniform(0.4, 0.8, 15), 20)
        truth = rng.integers(3, size=300)
        guess = np.where(rng.random(300) < skill, truth, (truth + rng.integers(1, 3, size=300)) % 3)
        chances = np.full((300, 3), 0.2, np.float32)
        chances[np.arange(300), guess] = 0.6
        names = tuple(f"made/{k:02d}" for k in np.repeat(np.arange(15), 20).tolist())
        test = LabelPredictions("", tuple(map(str, range(300))), truth, guess, 3, names, (), (), (), chances)
        cells = scores_of(best(test), Options(replicates=200), seed=draw).cells
        expected = {"macro_f1": 0.6, "nll": -(0.6 * np.log(0.6) + 0.4 * np.log(0.2)), "excess": 0.0}
        for name, value in expected.items():
            held[name] += cells[name].low <= value <= cells[name].high
    assert all(0.89 <= count / 150 <= 0.995 for count in held.values()), held
