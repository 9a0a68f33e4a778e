"""The sheets of a report: in what runs differ from the study's file, how corpora were split, what no paper states."""

import json
from dataclasses import replace

import pytest
from matplotlib.figure import Figure
from releases import whole

from ser.data.manifest import Utterance
from ser.data.splits import prove, split
from ser.errors import BadInput
from ser.report import drawing, sheets, write
from ser.report.content import Cell, Content, Picture, Row, Table
from ser.report.deviations import Deviation, Sample, beyond, deviations, stated_origins
from ser.report.planned import stated_corpora
from ser.report.runs import Expected, UsedCorpus
from ser.report.splits import SplitRuns, few_tested
from ser.study import Origin, completed, load_study, override, part, trial_of
from ser.study.load import with_demo_budget
from ser.study.overrides import beyond_statements, check_origins
from ser.study.release import Release


def runs_of(study, stated=None):
    """Deviations of runs of every kind of ``study``'s grid from the study as ``stated``."""
    stated = stated or study
    used = [UsedCorpus(c.name, c.letter, c.tested) for c in stated.corpora]
    names = tuple(c.name for c in used)
    points = study.expand_folds(study.grid(study.corpora), {n: {"sd": 1, "si": 1, "": 1} for n in names}, {})
    samples = []
    for point in points:
        trial = trial_of(study, point, {c.name: c for c in study.corpora}, 0)
        samples.append(Sample(trial.params(), point))
    return deviations(stated, stated_corpora(stated, used), samples)


@pytest.mark.parametrize("name", ["interaffection", "mfcc_networks", "multilabel", "segments", "survey"])
def test_nothing_differs_where_nothing_was_changed_and_a_demo_differs_by_its_budget(name):
    study = load_study(name)
    for mode in study.modes:
        assert runs_of(study.in_mode(mode)) == ()
    found = runs_of(with_demo_budget(study), study)
    assert found
    assert all(d.is_budget for d in found), [d for d in found if not d.is_budget]


@pytest.mark.parametrize(
    ("path", "value", "here", "stated"),
    [
        ("lstm.units", 4, "4", "128"),
        ("tdnn.context", (-2, 0, 2), "-2,0,2", "-1,0,1"),
        ("blstm.dropout", 0.1, "0.1", "0.5"),
        ("training.class_weights", "none", "none", "inverse"),
        ("training.weight_decay", 0.5, "0.5", "1e-05"),
        ("front_end.floor", 0.5, "0.5", "1e-06"),
        ("normalise", "none", "none", "train"),
        ("augmentation", "none", "", "noise,vtlp,rir,mp3,bandpass,volume"),
        ("noise.snr_db", (0.0, 1.0), "0.0,1.0", "5.0,20.0"),
        ("ravdess.channels", ("song",), "song", "speech"),
        ("ravdess.seed", 7, "7", "0"),
        ("iemocap.test", ("4",), "4", "5"),
        ("classes", ("happy", "sad"), "happy,sad", "happy,angry,neutral,sad"),
        ("merge", (("excited", "happy"),), "('excited', 'happy')", ""),
    ],
)
def test_every_setting_is_told_and_no_other(path, value, here, stated):
    study = load_study("interaffection")
    changed = override(study, path, value)
    if path == "iemocap.test":
        changed = override(changed, "iemocap.val", ("5",))
    found = {d.path: d for d in runs_of(changed, study)}
    assert found.pop(path) == Deviation(path, here, stated)
    assert set(found) <= {"iemocap.val"}


def test_settings_of_systems_are_told_with_the_systems():
    study = load_study("survey")
    changed = override(override(study, "badshah.block.dropout", 0.1), "training.max_epochs", 3)
    found = {d.path: (d.runs, d.study) for d in runs_of(changed, study)}
    assert found == {
        "spectrogram_cnn.dropout (badshah)": ("0.1", "0.5"),
        "training.max_epochs": ("3", "80"),
    }


def test_what_a_search_draws_is_no_deviation():
    study = load_study("mfcc_networks")
    corpora = {c.name: c for c in study.corpora}
    drawn = {"training.learning_rate": 0.1, "cnn1d.filters": (64, 32)}
    role = part("candidate", number=3, varied=tuple(drawn))
    point = {"corpora": ("ravdess",), "block": "cnn1d", "fold": 2, "role": role, **drawn}
    for stated, expected in ((study, set()), (override(study, "training.epsilon", 0.5), {"training.epsilon"})):
        params = trial_of(stated, point, corpora, 0).params()
        assert {d.path for d in deviations(study, corpora, [Sample(params, None)])} == expected


def test_settings_of_search_reference_and_folds_are_told_though_no_statement_has_them():
    study = load_study("multilabel")
    assert beyond(study, beyond_statements(study)) == ()
    assert all(d.is_budget for d in beyond(study, beyond_statements(with_demo_budget(study))))
    changed = override(override(study, "search.candidates", 3), "reference", "none")
    found = {d.path: (d.runs, d.study) for d in beyond(study, beyond_statements(changed))}
    assert found == {"search.candidates": ("3", "20"), "reference": ("none", "logistic")}


def test_of_a_persons_own_corpus_only_the_split_is_compared():
    study = load_study("interaffection")
    used = [UsedCorpus("calls.v2", "X", True)]
    own = replace(study.corpora[3], name="calls.v2", letter="X")
    for rule, expected in ((own.split, {}), (own.split.changed(seed=3), {"calls.v2.seed": ("3", "0")})):
        corpora = {"calls.v2": replace(own, split=rule)}
        point = {"corpora": ("calls.v2",), "block": "lstm", "pooling": "mean", "task": "unified"}
        sample = Sample(trial_of(study, point, corpora, 0).params(), point)
        found = deviations(study, stated_corpora(study, used), [sample])
        assert {d.path: (d.runs, d.study) for d in found} == expected


# --- splits ---


def utterances(count=12, corpus="ravdess"):
    """Of each speaker ten, in two classes, of 36 seconds each."""
    return [
        Utterance(f"{corpus}/{s:02d}_{n}", corpus, "/x", f"{corpus}/{s:02d}", label, label, "FM"[s % 2],
                  seconds=36.0, sha=f"{s} {n}")
        for s in range(1, count + 1)
        for n, label in enumerate(["happy", "sad"] * 5)
    ]  # fmt: skip


def proved(*rules, corpus="ravdess", copies=0):
    """The splits of runs with these rules, as a report reads them."""
    gathered, files = SplitRuns(), {}
    for number, rule in enumerate(completed("splits", rule, corpus) for rule in rules):
        run = f"run{number}"
        files[run] = json.dumps(prove(split(corpus, utterances(corpus=corpus), rule)))
        params = {f"corpus.{corpus}.split.{k}": str(v) for k, v in rule.values().items()}
        gathered.add(run, {"corpora": corpus, f"corpus.{corpus}.split": rule.name, **params,
                           f"corpus.{corpus}.copies": str(copies), "augmentation": "noise,vtlp",
                           "augmentation.noise.source": "generated"})  # fmt: skip
    return gathered.splits.read(lambda run, path: files[run] if path == f"split/{corpus}.json" else None)


EXPECTED = Expected(
    "mine", "Mine", "interaffection", ("happy", "sad"), (UsedCorpus("ravdess", "R", True),), "", (), 1, (0,), False,
    **whole("interaffection", "ravdess"),
)  # fmt: skip


def test_the_split_sheet_says_who_is_tested_and_how_much_each_subset_has():
    rule = part("speakers", train=0.5, val=0.25, test=0.25, seed=0)
    table = sheets.split_table(proved(rule, copies=7))
    rows = {row.name: dict(zip(table.columns, row.cells, strict=True)) for row in table.rows}
    assert [rows[side]["Utterances"] for side in ("train", "val", "test")] == ["60", "30", "30"]
    assert rows["train"]["Hours"] == "0.6"
    assert rows["test"]["Per class"] == "happy 15, sad 15"
    assert (rows["train"]["Copies"], rows["train"]["Seeds"], rows["train"]["Folds"]) == ("7", "0", "none")
    assert rows["test"]["Speakers"].startswith("3: ")
    assert "noise (generated), vtlp" in table.explanation
    assert "train 0.5" in rows["train"]["Rule"]


def test_the_split_sheet_says_how_many_speakers_are_in_several_subsets():
    table = sheets.split_table(proved(part("random", train=0.8, val=0.1, test=0.1, seed=0)))
    assert table.rows[0].cells[0].startswith("random (")
    assert table.rows[0].cells[0].endswith("; 11 speakers are in several subsets")
    grouped = part("grouped", by="speaker", folds=4, fold=1, seed=0)
    assert sheets.split_table(proved(grouped)).rows[0].cells[0] == "grouped (by speaker, folds 4)"


def test_folds_and_seeds_are_one_way_and_the_tested_speakers_those_of_all():
    rules = [part("leave_one_out", by="speaker", fold=fold, songs=False) for fold in range(1, 13)]
    splits = proved(*rules)
    table = sheets.split_table(splits)
    test = next(row for row in table.rows if row.name == "test")
    assert test.cells[1] == f"12: {', '.join(f'{s:02d}' for s in range(1, 13))}"
    assert test.cells[2] == "10"
    assert table.rows[0].cells[5] == ", ".join(map(str, range(1, 13)))
    assert few_tested(splits) == []  # 12 speakers, 120 utterances


def test_few_tested_are_said_to_be_few():
    splits = proved(part("speakers", train=0.8, val=0.1, test=0.1, seed=0))
    (note,) = few_tested(splits)
    assert note.startswith("Few are tested on ravdess: 1 speaker, 10 utterances; intervals by speaker mean little")
    assert "each utterance is 10.0 points of WA" in note
    made = Content.of(replace(EXPECTED, splits=splits), (), tables=[], notes=[])
    assert note in made.notes


def test_of_very_many_splits_some_are_read():
    gathered, asked = SplitRuns(), []
    for fold in range(1, 101):
        gathered.add(f"run{fold}", {"corpora": "a", "corpus.a.split": "grouped", "corpus.a.split.fold": str(fold)})
        gathered.add(f"again{fold}", {"corpora": "a", "corpus.a.split": "grouped", "corpus.a.split.fold": str(fold)})
    proof = json.dumps({"utterances": {"test": 5}, "speakers": {"test": ["a/x"]}, "per_class": {"test": {"sad": 5}}})
    splits = gathered.splits.read(lambda run, path: asked.append(run) or proof)
    assert len(asked) == 60
    assert all(run.startswith("run") for run in asked)
    assert "Of 100 splits 40 are not read" in sheets.split_table(splits).explanation
    assert sheets.split_table(splits).rows[0].cells[3] == "–"  # a proof of an older run tells no hours


# --- in the report ---


def with_numbers():
    return Table("t", "T", "Why.", ("A",), (Row("", "x", (Cell(0.5),), paper=(60.0,)),), brief=True)


def test_tables_with_a_papers_numbers_say_that_settings_differ(tmp_path):
    told = (Deviation("lstm.units", "4", "128"), Deviation("training.max_epochs", "7", "500", is_budget=True))
    picture = Picture("p", "Figure 7.", drawing.begin(Figure, "p", ""), quotes=True)
    made = Content.of(replace(EXPECTED, deviations=told), (), tables=[with_numbers()], notes=[], pictures=[picture])
    assert made.pictures[0].caption.startswith("Figure 7. Ours are of other settings than the paper's: 2 settings")
    assert made.badges == (
        "corpora: 1 whole release",
        "demo's budget: 2 settings differ from the study, see Deviations",
    )
    done = write.write(made, tmp_path)
    warning = "Ours are of other settings than the paper's: 2 settings differ from the study"
    for name in ("tables.md", "tables.tex", "report.html"):
        text = (tmp_path / name).read_text().replace("&#39;", "'")
        assert warning in text, name
        assert "paper, other settings" in text, name
    assert '60.0,"paper, other settings"' in (tmp_path / "tables.csv").read_text()
    assert "| lstm.units          | 4    | 128   |               |" in done.markdown
    assert "| training.max_epochs | 7    | 500   | demo's budget |" in done.markdown


def test_of_deviations_that_are_no_budget_nothing_is_said_of_why():
    told = replace(EXPECTED, deviations=(Deviation("lstm.units", "4", "128"),))
    assert sheets.deviations(told).columns == ("Here", "Study")
    assert sheets.deviations(told).rows[0].cells == ("4", "128")


def test_without_deviations_nothing_is_marked(tmp_path):
    done = write.write(Content.of(EXPECTED, (), tables=[with_numbers()], notes=[]), tmp_path)
    assert "other settings" not in done.markdown
    assert "| paper |" in done.markdown
    assert "differs from the study as its file states it. None." in done.markdown


def test_the_corpora_are_described():
    own = replace(EXPECTED, corpora=(UsedCorpus("calls", "C", False),), **whole("interaffection", calls="own"))
    (row,) = sheets.corpora(own).rows
    assert (row.name, *row.cells[:2], row.cells[5], row.cells[7]) == (
        "calls",
        "C",
        "your own table calls.csv",
        "–",
        "train only",
    )


def test_languages_of_the_corpora_are_named():
    releases = {"calls": Release("own", file="calls.csv", languages={"pt-BR": 4, "": 2, "de": 1})}
    own = replace(EXPECTED, corpora=(UsedCorpus("calls", "C", True),), releases=releases)
    table = sheets.corpora(own)
    assert table.columns[5] == "Languages"
    assert table.rows[0].cells[5] == "Portuguese (pt-BR), German (de)"


# --- origins ---


def test_origins_are_paths_of_settings_or_their_beginnings():
    study = replace(load_study("interaffection"), origins=(Origin("lstm.units", "ours", "because"),))
    check_origins(study)
    assert [(s.value, s.origin.why) for s in stated_origins(study)] == [("128", "because")]
    several = replace(study, origins=(Origin("noise", "ours", "because"),))
    check_origins(several)
    assert stated_origins(several)[0].value == ""
    with pytest.raises(BadInput, match=r"lstm\.unit.*lstm\.units"):
        check_origins(replace(study, origins=(Origin("lstm.unit", "ours", "because"),)))
    with pytest.raises(BadInput, match="reading"):
        Origin("lstm.units", "mine", "because")
    rows = sheets.origins(replace(EXPECTED, origins=stated_origins(study))).rows
    assert rows[0].cells == ("128", "this study", "because")


def test_what_a_study_states_of_corpora_that_are_not_used_is_not_listed():
    study = load_study("interaffection")
    paths = {stated.origin.path for stated in stated_origins(study, ["ravdess"])}
    assert {"ravdess.channels", "training.batch_size", "noise"} <= paths
    assert not any(path.startswith(("iemocap.", "tess.", "customer.")) for path in paths)
