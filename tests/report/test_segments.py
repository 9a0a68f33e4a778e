"""The report of Sahoo et al. 2019: made runs with the params of real statements, values by hand."""

import csv
import doctest
import io
import json
from dataclasses import replace

import numpy as np
import pytest
from releases import whole

from experiments.segments import study
from ser.errors import BadInput
from ser.frontends import vggish_mel
from ser.metrics import segments
from ser.report import bootstrap, markdown, write
from ser.report.predictions import SegmentPredictions
from ser.report.runs import Expected, Finished, Options, Reference, UsedCorpus
from ser.report.segments import accuracies
from ser.report.segments import content as clips
from ser.report.segments.accuracies import METRICS, mean_and_spread, per_clip
from ser.report.segments.published import CLASSES, INCONSISTENCIES
from ser.report.statistics import interval
from ser.study import Corpus, Trial, part

PUBLIC = {"segment": 96, "filters": (64, 128, 256, 256, 512, 512), "fc": (4096, 4096), "embedding": 128}
BLOCKS = {
    "vggish": part("vggish", **PUBLIC, units=200, weights="random"),
    "mlp": part("mlp", segment=96, layers=2, units=200, dropout=0.5),
}
TRAINING = study.training
EXPECTED = Expected(
    study="segments",
    title="Segments and clips",
    report="segments",
    classes=CLASSES,
    corpora=(UsedCorpus("iemocap", "I", True),),
    mode="paper",
    trials=(("I · vggish · segmentation nonoverlap", {"seed": 0, "block": "vggish"}),),
    count=1,
    seeds=(0, 1),
    demo=False,
    **whole("segments", "iemocap"),
)
# Label and the classes that the segments of a clip are taken for, by number; a logit of 1, and 2 where it is "sure".
RIGHT = ("angry", (0, 0))  # in every sense
MOST = ("happy", (1, 1, 0))
TIED = ("sad", (2, 3))  # the sad segment is sure
LOST = ("neutral", (0, 1, 0))
FIRST = (RIGHT, MOST, TIED, LOST)  # 10 segments: 2 + 2 + 1 + 0 right
SECOND = (RIGHT, RIGHT, MOST, MOST)


def trial(block="vggish", way="nonoverlap", fold=0, seed=0, mode="paper", **settings):
    rule = part("random", seed=1) if mode == "paper" else part("leave_one_out", by="session", fold=0)
    corpus = Corpus("iemocap", "I", part("iemocap"), rule)
    return Trial(
        study="segments",
        mode=mode,
        corpora=(corpus.in_fold(fold),),
        classes=CLASSES,
        merge=(("excited", "happy"),),
        labels="one",
        front_end=part("vggish_mel", **vars(vggish_mel.Settings(segmentation=way))),
        normalise="none",
        balance=part("none"),
        augmentation=(),
        block=BLOCKS[block].changed(**settings),
        pooling="none",
        task="unified",
        training=TRAINING,
        seed=seed,
    )


def text_of(told, prefix=""):
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["corpus", "uid", "segment", "label", "predicted", *(f"l_{c}" for c in CLASSES)])
    for number, (label, guesses) in enumerate(told):
        for segment, guess in enumerate(guesses):
            logits = [0.0] * 4
            logits[guess] = 2.0 if CLASSES[guess] == label else 1.0
            writer.writerow(["iemocap", f"{prefix}{number}", segment, label, CLASSES[guess], *logits])
    return out.getvalue()


def finished(one, told=FIRST, loss=1.0, prefix="", **scores):
    found = {"epochs": 12.0, "best_epoch": 7.0, "objective/loss": loss} | {f"{k}/iemocap": v for k, v in scores.items()}
    return Finished(one.id, f"run-{one.id}", one.title, one.params(), found, "", text_of(told, prefix))


def both(way="nonoverlap", **settings):
    """Two seeds, of FIRST and of SECOND."""
    return [finished(trial(way=way, seed=s, **settings), told) for s, told in enumerate((FIRST, SECOND))]


def files(run_id, path):
    told = {
        "segments.json": {"iemocap": {"utterances": 8, "segments": 20, "per_class": {"angry": 15, "sad": 5}}},
        "layers.json": [
            {"name": "conv1", "output": "64 × 96 × 64", "parameters": 640, "averaged": 0},
            {"name": "head", "output": "4", "parameters": 804, "averaged": 0},
        ],
        "split/iemocap.json": {
            "per_class": {"train": {"angry": 4}, "val": {"angry": 1}, "test": {"sad": 3}},
            "utterances": {"train": 4, "val": 1, "test": 3},
            "shared_speakers": 2,
        },
    }
    return json.dumps(told[path]) if path in told else None


OPTIONS = Options(replicates=50, file=files)
NO_FILES = Options(replicates=0)


@pytest.fixture
def undrawn(monkeypatch):
    """Without figures, which take most of the time."""
    monkeypatch.setattr(clips, "_pictures", lambda *_: [])


def table(content, key):
    return next(t for t in content.tables if t.key == key)


def random_clips(seed=0, n=40):
    rng = np.random.default_rng(seed)
    clip = np.repeat(np.arange(n), rng.integers(1, 6, n))
    truth = rng.integers(4, size=n)
    logits = rng.standard_normal((len(clip), 4)).astype(np.float32) + np.eye(4, dtype=np.float32)[truth[clip]]
    return SegmentPredictions(tuple(map(str, range(n))), truth, clip, logits)


def test_doctests():
    assert doctest.testmod(accuracies).failed == 0


def test_what_clips_add_up_to_is_what_the_formulae_say():
    found = random_clips()
    each, scores = per_clip(found).sum(axis=0), accuracies.accuracies(found)
    assert each[1] / each[0] == pytest.approx(scores["sa"])
    for place, name in enumerate(list(METRICS)[1:], start=2):
        assert each[place] / 40 == pytest.approx(scores[name]), name


def repeated(found, times):
    """The metrics of a table that has every clip so many times."""
    drawn = np.repeat(np.arange(len(times)), times)
    owners = [np.flatnonzero(found.clip == i) for i in drawn]
    clip = np.repeat(np.arange(len(drawn)), [len(o) for o in owners])
    return segments.accuracies(clip, found.truth[drawn], found.logits[np.concatenate(owners)])


@pytest.mark.parametrize("resample", ["speaker", "utterance"])
def test_intervals_are_of_resampled_speakers_and_seeds(resample):
    """Two seeds on other clips of six speakers, by plain loops over repeated tables."""
    runs = []
    for seed in range(2):
        found = random_clips(seed, n=30)
        names = tuple(f"{seed if i < 10 else 'both'}/{i}" for i in range(30))  # twenty clips are tested by both
        runs.append(replace(found, uids=names, speakers=tuple(f"s{i % 6}" for i in range(30))))
    uids = list(dict.fromkeys(uid for run in runs for uid in run.uids))
    of = {uid: f"s{int(uid.partition('/')[2]) % 6}" if resample == "speaker" else uid for uid in uids}
    clusters = sorted(set(of.values())) if resample == "speaker" else uids
    rng = np.random.default_rng(0)
    seeds = bootstrap.seed_weights(2, 25, rng)
    drawn = bootstrap.draws_of(len(clusters), 25, rng)
    cells = mean_and_spread(runs, 25, resample)
    slow = []
    for which, weights in zip(seeds, drawn, strict=True):
        often = dict(zip(clusters, weights.astype(int), strict=True))
        (place,) = np.flatnonzero(which)  # of two seeds one is drawn
        slow.append(repeated(runs[place], [often[of[uid]] for uid in runs[place].uids]))
    plain = [accuracies.accuracies(run) for run in runs]
    size = 6 if resample == "speaker" else 40
    assert accuracies.sample_of(runs, resample).clusters == size
    for name in ("sa", "aca", "sca", "alca", "bca"):
        mean, spread = cells[name]
        assert mean.value == pytest.approx(np.mean([p[name] for p in plain]))
        expected = interval(mean.value, np.array([s[name] for s in slow]), size)
        assert (mean.low, mean.high) == pytest.approx((expected.low, expected.high), abs=1e-6), name
        assert spread.value == pytest.approx(np.std([p[name] for p in plain], ddof=1))


def test_a_single_run_has_no_deviation():
    assert np.isnan(mean_and_spread([random_clips()], 5)["sa"][1].value)


def test_layers_are_those_that_a_run_logged(undrawn):
    content = clips.content(both(), EXPECTED, OPTIONS)
    rows = [(row.name, row.cells) for row in table(content, "table2").rows]
    assert rows == [("conv1", ("64 × 96 × 64", "640")), ("output", ("1 × 4", "804")), ("all", ("", "1,444"))]
    assert table(clips.content(both(), EXPECTED, NO_FILES), "table2").rows[0].cells == ("", "–")


def test_five_accuracies_by_hand(undrawn):
    content = clips.content([*both(), *both("overlap_repo")], EXPECTED, OPTIONS)
    rows = {(row.metric, row.name): row for row in table(content, "table3").rows}
    hand = {"SA": (5 / 10, 8 / 10), "ACA": (1 / 4, 2 / 4), "SCA": (2 / 4, 1), "ALCA": (3 / 4, 1), "BCA": (3 / 4, 1)}
    for metric, (first, second) in hand.items():
        row = rows[metric, "nonoverlap"]
        mean, spread = row.cells
        assert (mean.value, spread.value) == pytest.approx(((first + second) / 2, abs(second - first) / 2**0.5))
        assert (row.n, row.of) == (2, 2)
    assert rows["SCA, ties to the first class", "nonoverlap"].cells[0].value == pytest.approx((3 / 4 + 1) / 2)
    assert rows["ALCA", "nonoverlap"].paper == (66.8, 1.4)
    assert rows["ALCA", "overlap"].paper == (68.7, 1.9)
    assert rows["SCA, ties to the first class", "overlap"].paper == ()


def test_units_and_what_is_not_there(undrawn):
    """Only 100 units were run; the study has 200 too, and no run without overlap."""
    trials = tuple((f"t{n}", {"seed": 0, "block": "vggish", "vggish.units": n}) for n in (100, 200))
    content = clips.content(both("overlap_repo", units=100), replace(EXPECTED, trials=trials), OPTIONS)
    rows = {row.name: row for row in table(content, "table4").rows if row.metric == "ALCA"}
    assert rows["100"].cells[0].value == pytest.approx(7 / 8)
    assert rows["100"].paper == (68.4, 2.0)
    assert np.isnan(rows["200"].cells[0].value)
    missing = next(row for row in table(content, "table3").rows if row.name == "nonoverlap")
    assert (missing.n, np.isnan(missing.cells[0].value)) == (0, True)


def test_the_textbooks_overlap_is_not_the_printed_one(undrawn):
    content = clips.content(both("overlap_textbook"), EXPECTED, OPTIONS)
    rows = [row for row in table(content, "table3").rows if row.name == "overlap_textbook"]
    assert all(row.paper == () for row in rows)
    assert [row.paper for row in table(content, "table4").rows] == [()] * len(METRICS)


def test_segments_of_all_and_of_the_test_side(undrawn):
    rows = {(row.metric, row.name): row for row in table(clips.content(both(), EXPECTED, OPTIONS), "table1").rows}
    assert rows["iemocap, all", "total"].paper == ("10039", "49795", "91017")
    assert rows["iemocap, all", "relevant"].cells == ("8", "20", "–")
    assert rows["iemocap, all", "relevant"].paper == ("5531", "27935", "51180")
    share = rows["iemocap, all", "angry, share"]
    assert [c.value for c in share.cells[:2]] == [5 / 8, 15 / 20]
    assert share.paper == (19.94, 19.80, 19.75)
    assert rows["iemocap, test side", "happy, count"].cells == ("1", "3", "–")
    assert rows["iemocap, test side", "relevant"].cells == ("4", "10", "–")


def test_folds_of_a_seed_are_one_test_side_and_must_all_be_there(undrawn):
    sound = replace(EXPECTED, mode="sound", trials=tuple((f"f{k}", {"fold": k, "seed": 0}) for k in (1, 2)))
    runs = [finished(trial(fold=k, mode="sound"), t, prefix=f"{k}_") for k, t in ((1, FIRST), (2, SECOND))]
    lacking = finished(trial(fold=1, seed=1, mode="sound"), FIRST, prefix="1_")
    content = clips.content([*runs, lacking], sound, OPTIONS)
    row = next(r for r in table(content, "table3").rows if (r.metric, r.name) == ("SA", "nonoverlap"))
    assert row.cells[0].value == pytest.approx(13 / 20)
    assert (row.n, row.of) == (1, 2)
    assert np.isnan(row.cells[1].value)  # one seed has no deviation
    assert content.matrices[0].counts.sum() == 8
    assert len(content.matrices[0].runs) == 2
    assert any("seeds that lack a fold, of nonoverlap, 200 units" in note for note in content.notes)
    assert "The test clips of iemocap in folds 1, 2 are pooled." in content.notes


def test_validation_chooses_the_baseline(undrawn):
    small = finished(trial("mlp", units=100), SECOND, loss=0.9)
    large = finished(trial("mlp", layers=3), FIRST, loss=0.8)
    content = clips.content([small, large], EXPECTED, OPTIONS)
    assert [(r.name, r.cells[-2:]) for r in table(content, "baseline").rows] == [
        ("mlp 2 × 100", ("0.9000", "")),
        ("mlp 3 × 200", ("0.8000", "chosen")),
    ]
    names = [row.name for row in table(content, "table5").rows]
    assert names[0] == "Baseline"
    assert names[-1] == "Here: mlp 3 × 200"
    assert table(content, "table5").rows[-1].cells[1].value == 3 / 4


def test_matrices_are_of_clips_and_summed_over_seeds(undrawn):
    content = clips.content(both(), EXPECTED, OPTIONS)
    assert content.matrices[0].counts.tolist() == [[3, 0, 0, 0], [0, 3, 0, 0], [0, 0, 1, 0], [1, 0, 0, 0]]
    assert content.matrices[0].heading == "iemocap, by mean logits"
    rows = {(row.metric, row.name): row for row in table(content, "figure3").rows}
    assert [c.value for c in rows["nonoverlap, 200 units", "neutral"].cells[:4]] == [1, 0, 0, 0]
    assert rows["nonoverlap, 200 units", "angry"].paper == (56.9, 26.72, None, None)
    assert rows["nonoverlap, 200 units", "angry"].cells[4] == "3"


def test_figure_3_is_by_the_mode_of_segments_with_ties_to_the_first_class_and_mean_logits_beside(undrawn):
    """Neutral, one segment for sad and one, which is sure, for neutral: the first class of the tie is sad."""
    told = (("neutral", (3, 2)), ("neutral", (1, 1, 3)), ("angry", (0,)))
    content = clips.content([finished(trial(), told)], EXPECTED, OPTIONS)
    rows = {(row.metric, row.name): row for row in table(content, "figure3").rows}
    by_mode, by_logits = (rows[f"nonoverlap, 200 units{rule}", "neutral"] for rule in ("", ", by mean logits"))
    assert [c.value for c in by_mode.cells[:4]] == [0, 0.5, 0.5, 0]
    assert [c.value for c in by_logits.cells[:4]] == [0, 0.5, 0, 0.5]
    assert by_mode.paper == (None, None, None, 60.84)  # as the authors' program makes its matrices
    assert by_logits.paper == ()


def test_which_epoch_is_tested_is_said(undrawn):
    (note,) = [n for n in clips.content(both(), EXPECTED, OPTIONS).notes if n.startswith("Weights are those")]
    assert "best validation accuracy of segments" in note
    assert "least so far plus 0.01" in note
    assert note.endswith("looked at after every 10th epoch.")
    least = replace(trial(), training=replace(TRAINING, keep="best", check_every_epochs=1))
    assert any(
        n == "Weights are those of the least validation loss, looked at after every epoch."
        for n in clips.content([finished(least)], EXPECTED, OPTIONS).notes
    )


@pytest.mark.parametrize(
    ("moves", "said"),
    [(("weights", "split"), "Each seed draws its own split"), (("weights",), "All seeds share one split")],
)
def test_what_the_deviation_over_seeds_is_of_is_said(undrawn, moves, said):
    notes = clips.content(both(), replace(EXPECTED, seed_moves=moves), OPTIONS).notes
    assert any(note.startswith(said) for note in notes)


def test_the_plain_reference_has_rows_beside_the_papers(undrawn):
    own = replace(trial(), block=part("logistic"))
    fitted = finished(own, SECOND)
    beside = Reference("I · reference logistic", "logistic", "iemocap", "", 0, 0, fitted.run_id)
    options = replace(OPTIONS, references=lambda: (fitted,))
    content = clips.content(both(), replace(EXPECTED, references=(beside,)), options)
    for key in ("table3", "table4"):
        rows = {row.metric: row for row in table(content, key).rows if row.name.startswith("reference (")}
        assert [rows[title].cells[0].value for title in METRICS.values()] == [0.8, 0.5, 1, 1, 1, 1]
        assert {row.paper for row in rows.values()} == {()}
    last = table(content, "table5").rows[-1]
    assert last.name.startswith("Here: reference (")
    assert last.cells[1].value == 1


def test_further_numbers_are_of_the_best_by_test_and_by_validation(undrawn):
    texts = {}
    better, chosen = finished(trial(), SECOND, loss=2.0), finished(trial(way="overlap_repo"), FIRST, loss=0.5)
    for run in (better, chosen):
        texts[run.run_id] = run.text
    options = replace(OPTIONS, file=lambda run, path: texts[run] if path == "predictions.csv" else files(run, path))
    content = clips.content([better, chosen], EXPECTED, options)
    found = " ".join(str(row) for t in content.tables if t.key not in ("runs", "figure3") for row in t.rows)
    assert "test UA of clips" in found
    assert "validation loss" in found


def test_contradictions_are_shown(undrawn):
    wrong = finished(trial(), aca=0.9, sca=0.5, bca=0.75)
    content = clips.content([wrong], EXPECTED, OPTIONS)
    assert "ACA 0.9000, SCA 0.5000, BCA 0.7500" in content.notes[0]
    assert content.notes[1].endswith("predictions give: ACA. The tables have the latter.")
    assert "ACA ≤ SCA ≤ BCA violated" in content.badges
    right = clips.content([finished(trial(), aca=0.25, sca=0.5, bca=0.75)], EXPECTED, OPTIONS)
    assert right.badges == ("mode paper", "corpora: 1 whole release", "VGGish from random weights")


def test_where_vggish_started_from_is_said(undrawn):
    random = clips.content(both(), EXPECTED, OPTIONS)
    assert any("random weights" in note for note in random.notes)
    public = clips.content(both(weights="abc123"), EXPECTED, OPTIONS)
    assert any("public weights, file abc123" in note for note in public.notes)
    assert public.badges == ("mode paper", "corpora: 1 whole release")
    mixed = clips.content([*both(), *both(weights="abc123")], EXPECTED, OPTIONS)
    names = {row.name for row in table(mixed, "table3").rows}
    assert {"nonoverlap, weights random", "nonoverlap, weights abc123"} <= names


def test_paper_numbers_only_beside_its_own_corpora(undrawn):
    ours = clips.content(both(), replace(EXPECTED, demo=True), OPTIONS)
    assert all(not row.paper for t in ours.tables for row in t.rows)
    assert ours.inconsistencies == ()
    assert [row.name for row in table(ours, "table5").rows] == ["Here: nonoverlap, 200 units"]
    assert clips.content(both(), EXPECTED, OPTIONS).inconsistencies == INCONSISTENCIES


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [(",sad,", ",bored,", "bored"), ("l_sad", "l_other", "l_sad"), ("1,1,happy", "1,1,sad", "two")],
)
def test_predictions_that_do_not_fit_are_refused(old, new, said):
    one = finished(trial())
    with pytest.raises(BadInput, match=said):
        clips.content([replace(one, text=one.text.replace(old, new))], EXPECTED, OPTIONS)


def test_without_runs_everything_is_a_hole(undrawn):
    content = clips.content([], EXPECTED, OPTIONS)
    assert [h.title for h in content.holes] == ["I · vggish · segmentation nonoverlap"]
    assert "–" in markdown.markdown(content)


def test_everything_is_written(tmp_path, accessible):
    runs = [*both(), *both("overlap_repo"), finished(trial("mlp"))]
    written = write.write(clips.content(runs, EXPECTED, OPTIONS), tmp_path)
    assert {"figure3.png", "confusion_1_1.png", "confusion_2_1.png"} <= {path.name for path in written.files}
    assert "VGGish started from random weights" in written.markdown
    accessible(tmp_path / "report.html")


def test_f1_and_calibration_of_clips_come_from_their_saved_logits():
    runs = [finished(trial())]
    texts = {run.run_id: run.text for run in runs}
    options = replace(OPTIONS, file=lambda run, path: texts[run] if path == "predictions.csv" else files(run, path))
    content = clips.content(runs, EXPECTED, options)
    (row,) = next(table for table in content.tables if table.key == "more").rows
    assert (row.metric, row.cells[0], row.cells[2]) == ("iemocap", "test UA of clips, validation loss", "4")
    (row,) = next(table for table in content.tables if table.key == "calibration").rows
    # Mean logits of RIGHT, MOST, TIED, LOST, of which the last is wrong.
    means = np.array([[2, 0, 0, 0], [1 / 3, 4 / 3, 0, 0], [0, 0, 1, 1 / 2], [2 / 3, 1 / 3, 0, 0]])
    chances = np.exp(means) / np.exp(means).sum(axis=1, keepdims=True)
    assert row.cells[3].value == pytest.approx(chances.max(axis=1).mean())
    assert row.cells[6].value == pytest.approx(-np.log(chances[range(4), range(4)]).mean())
