"""The report of Pinto et al.: made folds of made systems, values by hand."""

import csv
import doctest
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from releases import whole

from ser.errors import BadInput
from ser.report import long_csv, markdown, page, write
from ser.report.bootstrap import mean_accuracies
from ser.report.predictions import LabelPredictions
from ser.report.runs import Expected, Finished, Options, UsedCorpus
from ser.report.survey import content as survey
from ser.report.survey import tables
from ser.report.survey.published import INCONSISTENCIES, SYSTEMS

CLASSES = ("angry", "sad")
LETTERS = {name[0]: name for name in CLASSES}
GOOD, BAD = "aa ss", "as sa"  # label and answer of utterances, by first letters
FOLDS = {"sd": 2, "si": 2}
EXPECTED = Expected(
    study="survey",
    title="Systems of a survey",
    report="survey",
    classes=(),
    corpora=(UsedCorpus("emodb", "E", True), UsedCorpus("iemocap", "I", True)),
    mode="",
    trials=(),
    count=0,
    seeds=(0,),
    demo=False,
    **whole("survey", "emodb", "iemocap"),
    systems=("badshah", "zhao_2d"),
    folds={"emodb": FOLDS, "iemocap": FOLDS},
)
ALONE = replace(EXPECTED, corpora=EXPECTED.corpora[:1])
NEVER = Options(replicates=0)


def fold(system, number, told, protocol="sd", corpus="emodb", seed=0, classes=CLASSES, **changed):
    """Utterances are numbered through the folds."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["corpus", "uid", "label", "predicted"])
    for place, (label, answer) in enumerate(told.split()):
        writer.writerow([corpus, f"{number}/{place}", LETTERS[label], LETTERS[answer]])
    return finished(system, number, out.getvalue(), protocol, corpus, seed, classes, **changed)


def finished(system, number, text, protocol="sd", corpus="emodb", seed=0, classes=CLASSES, scores=None, **changed):
    params = {
        "role.system": system,
        "role.protocol": protocol,
        "role.fold": str(number),
        "corpora": f"{corpus},helper",
        "classes": ",".join(classes),
        "seed": str(seed),
        "normalise": "train",
    } | changed
    name = f"{corpus} {system} {protocol} {number} {seed}"
    return Finished(name, f"run {name}", name, params, scores or {}, "", text)


def whole(system, first, second, **rest):
    return [fold(system, 1, first, **rest), fold(system, 2, second, **rest)]


def table(content, key):
    return next(t for t in content.tables if t.key == key)


def rows(content, key):
    return {(row.metric, row.name): row for row in table(content, key).rows}


def made(runs, expected=ALONE, options=NEVER):
    return survey.content(iter(runs), expected, options)


PICTURES = survey._pictures


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Without figures, which take most of the time."""
    monkeypatch.setattr(survey, "_pictures", lambda *_: [])


# --- accuracies ---


def test_folds_are_pooled_and_every_utterance_weighs_alike():
    row = rows(made(whole("badshah", "aa aa as", "ss aa")), "systems")["emodb", "badshah"]
    assert [cell.value for cell in row.cells[:2]] == [4 / 5, (3 / 4 + 1) / 2]
    assert np.isnan([cell.value for cell in row.cells[2:4]]).all()
    assert (row.n, row.of) == (2, 4)


def test_intervals_are_those_of_the_pooled_answers():
    rng = np.random.default_rng(4)
    told = [" ".join("as"[k] + "as"[k ^ int(rng.random() < 0.3)] for k in rng.integers(2, size=30)) for _ in "12"]
    row = rows(made(whole("badshah", *told), options=Options(replicates=200)), "systems")["emodb", "badshah"]
    uids = [f"{n}/{i}" for n in (1, 2) for i in range(30)]
    order = sorted(range(60), key=lambda i: uids[i])
    truth, answers = (np.array(["as".index(pair[k]) for t in told for pair in t.split()]) for k in (0, 1))
    there = LabelPredictions("", tuple(sorted(uids)), truth[order], answers[order], 2)
    for cell, right in zip(row.cells[:2], mean_accuracies([there], 200), strict=True):
        assert (cell.value, cell.low, cell.high) == pytest.approx((right.value, right.low, right.high))


def test_what_is_there_of_an_unfinished_system_is_shown_and_counted():
    content = made([fold("badshah", 2, "aa sa")])
    row = rows(content, "systems")["emodb", "badshah"]
    assert row.cells[0].value == 1 / 2
    assert (row.n, row.of) == (1, 4)
    best = rows(content, "best")["emodb", "SD"]
    assert best.cells[0] == "–"
    assert (best.n, best.of) == (0, 2)


def test_seeds_are_averaged():
    runs = whole("badshah", GOOD, GOOD) + whole("badshah", GOOD, BAD, seed=1)
    content = made([*runs[:2], runs[3], runs[2]], replace(ALONE, seeds=(0, 1)))
    row = rows(content, "systems")["emodb", "badshah"]
    assert row.cells[0].value == 3 / 4
    assert row.cells[4].value == pytest.approx(np.std([1, 1, 1, 0], ddof=1))  # UA of every fold of both seeds
    assert (row.n, row.of) == (4, 8)
    assert content.matrices[0].counts.tolist() == [[3, 1], [1, 3]]


def test_seeds_that_move_the_split_are_all_counted():
    """Seed 1 tests other utterances than seed 0 in the one fold that is run."""
    moved = fold("badshah", 1, BAD, seed=1)
    moved = replace(moved, text=moved.text.replace("1/", "9/"))
    row = rows(made([fold("badshah", 1, GOOD), moved], replace(ALONE, seeds=(0, 1))), "systems")["emodb", "badshah"]
    assert (row.cells[0].value, row.n) == (1 / 2, 2)


def test_intervals_are_over_speakers_where_runs_tell_them():
    """One speaker is always right, the other never: between speakers there is all there is, within them nothing."""

    def told(run, speakers):
        lines = run.text.splitlines()
        heads = ",speaker,sex,session,sentence"
        cells = [f"{line},{speaker},F,," for line, speaker in zip(lines[1:], speakers, strict=True)]
        return replace(run, text="\n".join([lines[0] + heads, *cells]) + "\n")

    runs = [told(fold("badshah", n, "aa ss as sa"), ("one", "one", "two", "two")) for n in (1, 2)]
    content = made(runs, replace(ALONE, folds={"emodb": {"sd": 2}}), Options(replicates=50))
    cell = rows(content, "systems")["emodb", "badshah"].cells[0]
    assert (cell.value, cell.low, cell.high) == (1 / 2, 0, 1)
    assert rows(content, "best")["emodb", "SD"].cells[-2:] == ("8", "2")
    assert any("emodb SD: 2 speakers, 8 utterances" in note for note in content.notes)
    alone = made(runs, replace(ALONE, folds={"emodb": {"sd": 2}}), Options(replicates=50, resample="utterance"))
    assert rows(alone, "systems")["emodb", "badshah"].cells[0].low > 0


def test_the_best_is_chosen_by_validation_in_each_fold():
    """Fold 1 chooses badshah (all right), fold 2 zhao_2d (none right); wu_lda is fitted and validates nothing."""
    ua = {("badshah", 1): 0.9, ("badshah", 2): 0.1, ("zhao_2d", 1): 0.5, ("zhao_2d", 2): 0.5}
    runs = [fold(name, n, BAD if (name, n) == ("zhao_2d", 2) else GOOD, scores={"objective/ua/emodb": value})
            for (name, n), value in ua.items()]  # fmt: skip
    runs += whole("wu_lda", GOOD, GOOD)
    expected = replace(ALONE, systems=("badshah", "zhao_2d", "wu_lda"), folds={"emodb": {"sd": 2}})
    content = made(runs, expected, Options(replicates=20))
    row = rows(content, "best_validation")["emodb", "SD"]
    assert row.cells[:2] == ("badshah", "1 of 2")
    validation, test, deviation, best, value, optimism = row.cells[2:]
    assert (validation.value, test.value, deviation.value) == (0.7, 1 / 2, pytest.approx(np.sqrt(1 / 2)))
    assert (best, value.value, optimism.value) == ("badshah", 1, 1 / 2)
    assert (row.n, row.of) == (2, 3)


def test_what_models_learn_from_is_said():
    both = {"training.learns_from": "train_and_validation"}
    content = made(whole("badshah", GOOD, GOOD, **both))
    assert any(note.startswith("All systems: learned from the training and the validation") for note in content.notes)
    mixed = made(whole("badshah", GOOD, GOOD, **both) + whole("zhao_2d", GOOD, GOOD))
    assert any(note.startswith("zhao_2d: the runs do not tell") for note in mixed.notes)


def test_a_seed_that_lacks_a_fold_is_left_out_and_said():
    runs = [fold("badshah", 1, BAD, seed=1), *whole("badshah", GOOD, GOOD)]
    content = made(runs, replace(ALONE, seeds=(0, 1)))
    row = rows(content, "systems")["emodb", "badshah"]
    assert row.cells[0].value == 1
    assert (row.n, row.of) == (2, 8)
    assert "Left out: seeds that lack folds which others have, of badshah on emodb (SD)." in content.notes
    assert rows(content, "best")["emodb", "SD"].n == 0


def test_parameters_and_seconds_are_those_that_runs_told():
    told = {"parameters": 12000.0, "seconds/training": 30.0}
    runs = [
        fold("badshah", 1, GOOD, scores=told),
        fold("badshah", 2, GOOD, scores=told | {"seconds/training": 41.0}),
        fold("zhao_2d", 1, GOOD, scores={"parameters": 5.0, "seconds/training": 0.25}),
        fold("zhao_2d", 2, GOOD, scores={"parameters": 7.0}),
    ]
    found = rows(made(runs), "systems")
    assert found["emodb", "badshah"].cells[6:8] == ("12,000", "36")
    assert found["emodb", "zhao_2d"].cells[6:8] == ("5 … 7", "0.25")
    silent = rows(made(whole("badshah", GOOD, GOOD)), "systems")
    assert silent["emodb", "badshah"].cells[6:8] == ("–", "–")


def test_an_utterance_of_segments_has_the_highest_mean_logit():
    text = "corpus,uid,segment,label,predicted,l_angry,l_sad\n"
    text += "emodb,1/0,0,angry,sad,0,1\nemodb,1/0,1,angry,sad,0,1\nemodb,1/0,2,angry,angry,9,0\n"  # 3 against 0.67
    text += "emodb,1/1,0,sad,angry,1,0\nhelper,1/1,0,sad,sad,0,1\n"
    both = [finished("badshah", 1, text), fold("badshah", 2, "ss")]
    row = rows(made(both), "systems")["emodb", "badshah"]
    assert [cell.value for cell in row.cells[:2]] == [2 / 3, (1 + 1 / 2) / 2]


def test_predictions_of_other_corpora_do_not_count():
    first = fold("badshah", 1, GOOD)
    more = replace(first, text=first.text + "helper,0,nothing,else\n")
    row = rows(made([more, fold("badshah", 2, GOOD)]), "systems")["emodb", "badshah"]
    assert row.cells[0].value == 1


def test_the_best_with_its_lead_and_ties():
    runs = whole("zhao_2d", GOOD, GOOD) + whole("badshah", GOOD, GOOD) + whole("lim", GOOD, BAD)
    content = made(runs, replace(ALONE, systems=("badshah", "zhao_2d", "lim", "yoon")))
    best = rows(content, "best")["emodb", "SD"]
    assert best.cells[0] == "badshah"
    assert (best.cells[2].value, best.cells[3], best.cells[4].value) == (1, "zhao_2d", 0)
    assert best.cells[5:] == ("1", "50.0", "4", "–")
    assert (best.n, best.of) == (3, 4)
    (matrix,) = content.matrices
    assert (matrix.title, matrix.name) == ("badshah", "confusion_emodb_sd")
    assert matrix.counts.tolist() == [[2, 0], [0, 2]]


def test_a_lead_is_paired():
    runs = whole("badshah", "aa aa ss", "ss sa") + whole("zhao_2d", "aa as ss", "ss sa")
    best = rows(made(runs, options=Options(replicates=300)), "best")["emodb", "SD"]
    lead = best.cells[4]
    assert (best.cells[0], lead.value) == ("badshah", pytest.approx(1 / 4))
    assert lead.low == 0  # it is never behind
    assert lead.high > 1 / 4


def proofs(**train):
    """Split proofs of runs, by protocol: utterances that are trained on."""

    def file(run_id, path):
        if not path.startswith("split/"):
            return None
        protocol = run_id.split()[3]
        return json.dumps({"utterances": {"train": train[protocol], "val": 20}, "shared_speakers": 0})

    return file


def both_protocols():
    runs = whole("badshah", GOOD, GOOD) + whole("badshah", GOOD, "aa sa", protocol="si")
    return runs + whole("zhao_2d", GOOD, BAD) + whole("zhao_2d", GOOD, BAD, protocol="si")


def test_what_new_speakers_cost():
    expected = replace(EXPECTED, unmet={"iemocap": {"zhao_2d": "no text: none"}})
    runs = both_protocols() + whole("badshah", GOOD, GOOD, corpus="iemocap")
    content = made(runs, expected, Options(replicates=50, file=proofs(sd=100, si=104)))
    found = rows(content, "costs")
    assert table(content, "costs").columns == ("emodb WA", "emodb UA")  # of iemocap SI has not been run
    badshah, other, mean = found["", "badshah"], found["", "zhao_2d"], found["", "Mean"]
    assert [cell.value for cell in badshah.cells[:2]] == [1 / 4, 1 / 4]
    assert other.cells[0].value == 0
    assert np.isnan(other.cells[0].low)  # no replicate differs: how far others would is not known
    assert (badshah.n, badshah.of, other.n, other.of) == (1, 1, 1, 1)
    assert mean.cells[0].value == 1 / 8
    assert table(content, "costs").explanation.endswith("emodb SD 100, SI 104 (with validation 120, 124).")
    assert any("costs on iemocap is not shown" in n and n.endswith("not known of both.") for n in content.notes)


def test_costs_are_not_shown_where_one_protocol_trains_on_more():
    """Five folds of all speakers train on 60 %, one speaker of ten left out on 80 %: the rest of the gap is data."""
    content = made(both_protocols(), options=Options(replicates=0, file=proofs(sd=321, si=423)))
    assert "costs" not in {t.key for t in content.tables}
    (note,) = [note for note in content.notes if note.startswith("What speaker independence costs on emodb is not")]
    assert note.endswith("and they train on 321 (SD) and 423 (SI), means over the folds.")


def test_gains_of_augmentation_are_relative():
    names = [f"chatziagapi_{name}" for name in ("none", "copying", "signal", "gan")]
    told = [(GOOD, BAD), (GOOD, "aa sa"), (BAD, BAD)]
    runs = [
        run for name, some in zip(names, told, strict=False) for p in FOLDS
        for run in whole(name, *some, protocol=p, corpus="iemocap")
    ]  # fmt: skip
    runs += [fold(names[3], 1, GOOD, protocol="si", corpus="iemocap")]
    found = rows(made(runs, replace(EXPECTED, systems=tuple(names))), "augmentations")
    row = found["iemocap", "SI"]
    assert [cell.value for cell in row.cells[:6]] == pytest.approx([1 / 2, 3 / 4, 0, 1, 1 / 2, -1])
    assert np.isnan(row.cells[6].value)  # of half the corpus
    assert (row.n, row.of) == (3, 4)
    assert row.paper == (*[None] * 6, 10.0)
    assert found["iemocap", "SD"].paper == found["emodb", "SI"].paper == ()


def test_a_gain_over_nothing_is_a_hole():
    runs = whole("chatziagapi_none", BAD, BAD) + whole("chatziagapi_gan", GOOD, GOOD)
    systems = ("chatziagapi_none", "chatziagapi_gan")
    row = rows(made(runs, replace(ALONE, systems=systems)), "augmentations")["emodb", "SD"]
    assert np.isnan(row.cells[6].value)
    assert row.cells[1] is None  # was not asked for


# --- families, classifiers and shares ---

ANSWERS = {"mfcc_svm": (GOOD, GOOD), "mfcc_knn": (GOOD, BAD), "time_svm": (GOOD, BAD), "time_knn": (GOOD, BAD)}


def crossed():
    return replace(ALONE, systems=tuple(ANSWERS), folds={"emodb": {"sd": 2}})


def crossed_runs():
    return [run for name, told in ANSWERS.items() for run in whole(name, *told)]


def test_families_by_classifiers():
    content = made(crossed_runs(), replace(crossed(), systems=(*ANSWERS, "time_cnn")))
    assert table(content, "families").columns == ("svm", "knn", "cnn")
    found = rows(content, "families")
    mfcc, time = found["emodb, SD", "mfcc"], found["emodb, SD", "time"]
    assert [cell.value for cell in mfcc.cells[:2]] == [1, 1 / 2]
    assert mfcc.cells[2] is None  # was not asked for
    assert np.isnan(time.cells[2].value)
    assert (mfcc.n, mfcc.of, time.n, time.of) == (2, 2, 2, 3)
    assert len(found) == 2


def test_cases_are_shared_among_tied_best():
    found = rows(made(crossed_runs(), crossed()), "proportions")
    assert {name for part, name in found if part == "system"} == {"mfcc_svm"}
    family = {name: row.cells[1].value for (part, name), row in found.items() if part == "family"}
    assert family == {"time": 1 / 4, "mfcc": 3 / 4}
    classifier = {name: row.cells[0].value for (part, name), row in found.items() if part == "classifier"}
    assert classifier == {"svm": 3 / 4, "knn": 1 / 4}
    assert (found["family", "time"].n, found["family", "time"].of) == (2, 2)


def test_or_given_to_the_first():
    found = rows(made(crossed_runs(), crossed(), Options("first", 0)), "proportions")
    assert found["family", "time"].cells[0].value == 1 / 2  # with knn, where mfcc is as good and comes later
    assert found["classifier", "svm"].cells[0].value == 1


@pytest.fixture
def few_suffice(monkeypatch):
    """Winners are counted in replicates of four utterances, too."""
    for module in ("statistics", "expected_shares"):
        monkeypatch.setattr(f"ser.report.{module}.FEW_CLUSTERS", 2)


def test_a_case_counts_once_all_its_systems_are_complete(few_suffice):
    runs = [run for run in crossed_runs() if run.title != "emodb time_knn sd 2 0"]
    found = rows(made(runs, crossed(), Options(replicates=50)), "proportions")
    assert np.isnan(found["system", "any"].cells[0].value)
    assert (found["system", "any"].n, found["system", "any"].of) == (0, 1)
    assert (found["family", "mfcc"].n, found["family", "mfcc"].of) == (1, 2)
    cell = found["family", "mfcc"].cells[0]
    assert (cell.value, cell.low, cell.high) == (1, 1 / 2, 1)


def test_what_cannot_be_run_does_not_hold_a_case_up():
    expected = replace(crossed(), unmet={"emodb": {"yoon": "no text"}}, systems=(*ANSWERS, "yoon"))
    assert rows(made(crossed_runs(), expected), "proportions")["system", "mfcc_svm"].n == 1


def test_winners_are_found_anew_in_every_resample(few_suffice):
    found = rows(made(crossed_runs(), crossed(), Options(replicates=200)), "proportions")
    cell = found["family", "mfcc"].cells[0]
    assert (cell.low, cell.high) == (1 / 2, 3 / 4)  # with knn always tied; with svm tied if all drawn are of fold 1


def test_shares_of_equal_systems_stand_beside_those_that_are_counted(few_suffice):
    for options in (NEVER, Options(replicates=200)):
        found = rows(made(crossed_runs(), crossed(), options), "proportions")
        equal = [row.cells[3] for (part, _), row in found.items() if part == "family"]
        assert sum(cell.value for cell in equal) == pytest.approx(1)
    plain = rows(made(crossed_runs(), crossed(), NEVER), "proportions")
    assert plain["family", "mfcc"].cells[2].value == plain["family", "time"].cells[2].value == 0.5
    assert 0 <= equal[0].low < equal[0].high <= 1


def test_winners_are_not_counted_in_replicates_of_few():
    found = rows(made(crossed_runs(), crossed(), Options(replicates=200)), "proportions")
    share, equal = found["family", "mfcc"].cells[1], found["family", "mfcc"].cells[3]
    assert (share.value, equal.value) == (3 / 4, 1 / 2)
    assert np.isnan([share.low, equal.low]).all()


# --- holes and reasons ---


def test_a_reason_stands_in_the_cell_and_in_the_notes():
    expected = replace(ALONE, unmet={"emodb": {"zhao_2d": "no text: the corpus has no transcripts."}})
    content = made(whole("badshah", GOOD, GOOD), expected)
    row = rows(content, "systems")["emodb", "zhao_2d"]
    assert row.cells[:8] == ("no text", *[None] * 7)
    assert (row.n, row.of) == (0, 0)
    assert "Cannot be run on emodb: zhao_2d (no text: the corpus has no transcripts)." in content.notes
    assert rows(content, "best")["emodb", "SD"].of == 1


def test_what_was_run_after_all_is_shown():
    expected = replace(ALONE, unmet={"emodb": {"badshah": "no text"}})
    content = made(whole("badshah", GOOD, GOOD), expected)
    assert rows(content, "systems")["emodb", "badshah"].cells[0].value == 1
    assert not any("Cannot" in note for note in content.notes)


def test_a_protocol_that_a_corpus_has_not_is_no_hole():
    content = made(whole("badshah", GOOD, GOOD), replace(ALONE, folds={"emodb": {"sd": 2, "si": 0}}))
    row = rows(content, "systems")["emodb", "badshah"]
    assert row.cells[2:4] == (None, None)
    assert (row.n, row.of) == (2, 2)
    assert "costs" not in {t.key for t in content.tables}


def test_a_protocol_that_was_not_asked_for_is_no_hole():
    expected = replace(ALONE, trials=(("a trial", {"seed": 0, "protocol": "si"}),))
    row = rows(made(whole("badshah", GOOD, GOOD, protocol="si"), expected), "systems")["emodb", "badshah"]
    assert row.cells[:2] == (None, None)
    assert (row.n, row.of) == (2, 2)
    both = made(whole("badshah", GOOD, GOOD), expected)  # but was run
    assert rows(both, "systems")["emodb", "badshah"].cells[0].value == 1


def test_without_expected_folds_those_seen_are_all():
    content = made(whole("badshah", GOOD, GOOD), replace(ALONE, folds={}))
    assert rows(content, "best")["emodb", "SD"].cells[0] == "badshah"


def test_without_runs_everything_is_a_hole():
    expected = replace(ALONE, systems=SYSTEMS, trials=(("a trial", {"seed": 0}),), count=1)
    content = made([], expected)
    assert content.holes[0].title == "a trial"
    assert [row.name for row in table(content, "systems").rows] == list(SYSTEMS)
    assert np.isnan(table(content, "systems").rows[0].cells[0].value)
    markdown.markdown(content)
    markdown.markdown(made([], replace(ALONE, corpora=())))


def test_systems_stand_in_the_surveys_order_and_others_behind():
    runs = [fold(name, 1, GOOD) for name in ("own", "mfcc_svm", "wang")]
    names = [row.name for row in table(made(runs), "systems").rows]
    assert names == ["badshah", "zhao_2d", "wang", "mfcc_svm", "own"]


@pytest.mark.parametrize(
    ("second", "said"),
    [
        (fold("badshah", 1, BAD), "folds on utterances that were tested before"),
        (fold("badshah", 2, BAD, classes=("sad", "angry")), "folds of other classes than the first"),
    ],
)
def test_folds_that_do_not_fit_are_left_out_and_said(second, said):
    content = made([fold("badshah", 1, GOOD), second])
    row = rows(content, "systems")["emodb", "badshah"]
    assert (row.cells[0].value, row.n) == (1, 1)
    assert f"Left out: {said}, of badshah on emodb (SD)." in content.notes


def test_a_note_names_but_a_few_results():
    runs = [fold(name, 1, GOOD) for name in SYSTEMS[:8] for _ in "12"]
    (note,) = [note for note in made(runs).notes if note.startswith("Left out")]
    assert note.endswith("chatziagapi_signal on emodb (SD) and 2 more.")


def test_runs_of_no_system_or_corpus_are_left_out():
    stray = replace(fold("badshah", 1, BAD), title="stray", params={})
    untested = finished("badshah", 2, "")
    far = fold("badshah", 2, BAD, corpus="tess")
    content = made([stray, untested, far, fold("badshah", 1, GOOD)])
    assert rows(content, "systems")["emodb", "badshah"].n == 1
    assert list(rows(content, "runs")) == [("emodb", "badshah")]
    assert "Left out: runs of no system or protocol, stray." in content.notes


def test_other_utterances_than_most_are_said():
    runs = whole("badshah", GOOD, GOOD) + whole("zhao_2d", GOOD, GOOD) + whole("lim", GOOD, "aa")
    notes = made(runs).notes
    assert "emodb, SD: 4 utterances of 2 classes were tested, but not by lim (3 utterances of 2 classes)." in notes


def test_a_label_of_no_class_is_refused():
    one = fold("badshah", 1, GOOD)
    with pytest.raises(BadInput, match="bored"):
        made([replace(one, text=one.text.replace("sad", "bored"))])


# --- the survey's numbers ---


def test_its_numbers_stand_beside_ours():
    runs = [r for p in FOLDS for r in whole("zhao_2d", GOOD, "aa sa", protocol=p)]
    content = made(runs, EXPECTED)
    found = rows(content, "systems")
    assert found["emodb", "zhao_2d"].cells[8:] == ("95.33 SD, 95.89 SI", "SI above SD")
    assert found["iemocap", "zhao_2d"].cells[8:] == (None, None)
    of_table = [row for row in table(content, "table1").rows if row.name == "zhao_2d"]
    assert [row.cells[0] for row in of_table] == ["95.33% (speaker-dependent)", "95.89% (speaker-independent)"]
    assert [cell.value for cell in of_table[0].cells[1:3]] == [3 / 4, 3 / 4]
    assert of_table[0].cells[3:5] == (None, None)  # the plain system was not among those to be run
    assert of_table[0].cells[5:] == ("SD", "7", "?", "SI above SD", "EMO-DB", "CNN-LSTM with log-mel spectrograms")
    runs += [r for p in FOLDS for r in whole("mfcc_svm", GOOD, "as as", protocol=p)]
    content = made(runs, replace(EXPECTED, systems=("badshah", "zhao_2d", "mfcc_svm")))
    beside = next(row for row in table(content, "table1").rows if row.name == "zhao_2d").cells[3:5]
    assert [cell.value for cell in beside] == [2 / 4, 2 / 4]
    missing = next(row for row in table(content, "table1").rows if row.name == "qamhan")
    assert missing.cells[1:3] == (None, None)  # on a corpus that is not here
    assert len(table(content, "table1").rows) == 20
    assert content.inconsistencies == INCONSISTENCIES
    assert any(note.startswith("Beside Wang et al.: Six classes") for note in content.notes)


def test_an_augmentations_number_is_a_gain():
    told = {"chatziagapi_none": (GOOD, BAD), "chatziagapi_gan": (GOOD, "aa sa")}
    runs = [r for name, some in told.items() for r in whole(name, *some, corpus="iemocap")]
    row = rows(made(runs, replace(EXPECTED, systems=tuple(told))), "table1")["Chatzagiapi et al.", "chatziagapi_gan"]
    assert row.cells[1].value == pytest.approx(1 / 2)


@pytest.mark.parametrize("change", [{"demo": True}, {"paper": ""}, {"releases": {}}])
def test_or_are_not_shown(change):
    runs = whole("zhao_2d", GOOD, GOOD)
    content = made(runs, replace(EXPECTED, systems=("zhao_2d", "chatziagapi_gan"), **change))
    assert rows(content, "systems")["emodb", "zhao_2d"].cells[8:] == ("–", "–")
    assert rows(content, "systems")["iemocap", "zhao_2d"].cells[8:] == (None, None)
    assert "table1" not in {t.key for t in content.tables}
    assert not any(row.paper for t in content.tables for row in t.rows)
    assert content.inconsistencies == ()
    assert "95.33" not in page.page(content)
    assert "a number of the survey, which is not shown" in content.legend


# --- notes ---


def test_who_normalises_per_speaker():
    runs = whole("wang", GOOD, GOOD, normalise="speaker") + whole("badshah", GOOD, GOOD)
    (note,) = [note for note in made(runs).notes if note.startswith("Normalised per speaker")]
    assert note.endswith("So are wang.")


def test_subsets_of_the_first_fold_are_read_from_its_proof():
    proof = {"utterances": {"train": 6, "val": 2, "test": 2}, "shared_speakers": 0}

    def file(run_id, path):
        assert run_id.startswith("run emodb badshah si ")
        return json.dumps(proof) if path == "split/emodb.json" else None

    content = made(whole("badshah", GOOD, GOOD, protocol="si"), options=Options(replicates=10, file=file))
    told = "emodb, SI: 2 folds; in fold 1 train 6, val 2, test 2 utterances, and no speakers are in several subsets."
    assert told in content.notes
    assert any("10 bootstrap replicates" in note for note in content.notes)


def test_only_stated_params_and_scores_are_read():
    told = {"wa/emodb": 0.5, "ua/emodb": 0.25, "parameters": 3.0, "seconds/training": 1.0}
    runs = whole("badshah", GOOD, GOOD, scores=told | {"epochs": 1.0})
    kept = [
        replace(
            run,
            params={k: v for k, v in run.params.items() if k in survey.PARAMS},
            scores={k: v for k, v in run.scores.items() if k.startswith(survey.SCORES)},
        )
        for run in runs
    ]
    both = [long_csv.long_form(made(some)) for some in (runs, kept)]
    assert both[0] == both[1]
    row = rows(made(kept), "runs")["emodb", "badshah"]
    assert [cell.value for cell in row.cells[1:5]] == [0.5, 0.25, 1, 1]
    assert row.cells[5] == "run emodb badshah sd 1 0 run emodb badshah sd 2 0"


def test_doctests():
    assert doctest.testmod(tables).failed == 0


def everything():
    names = ("badshah", "zhao_2d", "wu_lda", "mfcc_svm", "mfcc_knn", "chatziagapi_none", "chatziagapi_gan")
    runs = [
        run for corpus in ("emodb", "iemocap") for name in names for p in FOLDS
        for run in whole(name, GOOD, "aa sa" if p == "si" else GOOD, protocol=p, corpus=corpus)
    ]  # fmt: skip
    return runs[:-1], replace(EXPECTED, systems=(*names, "yoon", "zhang"), unmet={"emodb": {"yoon": "no text: none"}})


@pytest.mark.parametrize("demo", [False, True])
def test_everything_is_written(tmp_path, monkeypatch, accessible, demo):
    monkeypatch.setattr(survey, "_pictures", PICTURES)
    runs, expected = everything()
    content = made(runs, replace(expected, demo=demo), Options(replicates=20))
    written = write.write(content, tmp_path)
    names = {path.name for path in written.files}
    assert {"figure1.png", "systems_emodb.png", "systems_iemocap.png", "confusion_emodb_si.png"} <= names
    assert "figure2.png" not in names  # no RAVDESS
    text = (tmp_path / "report.html").read_text()
    assert ("85.8" in text) is ("survey, speaker independent" in text) is not demo
    assert "no text" in written.markdown
    (figure,) = [picture for picture in content.pictures if picture.name == "figure1"]
    assert ("Wang et al." in figure.svg) is not demo  # not run here: only the survey's bar
    assert ("outlined" in figure.caption) is not demo
    accessible(tmp_path / "report.html")


# --- comparisons ---


def spoken(system, right, protocol="sd", speakers=8):
    """Two folds of four speakers each, ten utterances of everybody, of which ``right`` of the speaker are right."""
    runs = []
    for number in (1, 2):
        lines = ["corpus,uid,label,predicted,speaker,sex,session,sentence"]
        for who in range((number - 1) * speakers // 2, number * speakers // 2):
            for i in range(10):
                label, other = CLASSES[i % 2], CLASSES[1 - i % 2]
                lines.append(f"emodb,{who}/{i},{label},{label if i < right(who) else other},{who},F,,")
        runs.append(finished(system, number, "\n".join(lines) + "\n", protocol))
    return runs


def test_intervals_know_how_few_speakers_their_own_protocol_tests():
    """Eight speakers are tested under SD, two of them under SI: there Student's t has one degree of freedom."""
    runs = spoken("badshah", lambda who: 4 + who % 3)
    si = spoken("badshah", lambda who: 4 + who % 3, "si", speakers=4)[:1]
    expected = replace(ALONE, folds={"emodb": {"sd": 2, "si": 1}})
    content = made([*runs, *si], expected, Options(replicates=200))
    best = rows(content, "best")
    assert [best["emodb", name].cells[-1] for name in ("SD", "SI")] == ["8", "2"]
    sd_ua, si_ua = (best["emodb", name].cells[2] for name in ("SD", "SI"))
    assert sd_ua.low > 0.3
    assert si_ua.high - si_ua.low > 0.9
    assert any("emodb SD: 8 speakers" in note and "emodb SI: 2 speakers" in note for note in content.notes)


def test_systems_are_ranked_and_compared_pairwise():
    """badshah is surely ahead of the two others, which are alike; yoon cannot be run and is left out."""
    rng = np.random.default_rng(3)
    noise = rng.integers(-1, 2, size=(3, 2, 8))
    levels = {"badshah": 8, "zhao_2d": 5, "lim": 5}
    runs = [
        run for i, (name, level) in enumerate(levels.items()) for j, protocol in enumerate(FOLDS)
        for run in spoken(name, lambda who, i=i, j=j, level=level: level + noise[i, j, who], protocol)
    ]  # fmt: skip
    expected = replace(ALONE, systems=(*levels, "yoon"), unmet={"emodb": {"yoon": "no text"}})
    content = made(runs, expected, Options(replicates=300))
    best = {row.name: row.cells[2] for row in table(content, "best_set").rows if row.metric == "ua"}
    assert best == {"badshah": "yes", "zhao_2d": "no", "lim": "no"}
    pairs = {row.name: row.cells for row in table(content, "pairs").rows if row.metric == "ua"}
    assert len(pairs) == 3
    assert [cells[-1] for name, cells in pairs.items() if "badshah" in name] == ["yes", "yes"]
    assert [cells[-1] for name, cells in pairs.items() if "badshah" not in name] == ["no"]
    assert any(note.endswith("so not yoon.") for note in content.notes)
    shares = rows(content, "proportions")["system", "badshah"].cells
    assert shares[1].value == 1
    assert 0 < shares[3].value < 0.7  # by chance, of three


def test_families_and_classifiers_have_paired_effects():
    content = made(crossed_runs(), crossed(), Options(replicates=50))
    effects = {row.name: row.cells for row in table(content, "effects").rows if row.metric == "ua"}
    assert effects["mfcc − time"][1].value == pytest.approx(1 / 4)
    assert effects["knn − svm"][2] == "0 of 2"


# --- cases ---


def test_a_family_alone_with_its_classifier_wins_nothing():
    """Of wavelet there is lda alone, which no other family has: no case, and no row. Each family has one classifier."""
    answers = {"mfcc_svm": (GOOD, GOOD), "time_svm": (GOOD, BAD), "wavelet_lda": (GOOD, GOOD)}
    runs = [run for name, told in answers.items() for run in whole(name, *told)]
    content = made(runs, replace(ALONE, systems=tuple(answers), folds={"emodb": {"sd": 2}}))
    found = rows(content, "proportions")
    family = {name: row.cells[1].value for (part, name), row in found.items() if part == "family"}
    assert family == {"time": 0, "mfcc": 1}
    assert (found["family", "mfcc"].n, found["family", "mfcc"].of) == (1, 1)
    assert not [part for part, _ in found if part == "classifier"]
    said = table(content, "proportions").explanation
    assert said.endswith("No cases, and not counted: 1 with a single family, 3 with a single classifier.")


# --- more of the best systems ---


def test_f1_of_the_best_systems_comes_from_their_saved_predictions():
    runs = whole("badshah", GOOD, BAD, protocol="si") + whole("wang", BAD, BAD, protocol="si")
    texts = {run.run_id: run.text for run in runs}
    options = Options(replicates=0, file=lambda run_id, path: texts[run_id] if path == "predictions.csv" else None)
    (row,) = table(made(runs, options=options), "more").rows
    assert (row.metric, row.name, row.cells[:3]) == ("emodb SI", "badshah", ("test UA", "–", "4"))
    # One angry utterance of two is right, and one of the two sad ones is taken for it; so it is with sad.
    assert [cell.value for cell in row.cells[3:]] == [0.5] * 4
