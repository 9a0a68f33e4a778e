"""Speakers and seeds are drawn whole; replicates agree with a plain loop; intervals keep their level."""

from functools import partial

import numpy as np
import pytest
from scipy.stats import binom
from sklearn.metrics import balanced_accuracy_score

from ser.cli.arguments import parser
from ser.cli.main import FUNCTIONS
from ser.errors import BadInput
from ser.report import bootstrap
from ser.report.bootstrap import (
    Sample,
    accuracy_draws,
    clusters_of_tests,
    draws_of,
    mean_accuracies,
    measure_draws,
    words,
)
from ser.report.predictions import LabelPredictions
from ser.report.runs import RESAMPLED, Options
from ser.report.statistics import interval


def rng(seed=0):
    return np.random.default_rng(seed)


def predictions(truth, predicted, speakers=(), uids=None):
    names = tuple(uids or (f"u{i}" for i in range(len(truth))))
    return LabelPredictions("r", names, np.array(truth), np.array(predicted), 3, tuple(speakers))


def moving(speakers=12, seeds=3, settings=2, size=6):
    """Results of seeds that test other speakers each, and what made them."""
    made, random = [], rng(5)
    names = [f"s{i:02d}" for i in range(speakers)]
    for seed in range(seeds):
        tested = random.permutation(names)[: speakers // 2]
        uids = [f"{name}/{i}" for name in tested for i in range(size)]
        truth = np.array([int(i) % 3 for _ in tested for i in range(size)])
        for setting in range(settings):
            guess = np.where(random.random(len(truth)) < 0.5, truth, random.integers(3, size=len(truth)))
            made.append((setting, seed, predictions(truth, guess, [u.split("/")[0] for u in uids], uids)))
    return made


# --- agreement with a plain loop ---


def looped(results, speakers, seeds):
    """WA and UA of settings where these speakers and seeds are drawn, from the utterances themselves."""
    values = {}
    for setting, seed, test in results:
        rows = [i for name in speakers for i, own in enumerate(test.speakers) if own == name]
        if rows:
            truth, guess = test.truth[rows], test.predicted[rows]
            known = np.isin(guess, truth)  # scikit-learn warns of guesses outside the classes that are there
            guess = np.where(known, guess, -1)
            recall = [np.mean(guess[truth == label] == label) for label in np.unique(truth)]
            values.setdefault(setting, {})[seed] = np.mean(truth == guess), np.mean(recall)
    return [np.mean([by_seed[s] for s in seeds if s in by_seed], axis=0) for _, by_seed in sorted(values.items())]


def test_draws_are_those_of_a_loop_over_speakers_and_seeds():
    results = moving()
    tested = bootstrap.tested_of(results, "speaker")
    assert (tested.sample.utterances, tested.sample.seeds) == (len(tested.truth), 3)
    point, draws = accuracy_draws(tested, 40, rng(3))
    names = sorted({name for _, _, test in results for name in test.speakers})
    assert tested.sample.speakers == len(names)
    assert pytest.approx(np.array(looped(results, names, (0, 1, 2)))) == point.T
    random = rng(3)
    seeds = random.integers(3, size=(40, 2))  # of three seeds two are drawn
    speakers = random.integers(len(names), size=(40, len(names) - 1))
    for replicate in range(40):
        right = looped(results, [names[i] for i in speakers[replicate]], seeds[replicate])
        assert pytest.approx(np.array(right)) == draws[:, replicate].T


def test_draws_of_any_measure_are_those_of_accuracies():
    tests = [test for setting, _, test in moving() if setting == 0]
    clusters, sample = clusters_of_tests([t.uids for t in tests], [t.speakers for t in tests], "speaker")
    tested = bootstrap.tested_of([(0, seed, test) for seed, test in enumerate(tests)], "speaker")
    assert sample == tested.sample
    measures = [partial(accuracy, test) for test in tests]
    draws = measure_draws(measures, clusters, 1, 60, rng(3))
    assert draws[:, 0] == pytest.approx(accuracy_draws(tested, 60, rng(3))[1][0, :, 0])


def accuracy(test, weights):
    total = weights.sum(axis=1, keepdims=True)
    return np.where(total > 0, weights @ test.correct[:, None] / np.maximum(total, 1), np.nan)


def test_utterances_that_seeds_share_are_drawn_at_once_where_speakers_are_unknown():
    clusters, sample = clusters_of_tests([["x", "y"], ["y", "z"]], [[], []], "speaker")
    assert [numbers.tolist() for numbers in clusters] == [[0, 1], [1, 2]]
    assert sample == Sample(3, 0, False, 2)
    one = clusters_of_tests([["x", "y"]], [["a", "a"]], "speaker")[0]
    assert np.isnan(measure_draws([lambda w: w], one, 2, 5, rng())).all()
    by_utterance = clusters_of_tests([["x", "y"]], [["a", "a"]], "utterance")
    assert (by_utterance[0][0].tolist(), by_utterance[1]) == ([0, 1], Sample(2, 1, False))


def test_point_is_balanced_accuracy_over_the_classes_that_are_there():
    truth, guess = [0, 0, 1, 1, 1, 1], [0, 1, 1, 1, 0, 1]
    wa, ua = mean_accuracies([predictions(truth, guess)], 50)
    assert (wa.value, ua.value) == pytest.approx((4 / 6, balanced_accuracy_score(truth, guess)))


def test_utterances_of_unknown_speakers_are_drawn_one_by_one():
    tested = bootstrap.tested_of([(0, 0, predictions([0, 1, 1, 0], [0, 1, 0, 0]))], "speaker")
    assert len(set(tested.speakers)) == 4
    assert tested.sample == Sample(4, 0, False)


def test_utterances_are_drawn_where_that_is_asked_for_and_speakers_are_counted_still():
    tested = bootstrap.tested_of([(0, 0, predictions([0, 1, 1, 0], [0, 1, 0, 0], "aabb"))], "utterance")
    assert tested.sample == Sample(4, 2, False)
    with pytest.raises(BadInput, match="speaker, utterance"):
        bootstrap.tested_of([(0, 0, predictions([0], [0], "a"))], "speakers")


def test_an_utterance_of_an_unknown_speaker_makes_all_be_drawn_by_utterance():
    results = [
        (0, 0, predictions([0, 1], [0, 1], "ab", ["x", "y"])),
        (1, 0, predictions([0, 1], [0, 1], (), ["z", "y"])),
    ]
    assert bootstrap.tested_of(results, "speaker").sample == Sample(3, 0, False)


def test_a_speaker_that_one_result_tells_is_known_to_all():
    older, newer = predictions([0, 1], [0, 1]), predictions([0, 1], [1, 1], "ab")
    for order in ((older, newer), (newer, older)):
        tested = bootstrap.tested_of([(setting, 0, test) for setting, test in enumerate(order)], "speaker")
        assert tested.sample == Sample(2, 2, True)


def test_an_utterance_that_is_tested_twice_counts_twice():
    tested = bootstrap.tested_of([(0, 0, predictions([0, 0, 1], [0, 1, 1], "aab", ["x", "x", "y"]))], "speaker")
    assert accuracy_draws(tested, 0, rng())[0][:, 0] == pytest.approx([2 / 3, 0.75])


# --- repetition, memory ---


def test_draws_repeat_to_the_bit_and_do_not_depend_on_the_size_of_parts(monkeypatch):
    tested = bootstrap.tested_of(moving(), "speaker")
    whole = accuracy_draws(tested, 100, rng(1))
    again = accuracy_draws(tested, 100, rng(1))
    monkeypatch.setattr(bootstrap, "_CHUNK", 50)
    parts = accuracy_draws(tested, 100, rng(1))
    for one, two, three in zip(whole, again, parts, strict=True):
        assert one.tobytes() == two.tobytes() == three.tobytes()


def test_draws_have_the_variance_of_a_mean():
    """All n of n would give (n - 1) / n of it."""
    values = np.array([1.0, 3.0, 8.0])
    means = draws_of(3, 200_000, rng(4)) @ values / 2
    assert means.var() == pytest.approx(values.var(ddof=1) / 3, rel=0.01)


# --- undefined stays undefined ---


def test_one_speaker_has_values_and_no_intervals():
    wa, ua = mean_accuracies([predictions([0, 1, 1], [0, 1, 0], "aaa")], 100)
    assert (wa.value, ua.value) == pytest.approx((2 / 3, 0.75))
    assert np.isnan([wa.low, wa.high, ua.low, ua.high]).all()


def test_nothing_tested_and_a_setting_without_results_are_holes():
    assert all(np.isnan(cell.value) for cell in mean_accuracies([], 10))
    empty = bootstrap.tested_of([(0, 0, predictions([], []))], "speaker")
    point, draws = accuracy_draws(empty, 5, rng())
    assert np.isnan(point).all()
    assert np.isnan(draws).all()
    point, draws = accuracy_draws(bootstrap.tested_of([(1, 0, predictions([0, 1], [0, 1], "ab"))], "speaker"), 5, rng())
    assert np.isnan(point[:, 0]).all()
    assert np.isnan(draws[:, :, 0]).all()
    assert (point[:, 1] == 1).all()


def test_interval_leaves_out_undefined_replicates():
    cell = interval(0.5, np.array([0.4, np.nan, 0.5, 0.6]))
    assert (cell.low, cell.high) == pytest.approx((0.405, 0.595))
    assert np.isnan(interval(0.5, np.full(9, np.nan)).low)
    assert np.isnan(interval(0.5, np.arange(9.0), clusters=1).low)


# --- words ---


def test_the_command_line_offers_what_may_be_drawn():
    commands = next(action for action in parser(FUNCTIONS)._actions if action.choices)
    (option,) = [a for a in commands.choices["report"]._actions if "--resample" in a.option_strings]
    assert (tuple(option.choices), option.default) == (RESAMPLED, Options().resample)


def test_notes_say_what_was_drawn_and_where_it_is_little():
    samples = {"emodb": Sample(535, 10, True, 3), "tess": Sample(2800, 2, True), "own": Sample(9, 1, True)}
    text = words(Options(), samples)
    assert "emodb: 10 speakers, 535 utterances, 3 seeds; tess: 2 speakers, 2800 utterances" in text
    assert "With fewer than 5 an interval is Student's t over the replicates, wide, and means little: tess." in text
    assert "With a single one there is none: own." in text
    assert "Fewer than 5 seeds leave them too narrow" in text
    assert words(Options(replicates=0), samples) == words(Options(), {}) == ""
    older = words(Options(), {"emodb": Sample(535, 0, False)})
    assert "whose speakers the runs do not tell" in older
    assert "There is one seed" in older
    assert "as asked for" in words(Options(resample="utterance"), {"emodb": Sample(535, 10, False)})


# --- coverage ---

SIMULATIONS = 500
TRUE = 0.6


def coverage(speakers, by="speaker", seeds=1, of_seeds=0.0, drawn_seeds=True, tested_share=1.0):
    """In how many simulations the intervals of WA hold the accuracy over all speakers and seeds that there could be.

    Speakers differ by a standard deviation of 15 points, seeds by ``of_seeds``. Each seed tests ``tested_share`` of the
    speakers, others than the one before.
    """
    hits = 0
    for number in range(SIMULATIONS):
        random = rng([7, number])
        speaker, truth = np.repeat(np.arange(speakers), 30), np.tile(np.arange(30) % 3, speakers)
        chance = TRUE + random.normal(0, 0.15, speakers)[speaker, None] + random.normal(0, of_seeds, seeds)
        correct = random.random(chance.shape) < np.clip(chance, 0, 1)
        inside = [random.permutation(speakers)[: round(tested_share * speakers)] for _ in range(seeds)]
        tested = bootstrap.Tested(
            truth,
            correct,
            np.stack([np.isin(speaker, each) for each in inside], axis=1),
            speaker if by == "speaker" else np.arange(len(speaker)),
            np.zeros(seeds, int),
            np.arange(seeds) if drawn_seeds else np.zeros(seeds, int),
        )
        point, draws = accuracy_draws(tested, 400, random)
        cell = interval(point[0, 0], draws[0, :, 0], tested.sample.clusters)
        hits += cell.low <= TRUE <= cell.high
    return hits


def between(share):
    """Bounds that so many of the simulations keep but once in a thousand times."""
    return binom.interval(0.999, SIMULATIONS, share)


@pytest.mark.parametrize("speakers", [10, 30])
def test_intervals_by_speaker_hold_the_truth_in_19_of_20_cases_and_those_by_utterance_do_not(speakers):
    low, high = between(0.95)
    assert low <= coverage(speakers) <= high
    assert coverage(speakers, by="utterance") < between(0.9)[0]


def test_intervals_hold_the_truth_over_seeds_too_if_seeds_are_drawn():
    low, _ = between(0.95)
    assert coverage(20, seeds=5, of_seeds=0.08) >= low
    assert coverage(20, seeds=5, of_seeds=0.08, drawn_seeds=False) < between(0.9)[0]


def test_intervals_hold_the_truth_where_seeds_move_the_split():
    """They are rather too wide: what speakers and seeds have in common counts twice."""
    assert coverage(20, seeds=5, of_seeds=0.04, tested_share=0.5) >= between(0.95)[0]


@pytest.mark.parametrize("speakers", [2, 3])
def test_intervals_of_few_speakers_are_wide_and_hold_the_truth(speakers):
    """Percentiles could not: of two speakers there are two different replicates."""
    low, _ = between(0.95)
    assert coverage(speakers) >= low


@pytest.mark.parametrize("clusters", [0, 2, 10])
def test_replicates_that_do_not_vary_give_no_interval(clusters):
    """Two speakers with the same difference, or two results that are one training: no interval of no width."""
    cell = interval(0.143, np.full(1000, 0.143) + 1e-16, clusters)
    assert cell.value == 0.143
    assert np.isnan([cell.low, cell.high]).all()


def test_interval_of_two_speakers_is_students_t():
    """0.4 and 0.8: mean 0.6, standard error 0.2, t 12.706."""
    cell = interval(0.6, np.tile([0.4, 0.8], 500), clusters=2)
    assert cell.high - 0.6 == pytest.approx(12.706 * 0.2, rel=1e-3)
    assert 0.6 - cell.low == pytest.approx(12.706 * 0.2, rel=1e-3)
    within = interval(0.6, np.tile([0.4, 0.8], 500), 2, within=(0, 1))
    assert (within.low, within.high) == (0, 1)


def test_words_call_folds_that_test_the_same_utterances_trainings_and_no_seeds():
    samples = {"cafe": bootstrap.Sample(25, 6, True, 5)}
    text = bootstrap.words(Options(), samples, folds_repeat=True)
    assert "5 trainings" in text
    assert "eeds are drawn" not in text
    assert "5 seeds" in bootstrap.words(Options(), samples)
