"""The report of pretrained encoders: made runs, values by hand and by scipy, holes, and Table 4 of Ma et al. 2024."""

import doctest
import json
from dataclasses import replace

import numpy as np
import pytest
from listed_files import emobox as listed
from listed_files import needs_metadata
from releases import whole
from scipy.stats import friedmanchisquare

from ser.report import write
from ser.report.encoders import baselines, compared, emobox, published, tables, weights
from ser.report.encoders import content as encoders
from ser.report.encoders.results import Case, bench_of
from ser.report.runs import Expected, Finished, Options, UsedCorpus

CLASSES = ("angry", "happy", "neutral", "sad")
WHISPER, WAVLM = "whisper-1280x33-1.320-0123456789ab", "wavlm-768x13-400.320-ba9876543210"
NAMES = {"whisper": WHISPER, "wavlm": WAVLM}
NEVER = Options(replicates=0)
FOLDS, SPEAKERS, EACH = (1, 2), 3, 8  # of each fold, and utterances of each speaker
LAYERS = (0, 1, 2)
# Right utterances of each speaker's eight, by encoder and layer, with logistic regression on emodb.
RIGHT = {("whisper", 0): 3, ("whisper", 1): 6, ("whisper", 2): 4, ("wavlm", 0): 2, ("wavlm", 1): 5, ("wavlm", 2): 7}


def predictions(corpus, fold, right, classes=CLASSES, each=EACH):
    """Each speaker's utterances, of which the first so many are right: ``right`` a number, or a list by speaker."""
    lines = ["corpus,uid,label,predicted,speaker,sex,session,sentence"]
    for who in range(SPEAKERS):
        count = right[who] if isinstance(right, list) else right
        for i in range(each):
            label, other = classes[i % len(classes)], classes[(i + 1) % len(classes)]
            lines.append(f"{corpus},{fold}/{who}/{i},{label},{label if i < count else other},{fold}-{who},F,,")
    return "\n".join(lines) + "\n"


def run(encoder, layers, right, corpus="emodb", fold=1, seed=0, **params):
    settings = {
        "front_end": "pretrained", "front_end.encoder": encoder, "front_end.layers": str(layers),
        "front_end.statistics": "mean,std", "block": "logistic", "pooling": "none", "normalise": "train",
        "corpora": corpus, "classes": ",".join(CLASSES), "seed": str(seed), "study": "encoders", "role": "grid",
        f"corpus.{corpus}.split": "leave_one_out", f"corpus.{corpus}.split.by": "session",
        f"corpus.{corpus}.split.fold": str(fold), f"corpus.{corpus}.fingerprint": "f00",
    } | params  # fmt: skip
    words = (settings["block"], encoder, layers, settings["normalise"], *params.values())
    title = f"{corpus} · {' '.join(map(str, words))} · fold {fold}" + (f" · seed {seed}" if seed else "")
    return Finished(title, f"run {title}", title, settings, {}, "", predictions(corpus, fold, right))


def system(name, right, fold=1, study="encoders", corpus="emodb", seed=0, **params):
    """A run of a whole system on the same folds."""
    own = run("", "", right, corpus, fold, seed, role="system", study=study, **{"role.system": name} | params)
    return replace(own, run_id=f"{study} {own.run_id}", title=f"{name} {study} · fold {fold}")


def folds_of(encoder, layers, right, folds=FOLDS, **rest):
    return [run(encoder, layers, right, fold=fold, **rest) for fold in folds]


def expected(runs, corpora=("emodb",), seeds=(0,), **changes):
    """All these runs are to be."""
    trials = []
    for one in runs:
        corpus = one.params["corpora"]
        point = {"corpora": (corpus,), "normalise": one.params["normalise"], "seed": int(one.params["seed"])}
        point |= {name: one.params[name] for name in ("front_end.encoder", "front_end.layers", "block")}
        point |= {"fold": int(one.params[f"corpus.{corpus}.split.fold"])}
        point |= {"system": one.params["role.system"]} if "role.system" in one.params else {}
        trials.append((one.title, point))
    used = tuple(UsedCorpus(name, name[0].upper(), True) for name in corpora)
    kept = Expected("encoders", "Encoders", "encoders", (), used, "", tuple(trials), len(trials), seeds, False)
    return replace(kept, encoders=NAMES, **changes)


def grid(right=RIGHT, **rest):
    return [one for (encoder, layer), count in right.items() for one in folds_of(encoder, layer, count, **rest)]


def file_of(runs, **others):
    """Predictions of these runs, and further files of all."""
    texts = {one.run_id: one.text for one in runs}

    def file(run_id, path):
        return texts.get(run_id) if path == "predictions.csv" else others.get(path)

    return file


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Without figures, which take most of the time."""
    monkeypatch.setattr(encoders, "_pictures", lambda *_: ())


def content(runs, planned=None, options=NEVER, **changes):
    return encoders.content(iter(runs), planned or expected(runs, **changes), options)


def table(made, key):
    return next(t for t in made.tables if t.key == key)


def rows(made, key):
    return {(row.metric, row.name): row for row in table(made, key).rows}


def keys(made):
    return [t.key for t in made.tables]


# --- the best ---


def test_the_best_layer_of_every_encoder_and_the_best_encoder():
    made = content(grid())
    best = rows(made, "best")
    assert best["emodb", "whisper"].cells[:2] == ("1", "logistic")
    assert [cell.value for cell in best["emodb", "wavlm"].cells[2:4]] == [7 / 8, 7 / 8]
    assert [(row.n, row.of) for row in best.values()] == [(3, 3), (3, 3)]
    (lead,) = table(made, "encoders").rows
    assert (lead.name, lead.cells[0], lead.cells[4]) == ("wavlm", "2", "whisper")
    assert lead.cells[5].value == pytest.approx(1 / 8)
    assert lead.cells[7:] == ("25.0", "48 utterances, 6 speakers")
    assert (made.done, made.expected, made.holes) == (12, 12, ())


def test_normalised_by_speaker_is_a_case_of_its_own():
    runs = [*grid(), *folds_of("whisper", 2, 8, normalise="speaker")]
    made = content(runs)
    assert [row.metric for row in table(made, "encoders").rows] == ["emodb", "emodb, by speaker"]
    assert rows(made, "best")["emodb, by speaker", "whisper"].cells[0] == "2"
    effects = rows(made, "effects")
    row = effects["Normalised", "by speaker − by training set"]
    assert (row.cells[0].value, row.cells[1]) == (pytest.approx(4 / 8), "1 of 1")


def test_a_missing_fold_is_a_hole_and_its_layer_is_no_candidate():
    """Of wavlm's best layer one fold is missing: the next best is shown, and no case of encoders counts."""
    planned = expected(grid())
    runs = [one for one in grid() if not (one.params["front_end.encoder"] == "wavlm" and one.text and
            one.params["front_end.layers"] == "2" and one.params["corpus.emodb.split.fold"] == "2")]  # fmt: skip
    made = content(runs, planned)
    best = rows(made, "best")["emodb", "wavlm"]
    assert (best.cells[0], best.cells[3].value, best.n, best.of) == ("1", 5 / 8, 2, 3)
    hole = next(row for row in table(made, "results").rows if row.name == "2" and row.cells[0] == "wavlm")
    assert np.isnan(hole.cells[2].value)
    assert len(made.holes) == 1
    assert any(note.startswith("Left out: runs that lack folds") for note in made.notes)
    assert "Encoder" not in {row.metric for row in table(made, "effects").rows if row.n}


def test_seeds_are_averaged():
    runs = [*folds_of("whisper", 1, 4), *folds_of("whisper", 1, 6, seed=1)]
    row = rows(content(runs, seeds=(0, 1)), "best")["emodb", "whisper"]
    assert row.cells[3].value == pytest.approx(5 / 8)
    every = table(content(runs, seeds=(0, 1)), "results").rows[0]
    assert (every.n, every.of) == (2, 2)
    assert every.cells[4].value == pytest.approx(np.std([0.5, 0.5, 0.75, 0.75], ddof=1))


def test_a_single_encoder_of_one_layer_has_no_comparisons():
    made = content(folds_of("whisper", "last", 5))
    assert table(made, "encoders").rows[0].cells[4:7] == ("–", pytest.approx(table(made, "encoders").rows[0].cells[5],
                                                          nan_ok=True), "–")  # fmt: skip
    assert not {"effects", "proportions", "best_set", "pairs", "best_validation"} & set(keys(made))


def test_without_runs_everything_is_a_hole():
    made = content([], expected(grid()))
    assert (made.done, made.expected) == (0, 12)
    assert [(row.n, row.of) for row in table(made, "best").rows] == [(0, 3), (0, 3)]
    assert "systems" not in keys(made)


def test_validation_chooses_layers_of_networks_in_each_fold():
    """Fold 1 validates layer 0 best, fold 2 layer 1; logistic regression has no validation."""
    ua = {(0, 1): 0.9, (0, 2): 0.3, (1, 1): 0.4, (1, 2): 0.8}
    runs = [
        replace(run("whisper", layer, 2 + 4 * layer, fold=fold, block="linear"), scores={"objective/ua/emodb": value})
        for (layer, fold), value in ua.items()
    ]
    row = rows(content([*runs, *grid()]), "best_validation")["emodb", "whisper"]
    layer, head, times, validation, wa, ua, _, best, optimism = row.cells
    assert (layer, head, times) == ("0", "linear", "1 of 2")
    assert (validation.value, wa.value, ua.value) == (pytest.approx(0.85), pytest.approx(4 / 8), pytest.approx(4 / 8))
    assert (best.value, optimism.value) == (pytest.approx(6 / 8), pytest.approx(2 / 8))
    assert (row.n, row.of) == (2, 5)


def test_values_that_follow_from_others_are_no_setting_of_their_own():
    """How frames are stored goes with the head; a learning rate tells two settings apart."""
    runs = folds_of("whisper", 1, 4) + [
        one
        for rate, right in (("0.1", 5), ("0.2", 6))
        for one in folds_of("whisper", 1, right, block="dense", **{"front_end.stored": "float16", "training.lr": rate})
    ]
    points = [dict(point, **{k: v for k, v in one.params.items() if k in ("front_end.stored", "training.lr")})
              for one, (_, point) in zip(runs, expected(runs).trials, strict=True)]  # fmt: skip
    planned = expected(runs)
    planned = replace(planned, trials=tuple((one.title, p) for one, p in zip(runs, points, strict=True)))
    bench = bench_of(runs, planned, NEVER)
    assert {s.others for s in bench.settings.values()} == {"", "lr 0.1", "lr 0.2"}


def test_heads_of_several_inputs_say_which():
    frames = {"block": "dense", "front_end.statistics": ""}
    runs = [*folds_of("whisper", "last", 4, block="dense"), *folds_of("whisper", "last", 5, **frames)]
    bench = bench_of(runs, expected(runs), NEVER)
    assert {s.head for s in bench.settings.values()} == {"dense of mean,std", "dense of frames"}


# --- comparisons ---


def several_corpora():
    """Four corpora, on which whisper, wavlm and hubert come in this order but on the last."""
    order = {"emodb": (7, 6, 5), "iemocap": (6, 5, 3), "savee": (5, 4, 2), "tess": (3, 4, 5)}
    return [
        one
        for corpus, counts in order.items()
        for encoder, right in zip(("whisper", "wavlm", "hubert"), counts, strict=True)
        for one in folds_of(encoder, "last", right, corpus=corpus)
    ], order


def test_ranks_over_corpora_are_friedmans():
    runs, order = several_corpora()
    bench = bench_of(runs, expected(runs, tuple(order)), NEVER)
    rivals = compared.compared(bench, compared.kinds(bench)[0])
    assert rivals.options == (("whisper",), ("wavlm",), ("hubert",))
    assert rivals.corpora == tuple(order)
    np.testing.assert_allclose(rivals.point["ua"], np.array(list(order.values())) / 8)
    from ser.report.ranks import friedman

    ours, theirs = friedman(rivals.point["ua"]), friedmanchisquare(*np.array(list(order.values())).T)
    assert (ours.chi_square, ours.p) == (pytest.approx(theirs.statistic), pytest.approx(theirs.pvalue))


def test_shares_of_cases_by_hand():
    """Whisper wins three corpora of four; of its layers 1 wins with both heads, which differ once."""
    runs, order = several_corpora()
    found = rows(content(runs, corpora=tuple(order)), "proportions")
    shares = {name: (row.cells[1].value, row.n, row.of) for (kind, name), row in found.items() if kind == "Encoder"}
    assert shares == {"whisper": (0.75, 4, 4), "wavlm": (0, 4, 4), "hubert": (0.25, 4, 4)}
    runs = [
        *grid(),
        *grid({key: count + 1 - 2 * (key == ("wavlm", 2)) for key, count in RIGHT.items()}, block="linear"),
    ]
    found = rows(content(runs), "proportions")
    assert [found["Layer of whisper", str(layer)].cells[1].value for layer in LAYERS] == [0, 1, 0]
    wins = found["Layer of wavlm", "1"].cells[1].value, found["Layer of wavlm", "2"].cells[1].value
    assert wins == (0.25, 0.75)  # with linear both have 6 of 8
    assert found["Head", "linear"].cells[1].value == pytest.approx(5 / 6)
    assert found["Encoder", "wavlm"].cells[1].value == pytest.approx(1 / 2)  # 7 to 6, then 6 to 7


def test_a_planted_difference_is_tested_over_speakers():
    rng = np.random.default_rng(3)
    noise = {(name, fold): rng.integers(-1, 2, size=SPEAKERS) for name in NAMES for fold in FOLDS}
    runs = [
        run(name, "last", (3 + 4 * (name == "wavlm") + noise[name, fold]).tolist(), fold=fold)
        for name in NAMES
        for fold in FOLDS
    ]
    made = content(runs, options=Options(replicates=400))
    row = rows(made, "effects")["Encoder", "wavlm − whisper"]
    truth = 4 / 8 + (np.mean([noise["wavlm", f] for f in FOLDS]) - np.mean([noise["whisper", f] for f in FOLDS])) / 8
    assert row.cells[0].value == pytest.approx(truth)
    assert row.cells[0].low > 0.2
    assert row.cells[2] == table(made, "encoders").rows[0].cells[6]  # of one case both are one test
    (lead,) = table(made, "encoders").rows
    assert lead.cells[5].low == pytest.approx(row.cells[0].low)
    assert lead.cells[6].startswith("<") or float(lead.cells[6]) < 0.05


# --- systems ---


def test_systems_stand_beside_the_best_only_on_its_folds():
    ours = grid()
    same = [system("wu_lda", 5, fold) for fold in FOLDS]
    elsewhere = [system("wang", 8, fold, study="survey", **{"corpus.emodb.split": "stratified"}) for fold in FOLDS]
    half = [system("yoon", 8, 1, study="survey")]
    theirs = [system("mfcc_svm", 6, fold, study="survey") for fold in FOLDS]
    others = [replace(one, text="") for one in (*elsewhere, *half, *theirs)]
    options = Options(replicates=50, file=file_of([*ours, *theirs]), others=lambda study: others)
    made = content([*ours, *same], options=options)
    found = rows(made, "systems")
    assert list(found) == [("emodb", "mfcc_svm"), ("emodb", "wu_lda")]
    row = found["emodb", "mfcc_svm"]
    assert (row.cells[0], row.cells[2]) == ("wavlm · layer 2 · logistic", "survey")
    assert [row.cells[i].value for i in (1, 3, 4, 5, 6)] == pytest.approx([7 / 8, 6 / 8, 6 / 8, 1 / 8, 1 / 8])
    assert found["emodb", "wu_lda"].cells[2] == "this study"
    assert (row.n, row.of) == (2, 4)
    assert made.done == len(ours) + len(same)


def test_systems_of_other_seeds_are_compared_on_the_seeds_of_both():
    ours = [one for seed, right in ((0, 4), (1, 6)) for one in folds_of("whisper", 1, right, seed=seed)]
    theirs = [system("wu_lda", 2, fold, study="survey") for fold in FOLDS]
    options = Options(replicates=0, file=file_of([*ours, *theirs]), others=lambda study: theirs)
    (row,) = table(content(ours, seeds=(0, 1), options=options), "systems").rows
    assert (row.cells[1].value, row.cells[4].value) == (4 / 8, 2 / 8)


def test_where_no_system_has_the_folds_the_table_says_why():
    theirs = [system("wu_lda", 2, fold, study="survey", classes="angry,sad") for fold in FOLDS]
    options = replace(NEVER, file=file_of(grid()), others=lambda study: theirs)
    (row,) = table(content(grid(), options=options), "systems").rows
    assert (row.name, row.cells[2], row.n, row.of) == ("–", "on other folds only", 0, 1)
    (row,) = table(content(grid()), "systems").rows
    assert (row.cells[2], row.of) == ("none was run", 0)


def test_what_was_learned_from_is_said_where_it_differs():
    both = {"training.learns_from": "train_and_validation"}
    theirs = [system("wu_lda", 2, fold, **both) for fold in FOLDS]
    ours = grid(**{"training.learns_from": "train"})
    options = replace(NEVER, file=file_of(ours))
    (note,) = [n for n in content([*ours, *theirs], options=options).notes if n.startswith("Encoders learned")]
    assert "from train, systems from train and validation" in note
    same = content([*grid(**both), *theirs], options=replace(NEVER, file=file_of(grid(**both))))
    assert not any(n.startswith("Encoders learned") for n in same.notes)


# --- weights of layers ---


def test_weights_of_layers_are_means_over_runs():
    runs = folds_of("whisper", "all", 5, block="linear")
    shares = {runs[0].run_id: [0.2, 0.5, 0.3], runs[1].run_id: [0.4, 0.5, 0.1]}

    def file(run_id, path):
        text = json.dumps({"weights": {str(k): share for k, share in enumerate(shares[run_id])}})
        return text if path == weights.FILE else None

    found = table(content(runs, options=replace(NEVER, file=file)), "layer_weights").rows
    assert [row.cells[2].value for row in found] == pytest.approx([0.3, 0.5, 0.2])
    assert [row.cells[3].value for row in found] == pytest.approx([np.sqrt(0.02), 0, np.sqrt(0.02)])
    assert next((row.name, row.cells[:2], row.n, row.of) for row in found) == ("0", ("whisper", "linear"), 2, 2)
    assert "layer_weights" not in keys(content(runs))


# --- Ma et al. 2024 ---


def test_doctests():
    assert doctest.testmod(published).failed == 0


def test_table_4_is_complete_and_plausible():
    assert len(published.MODELS) == 10
    for corpus in published.PROTOCOLS:
        for model in published.MODELS:
            values = [published.printed("table4", corpus, model.name, column) for column in published.COLUMNS]
            assert all(40 < value <= 100 for value in values), (corpus, model)
    assert published.printed("table4", "emodb", "WavLM large", "WA") == 92.67  # bold in the paper
    assert published.printed("table4", "savee", "data2vec 2.0 base", "UA") == 72.65
    assert published.printed("table4", "casia", "WavLM large", "WA") is None
    on_tess = [published.printed("table4", "tess", model.name, "UA") for model in published.MODELS]
    assert on_tess == [published.printed("table4", "tess", model.name, "WA") for model in published.MODELS]  # balanced
    assert sum(published.PROTOCOLS["iemocap"].tested) == 5531
    assert sum(published.PROTOCOLS["savee"].tested) == 480


@pytest.fixture
def small(monkeypatch):
    """IEMOCAP of two folds with 24 utterances each, and SAVEE as it is."""
    protocol = replace(published.PROTOCOLS["iemocap"], tested=(24, 24))
    monkeypatch.setitem(emobox.PROTOCOLS, "iemocap", protocol)


def test_printed_numbers_stand_beside_ours_where_corpus_and_folds_are_theirs(small):
    theirs = {"block": "dense", "block.frame_units": "256", "block.layers": "0", "block.statistics": "mean",
              "block.activation": "relu", "front_end.statistics": ""}  # fmt: skip
    runs = [
        *folds_of("whisper", 1, 7, corpus="iemocap"),
        *folds_of("whisper", "last", 5, corpus="iemocap", **theirs),
        *folds_of("wavlm", 1, 6, corpus="iemocap"),
        *folds_of("wavlm", 1, 8, corpus="iemocap", normalise="speaker"),
        *folds_of("whisper", 1, 7),
    ]
    proved = whole("encoders", "iemocap", "emodb")
    found = rows(content(runs, corpora=("iemocap", "emodb"), **proved), "table4")
    row = found["iemocap", "Whisper large v3"]
    assert row.paper == (73.54, 72.86, 73.11)
    assert (row.cells[0].value, row.cells[3:6]) == (5 / 8, ("whisper", "last", "dense"))
    assert found["iemocap", "WavLM base"].cells[0].value == 6 / 8  # never normalised by speaker
    missing = found["iemocap", "HuBERT large"]
    assert (missing.paper, np.isnan(missing.cells[0].value), missing.n) == ((67.42, 66.69, 67.24), True, 0)
    own_lists = found["emodb", "none"]
    assert own_lists.cells[3].startswith("other folds or classes than theirs: five lists of 107 utterances")
    assert own_lists.paper == ()


def test_their_lists_by_the_rule_given_are_known_by_the_names_of_the_recordings(monkeypatch):
    runs = folds_of("whisper", "last", 5, **{"corpus.emodb.split": "given"})
    names = [[f"{fold}/{who}/{i}" for who in range(SPEAKERS) for i in range(EACH)] for fold in FOLDS]
    lists = tuple(emobox.digest_of(name.rpartition("/")[2] for name in fold) for fold in names)
    theirs = replace(published.PROTOCOLS["emodb"], tested=(24, 24), classes=frozenset(CLASSES), lists=lists)
    for protocol, is_shown in ((theirs, True), (replace(theirs, lists=(lists[0], "0" * 16)), False)):
        monkeypatch.setitem(emobox.PROTOCOLS, "emodb", protocol)
        made = content(runs, options=replace(NEVER, file=file_of(runs)), **whole("encoders", "emodb"))
        found = rows(made, "table4")
        assert (("emodb", "Whisper large v3") in found) == is_shown
    assert found["emodb", "none"].cells[3].startswith("other folds or classes than theirs")


@needs_metadata
@pytest.mark.parametrize(("corpus", "name"), [("emodb", "emodb"), ("crema_d", "cremad"), ("tess", "tess")])
def test_lists_are_those_of_the_metadata(corpus, name):
    found = []
    for fold in range(1, len(published.PROTOCOLS[corpus].lists) + 1):
        table = listed(f"{name}/fold_{fold}/{name}_test_fold_{fold}.jsonl")
        found.append(emobox.digest_of(row["wav"].rpartition("/")[2].rpartition(".")[0] for row in table))
    assert tuple(found) == published.PROTOCOLS[corpus].lists


@pytest.mark.parametrize(
    ("params", "folds"),
    [
        ({"corpus.iemocap.split": "grouped"}, FOLDS),
        ({"corpus.iemocap.split.by": "speaker"}, FOLDS),
        ({"classes": "angry,happy,neutral,sad,surprise"}, FOLDS),
        ({}, (1, 3)),
    ],
)
def test_on_other_folds_or_classes_nothing_is_printed(small, params, folds):
    runs = folds_of("whisper", "last", 5, folds, corpus="iemocap", **params)
    (row,) = table(content(runs, corpora=("iemocap",), **whole("encoders", "iemocap")), "table4").rows
    assert row.paper == ()
    assert row.cells[3].startswith("other folds or classes than theirs")


def test_a_corpus_that_is_not_the_release_says_so(small):
    runs = [*folds_of("whisper", "last", 5, corpus="iemocap"), *folds_of("whisper", "last", 5, corpus="savee")]
    proved = whole("encoders", "iemocap", savee="part")
    found = rows(content(runs, corpora=("iemocap", "savee"), **proved), "table4")
    assert found["savee", "none"].cells[3] == "savee is part of the release"
    assert "table4" not in keys(content(runs, corpora=("iemocap", "savee")))


def test_random_weights_are_said_at_the_top():
    made = content(grid(), notes=("encoder wavlm: its weights are random; results say nothing",))
    assert "random weights: wavlm" in made.badges
    assert content(grid(), demo=True).badges == ()


# --- figures ---


def svg(picture):
    assert picture.png.startswith(b"\x89PNG")
    return picture.svg


def test_layer_profiles_have_a_line_for_each_encoder_and_a_panel_for_each_corpus():
    runs = [*grid(), *grid(corpus="iemocap"), *grid(normalise="speaker")]
    bench = bench_of(runs, expected(runs, ("emodb", "iemocap")), Options(replicates=20))
    picture = figures_of(bench)["layers"]
    assert all(word in svg(picture) for word in ("whisper", "wavlm", "emodb", "iemocap", "normalised by speaker"))
    assert "with the head logistic" in picture.caption
    one = bench_of(grid(), expected(grid()), NEVER)
    assert "layers" in figures_of(one)
    last = bench_of(folds_of("whisper", "last", 5), expected(folds_of("whisper", "last", 5)), NEVER)
    assert "layers" not in figures_of(last)


def test_the_heat_map_has_values_counts_and_holes():
    runs = [*grid(), *folds_of("whisper", 1, 4, corpus="iemocap")]
    lacking = [*folds_of("wavlm", 1, 4, corpus="iemocap"), *folds_of("whisper", 2, 4, corpus="iemocap")]
    planned = expected([*runs, *lacking], ("emodb", "iemocap"))
    drawn = svg(figures_of(bench_of(runs, planned, NEVER))["encoders_by_corpora"])
    for text in ("87.5", "75.0", "50.0", "n = 3", "n = 1 / 2", "–"):
        assert text in drawn
    assert "encoders_by_corpora" not in figures_of(bench_of([], planned, NEVER))


def figures_of(bench):
    from ser.report.encoders import figures as drawn

    pictures = [drawn.layer_profiles(bench), drawn.heat_map(bench)]
    return {picture.name: picture for picture in pictures if picture}


def test_weight_profiles_are_drawn():
    from ser.report.encoders import figures as drawn
    from ser.report.encoders.weights import LayerWeights

    bench = bench_of(grid(), expected(grid()), NEVER)
    setting = next(iter(bench.settings.values()))
    one = LayerWeights(Case("emodb", "train"), setting, np.array([[0.2, 0.8], [0.4, 0.6]]), 2)
    assert "equal weights" in svg(drawn.weight_profiles(bench, [one]))
    assert drawn.weight_profiles(bench, []) is None


def test_names_of_tables_are_unique():
    made = content(grid(), options=replace(NEVER, file=file_of(grid())))
    assert len(set(keys(made))) == len(keys(made))
    assert all(len(row.cells) == len(t.columns) for t in made.tables for row in t.rows)
    assert [t.key for t in (tables.best(bench_of(grid(), expected(grid()), NEVER)),)] == ["best"]
    assert baselines.SURVEY == "survey"


def test_everything_is_written(tmp_path, accessible, monkeypatch):
    runs = grid()
    bench = bench_of(runs, expected(runs), NEVER)
    monkeypatch.setattr(encoders, "_pictures", lambda *_: tuple(figures_of(bench).values()))
    written = write.write(content(runs, options=replace(NEVER, file=file_of(runs))), tmp_path)
    assert {"report.html", "tables.tex"} <= {path.name for path in written.files}
    accessible(tmp_path / "report.html")


def test_a_point_that_states_nothing_has_what_runs_of_its_head_have():
    """Vectors are the study's default; only the points of frames state their statistics."""
    frames = {"block": "dense", "front_end.statistics": "", "role.varied": "front_end.layers,front_end.statistics"}
    runs = [one for layer in LAYERS for one in folds_of("whisper", layer, 4, **{"role.varied": "front_end.layers"})]
    runs += folds_of("whisper", "last", 5, **frames)
    runs = [replace(one, params=one.params | {"task": "unified"}) for one in runs]
    planned = expected(runs)
    stated = tuple(
        (title, dict(point, **{"front_end.statistics": (), "task": "unified"} if point["block"] == "dense" else {}))
        for title, point in planned.trials
    )
    bench = bench_of(runs[2:], replace(planned, trials=stated), NEVER)  # the first layer is to come
    within = bench.within(Case("emodb", "train"))
    assert [
        (s.layers, s.head, result is not None) for s, result in sorted(within.items(), key=lambda p: p[0].layers)
    ] == [
        ("0", "logistic", False),
        ("1", "logistic", True),
        ("2", "logistic", True),
        ("last", "dense", True),
    ]
    assert {setting.others for setting in within} == {""}
