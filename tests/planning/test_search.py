"""Searches without training: what is asked, in which order, and that known losses alone decide what comes next."""

from collections import Counter
from dataclasses import replace
from math import inf, nan

import numpy as np
import optuna
import pytest
from tiny_search import RANDOM, first, study, with_space

from ser import registry
from ser.errors import BadInput
from ser.planning.search import draw
from ser.study import part, settings_of

OPTUNA = part("optuna", candidates=6, at_once=3, seed=0, by="loss")
PBT = part("pbt", members=4, generations=3, quantile=0.25, seed=0, by="loss")
RATES = (
    ("training.learning_rate", part("log_uniform", low=1e-4, high=1e-2)),
    ("rnn.units", part("whole", low=2, high=9)),
)


def candidates(trials, kind="candidate"):
    return [t for t in trials if t.role.name == kind]


def ids(trials):
    return [t.id for t in trials]


def all_at(trials, loss=1.0, **other):
    """The same loss for every trial, but for candidates named by ``other``: ``_2=0.5``."""
    given = {int(k[1:]): v for k, v in other.items()}
    return {t.id: given.get(t.role.values().get("number"), loss) for t in candidates(trials)}


# draws


def test_draws_stay_within_their_bounds_and_reach_them():
    rng = np.random.default_rng(0)
    whole = [draw(part("whole", low=2, high=4), rng) for _ in range(300)]
    assert Counter(whole).keys() == {2, 3, 4}
    assert {type(n) for n in whole} == {int}
    chosen = [draw(part("choice", values=((1, 2), "x", 0.5)), rng) for _ in range(100)]
    assert set(chosen) == {(1, 2), "x", 0.5}
    even = [draw(part("uniform", low=2.0, high=6.0), rng) for _ in range(2000)]
    assert 2 <= min(even) < 2.1 < 5.9 < max(even) < 6
    assert np.mean(even) == pytest.approx(4, abs=0.1)


def test_a_log_uniform_draw_spends_as_much_on_each_decade():
    drawn = [draw(part("log_uniform", low=1e-5, high=1e-2), np.random.default_rng(n)) for n in range(3000)]
    assert 1e-5 <= min(drawn) < max(drawn) <= 1e-2
    share = np.histogram(np.log10(drawn), bins=[-5, -4, -3, -2])[0] / 3000
    np.testing.assert_allclose(share, 1 / 3, atol=0.05)


@pytest.mark.parametrize("search", [RANDOM, OPTUNA])
def test_an_unknown_kind_of_axis_is_refused(search):
    with pytest.raises(BadInput, match=r"'normal'.*uniform, choice, log_uniform, whole"):
        with_space(study(search=search), (("training.learning_rate", part("normal", mean=0.1)),))


def test_an_unknown_search_is_refused():
    with pytest.raises(BadInput, match=r"'hyperband'.*grid, optuna, pbt, random"):
        first(study(search=part("hyperband")))


# grid and random


def test_a_grid_is_its_points():
    assert [t.role.name for t in first(study("cnn1d", "rnn", search=part("grid")))] == ["printed", "printed"]


def test_random_search_tries_so_many_candidates_of_each_block_in_every_fold():
    trials = first(study("cnn1d", "rnn"))
    assert [t.role.name for t in trials] == ["printed"] * 2 + ["candidate"] * 16
    asked = [(t.block.name, t.role["number"], t.corpora[0].split["fold"]) for t in candidates(trials)]
    assert asked == [(b, n, f) for b in ("cnn1d", "rnn") for n in (1, 2, 3, 4) for f in (1, 2)]
    assert len(set(ids(trials))) == 18


def test_folds_of_a_candidate_differ_in_nothing_else():
    trials = candidates(first(study()))
    for one, other in zip(trials[::2], trials[1::2], strict=True):
        assert replace(one, corpora=other.corpora) == other
        assert one.corpora[0].in_fold(2) == other.corpora[0]


def test_without_folds_every_candidate_is_one_trial_of_the_whole():
    trials = candidates(first(study(search=RANDOM.changed(folds=0))))
    assert [t.corpora[0].split["fold"] for t in trials] == [0] * 4


def test_axes_of_another_block_are_not_drawn():
    for trial in candidates(first(study("cnn1d", "rnn"))):
        varied = {path.partition(".")[0] for path in trial.role["varied"]}
        assert varied == {"training", trial.block.name}
        assert trial.varied_values().keys() == set(trial.role["varied"])


def test_drawn_values_are_of_their_axes_and_the_rest_is_as_printed():
    printed = study().training
    for trial in candidates(first(study(search=RANDOM.changed(candidates=12)))):
        assert 1e-4 <= trial.training.learning_rate <= 1e-2
        assert trial.training.optimiser in ("rmsprop", "adam", "sgd")
        assert trial.block["filters"] in ((4, 3), (3, 2))
        same = {"learning_rate": printed.learning_rate, "optimiser": printed.optimiser}
        assert replace(trial.training, **same) == printed


def test_a_shape_is_drawn_once_for_several_candidates_and_the_rest_for_each():
    search = RANDOM.changed(candidates=40, per_shape=4, folds=0)
    trials = candidates(first(study(search=search)))
    shapes = [{t.block["filters"] for t in trials[at : at + 4]} for at in range(0, 40, 4)]
    assert {len(shape) for shape in shapes} == {1}
    assert len(set.union(*shapes)) == 2
    assert len({t.training.learning_rate for t in trials}) == 40


def test_the_same_call_asks_the_same_and_other_seeds_ask_others():
    learned = {}
    for seed in (0, 1):
        for own in (0, 1):
            trials = first(study(search=RANDOM.changed(seed=own)), seed=seed)
            assert ids(trials) == ids(first(study(search=RANDOM.changed(seed=own)), seed=seed))
            learned[seed, own] = tuple(t.training.learning_rate for t in candidates(trials))
    assert len(set(learned.values())) == 4


def test_more_candidates_keep_those_before():
    few, many = first(study(search=RANDOM)), first(study(search=RANDOM.changed(candidates=9)))
    assert ids(many)[: len(few)] == ids(few)


def test_the_best_mean_over_folds_is_trained_once_more_with_the_final_settings():
    trials = first(study())
    losses = {}
    for number, (one, other) in enumerate([(0.1, 0.9), (0.3, 0.4), (0.2, 0.7), (0.35, 0.4)], start=1):
        a, b = (t for t in candidates(trials) if t.role["number"] == number)
        losses |= {a.id: one, b.id: other}  # means 0.5, 0.35, 0.45, 0.375
    grown = first(study(), losses)
    assert ids(grown)[:-1] == ids(trials)
    best, refit = candidates(trials)[2], grown[-1]
    assert (refit.role.name, refit.role["number"]) == ("refit", 2)
    assert refit.training.max_epochs == 4
    assert refit.training.watch == ("train", "test")
    assert refit.corpora[0].split["fold"] == 0
    assert refit.targets == ("ravdess",)
    kept = {"max_epochs": best.training.max_epochs, "watch": best.training.watch}
    assert replace(refit.training, **kept) == best.training
    assert refit.block == best.block


def test_each_block_has_its_own_best():
    trials = first(study("cnn1d", "rnn"))
    losses = {t.id: abs(t.role["number"] - {"cnn1d": 3, "rnn": 1}[t.block.name]) for t in candidates(trials)}
    refits = candidates(first(study("cnn1d", "rnn"), losses), "refit")
    assert [(t.block.name, t.role["number"]) for t in refits] == [("cnn1d", 3), ("rnn", 1)]


def test_nothing_is_chosen_before_the_last_fold_is_known():
    trials = first(study())
    losses = all_at(trials)
    for missing in losses:
        assert not candidates(first(study(), losses | {missing: nan}), "refit")
        assert not candidates(first(study(), {k: v for k, v in losses.items() if k != missing}), "refit")


def test_a_candidate_of_which_a_fold_failed_is_not_the_best():
    trials = first(study())
    losses = all_at(trials, _3=-5.0)
    losses[candidates(trials)[5].id] = inf
    (refit,) = candidates(first(study(), losses), "refit")
    assert refit.role["number"] == 1


def test_where_every_candidate_failed_there_is_no_best():
    trials = first(study())
    assert ids(first(study(), all_at(trials, inf))) == ids(trials)


def test_no_candidate_is_a_network_that_cannot_be_built():
    wide = (("cnn1d.kernel", part("choice", values=(3, 5, 9))), ("cnn1d.pool", part("choice", values=(2, 3, 4, 8))))
    whole = with_space(study(search=RANDOM.changed(candidates=30, folds=0, shape=("cnn1d.pool",))), wide)
    drawn = {(t.block["kernel"], t.block["pool"]) for t in candidates(first(whole))}
    fits = registry.find("models", "cnn1d").fits
    possible = {(k, p) for k in (3, 5, 9) for p in (2, 3, 4, 8)
                if fits(20, settings_of("models", whole.block("cnn1d").changed(kernel=k, pool=p)))}  # fmt: skip
    assert drawn <= possible
    assert 1 < len(possible) < 12


def test_a_space_without_any_network_that_can_be_built_is_refused():
    hopeless = with_space(study(), (("cnn1d.kernel", part("choice", values=(99,))),))
    with pytest.raises(BadInput, match="no network that can be built"):
        first(hopeless)


# optuna


def reference(losses_of_first):
    """What Optuna itself asks in two rounds of three, when it is told these losses of the first."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    own = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))

    def ask():
        trial = own.ask()
        return trial, (trial.suggest_float("training.learning_rate", 1e-4, 1e-2, log=True),
                       trial.suggest_int("rnn.units", 2, 9))  # fmt: skip

    rounds = [[ask() for _ in range(3)]]
    for (trial, _), loss in zip(rounds[0], losses_of_first, strict=True):
        own.tell(trial, loss)
    rounds.append([ask() for _ in range(3)])
    return [[values for _, values in one] for one in rounds]


def test_optuna_asks_round_by_round_what_it_asks_by_itself():
    whole = with_space(study("rnn", search=OPTUNA), RATES)
    start = first(whole)
    assert [t.role["number"] for t in candidates(start)] == [1, 2, 3]
    losses = dict(zip(ids(candidates(start)), (0.7, 0.2, 0.5), strict=True))
    grown = first(whole, losses)
    asked = [(t.training.learning_rate, t.block["units"]) for t in candidates(grown)]
    once, again = reference((0.7, 0.2, 0.5))
    assert asked == [pytest.approx(v, rel=1e-3) for v in once + again]
    assert ids(grown) == ids(first(whole, losses))
    assert ids(grown)[: len(start)] == ids(start)


def test_optuna_asks_no_second_round_while_a_loss_of_the_first_is_missing():
    whole = with_space(study("rnn", search=OPTUNA), RATES)
    start = first(whole)
    some = dict.fromkeys(ids(candidates(start))[:2], 0.5)
    assert ids(first(whole, some)) == ids(start)


def test_losses_decide_what_optuna_asks_next_and_a_failed_candidate_is_no_loss():
    whole = with_space(study("rnn", search=OPTUNA.changed(candidates=40, at_once=20)), RATES)
    asked = candidates(first(whole))
    rising = {t.id: float(t.block["units"]) for t in asked}
    falling = {k: -v for k, v in rising.items()}
    few = np.mean([t.block["units"] for t in candidates(first(whole, rising))[20:]])
    many = np.mean([t.block["units"] for t in candidates(first(whole, falling))[20:]])
    assert few < many - 1  # 1.7 to 4 with any seed on any processor; 0 where losses decide nothing
    failed = rising | {asked[0].id: inf}
    assert len(candidates(first(whole, failed))) == 40


def test_optuna_chooses_among_values_that_are_no_numbers():
    whole = study("cnn1d", search=OPTUNA.changed(candidates=12, at_once=12))
    assert {t.block["filters"] for t in candidates(first(whole))} == {(4, 3), (3, 2)}


# population based training


def population(losses_by_generation=(), search=PBT, space=RATES):
    """Trials of each generation, once the losses of those before are told, in the order of members."""
    whole, losses, generations = with_space(study("rnn", search=search), space), {}, []
    for told in (*losses_by_generation, ()):
        found = candidates(first(whole, losses), "member")
        members = found[len(generations) * search["members"] :]
        generations.append(members)
        losses |= dict(zip(ids(members), told, strict=False))
    return generations


def values(trial):
    return trial.training.learning_rate, trial.block["units"]


def test_a_population_starts_from_nothing():
    (members,) = population()
    assert [t.role["number"] for t in members] == ["1.1", "2.1", "3.1", "4.1"]
    assert {t.initial_from for t in members} == {""}
    assert len({values(t) for t in members}) == 4


def test_the_worst_goes_on_from_the_end_of_the_best_with_its_values_perturbed():
    one, two = population([(0.3, 0.1, 0.9, 0.5)])
    assert [t.initial_from for t in two] == [one[0].id, one[1].id, one[1].id, one[3].id]
    assert [values(two[i]) for i in (0, 1, 3)] == [values(one[i]) for i in (0, 1, 3)]
    rate = two[2].training.learning_rate / one[1].training.learning_rate
    assert min(abs(rate - 0.8), abs(rate - 1.2)) < 1e-3 or two[2].training.learning_rate in (1e-4, 1e-2)
    assert values(two[2])[1] in {np.clip(round(values(one[1])[1] * f), 2, 9) for f in (0.8, 1.2)}
    assert [t.role["number"] for t in two] == ["1.2", "2.2", "3.2", "4.2"]


def test_a_generation_waits_for_all_of_the_one_before():
    one, two = population([(0.3, 0.1, 0.9)])
    assert len(one) == 4
    assert two == []


def test_the_third_generation_goes_on_from_the_second_and_is_the_last():
    one, two, three, over = population([(0.3, 0.1, 0.9, 0.5), (0.1, 0.2, 0.3, 0.4), (0.1, 0.2, 0.3, 0.4)])
    assert [t.initial_from for t in three] == [two[0].id, two[1].id, two[2].id, two[0].id]
    assert over == []
    assert len({t.id for t in one + two + three}) == 12


def test_members_that_failed_start_from_a_best_and_none_from_them():
    one, two = population([(inf, 0.1, 0.9, inf)])
    assert [t.initial_from for t in two] == [one[1].id, one[1].id, one[2].id, one[1].id]


def test_a_population_is_told_the_same_again_by_another_process():
    losses = [(0.3, 0.1, 0.9, 0.5), (0.1, 0.2, 0.3, 0.4)]
    assert [ids(g) for g in population(losses)] == [ids(g) for g in population(losses)]


def test_perturbed_values_stay_within_their_axes_and_choices_move_one_place():
    order = tuple(range(10, 20))
    space = (
        ("training.learning_rate", part("uniform", low=0.1, high=0.11)),
        ("rnn.units", part("choice", values=order)),
    )
    for seed in range(12):
        one, two = population([(0.3, 0.1, 0.9, 0.5)], PBT.changed(seed=seed), space)
        assert 0.1 <= two[2].training.learning_rate <= 0.11
        moved = two[2].block["units"] - one[1].block["units"]
        assert abs(moved) == 1 or (moved == 0 and one[1].block["units"] in (10, 19))


def test_members_that_go_on_from_others_cannot_be_trained_again_on_both_subsets():
    with pytest.raises(BadInput, match="train with pbt") as error:
        first(study(search=PBT, stacked=False, learns_from="train_and_validation"))
    assert error.value.place == "training.learns_from"
