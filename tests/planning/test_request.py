"""From what a person named to a plan: corpora found, settings applied, features built, nothing guessed."""

import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ser.corpora import emobox, emodb, manifest_csv
from ser.data import audio
from ser.errors import BadInput
from ser.features.store import Store
from ser.planning import request as requests
from ser.planning.request import CorpusRequest, Request, bring, locate, plan_of
from ser.study.load import load_study

QUICK = (("augmentation", "none"),)


@contextmanager
def no_bar(title):
    yield lambda done, of: None


@pytest.fixture
def own(tmp_path):
    """A table of one's own beside the paper's corpora."""
    return manifest_csv.miniature(tmp_path / "own") / "manifest.csv"


def names(chosen):
    return [name for name, _, _ in chosen]


def test_finds_the_studys_corpora_in_its_order(data, paper):
    assert names(locate([data], [], paper)) == ["iemocap", "tess", "ravdess", "customer"]


def test_the_order_of_writing_is_no_difference(data, paper):
    backwards = [CorpusRequest(name) for name in ("ravdess", "tess", "iemocap")]
    assert names(locate([data], backwards, paper)) == ["iemocap", "tess", "ravdess"]


def test_corpora_of_ones_own_come_after_the_studys_by_name(data, paper, own):
    wanted = [CorpusRequest("zeta", own), CorpusRequest("alpha", own), CorpusRequest("ravdess")]
    assert names(locate([data], wanted, paper)) == ["ravdess", "alpha", "zeta"]


def test_a_path_given_outweighs_what_is_found(data, paper, own):
    ((_, loader, path),) = locate([data], [CorpusRequest("customer", own)], paper)
    assert (loader, path) == ("manifest_csv", own)


def test_a_corpus_that_is_not_found_says_what_is_and_how_to_name_it(data, paper):
    with pytest.raises(BadInput, match=r"'savee'.*ravdess, tess; say where: savee=PATH"):
        locate([data], [CorpusRequest("savee")], paper)


def test_a_folder_that_is_not_there_is_refused(paper, tmp_path):
    with pytest.raises(BadInput, match=r"--data: .*nowhere; allowed: a folder that exists"):
        locate([tmp_path / "nowhere"], [], paper)


@pytest.mark.parametrize("named", [True, False])
def test_no_corpus_at_all_is_refused(paper, tmp_path, named):
    with pytest.raises(BadInput, match="name their folders"):
        locate([tmp_path] if named else [], [], paper)


def test_a_folder_of_unknown_kind_is_refused_with_the_kinds_there_are(paper, tmp_path):
    with pytest.raises(BadInput, match=r"a CSV manifest, or one of .*ravdess"):
        locate([], [CorpusRequest("mystery", tmp_path)], paper)


def test_own_corpora_get_the_shortest_letters_that_are_free(paper):
    chosen = [("tess", "tess"), ("ravdess", "ravdess"), ("telephone", "manifest_csv"), ("teller", "manifest_csv")]
    assert [c.letter for c in bring(paper, chosen)] == ["T", "R", "Te", "Tel"]


def request(data, work, *wanted, settings=QUICK, **other):
    return Request("interaffection", work, (data,), tuple(CorpusRequest(w) for w in wanted), settings, **other)


def test_fewer_corpora_make_a_smaller_grid_and_a_note(data, tmp_path):
    plan = plan_of(request(data, tmp_path, "tess", "ravdess"), no_bar)
    assert (len(plan.trials), plan.results) == (24, 24)
    assert "not among the corpora: iemocap, customer; the grid is smaller accordingly" in plan.notes


def test_settings_reach_the_trials_and_own_corpora(data, tmp_path, own):
    settings = (*QUICK, ("training.batch_size", 3), ("mine.seed", 7))
    asked = Request("interaffection", tmp_path, (), (CorpusRequest("mine", own),), settings)
    (trial, *_) = plan_of(asked, no_bar).trials
    assert trial.training.batch_size == 3
    assert trial.corpora[0].split["seed"] == 7


def test_the_small_budget_comes_before_a_persons_settings(data, tmp_path):
    settings = (*QUICK, ("training.max_epochs", 2))
    training = plan_of(request(data, tmp_path, "ravdess", settings=settings, demo=True), no_bar).study.training
    assert training.max_epochs == 2
    assert training.steps_per_epoch < 100


def test_the_same_corpus_elsewhere_makes_the_same_trials(tmp_path):
    plans = []
    for place in ("here", "there"):
        table = manifest_csv.miniature(tmp_path / place) / "manifest.csv"
        asked = Request("interaffection", tmp_path / "work" / place, (), (CorpusRequest("customer", table),), QUICK)
        plans.append(plan_of(asked, no_bar))
    assert [t.id for t in plans[0].trials] == [t.id for t in plans[1].trials]
    keys = [{r.key for s in p.sources.values() for r in s.recipes} for p in plans]
    assert keys[0] == keys[1]


def test_the_table_of_a_scanned_corpus_is_left_for_a_person_to_open(data, tmp_path):
    plan_of(request(data, tmp_path, "ravdess"), no_bar)
    assert (tmp_path / "store" / "manifests" / "ravdess.csv").read_text().startswith("uid,")
    assert (tmp_path / "store" / "manifests" / "ravdess.refused.csv").exists()


@pytest.fixture
def noises(tmp_path):
    folder = tmp_path / "noises"
    folder.mkdir()
    soundfile.write(folder / "hum.wav", np.random.default_rng(0).normal(0, 0.1, 9000), 8000)
    return folder


def test_recordings_of_noise_are_part_of_the_identity_and_named_to_the_reader(data, tmp_path, noises):
    without = plan_of(request(data, tmp_path, "tess", "ravdess", settings=()), no_bar)
    recorded = plan_of(request(data, tmp_path, "tess", "ravdess", settings=(), noise=noises), no_bar)
    assert not {t.id for t in without.trials} & {t.id for t in recorded.trials}
    assert any(line.startswith("augmentation noise: recordings files:") for line in requests.describe(recorded))
    assert "augmentation noise: generated" in requests.describe(without)


def test_features_are_built_for_every_copy_and_refusals_reported(data, tmp_path, noises, monkeypatch):
    plan = plan_of(request(data, tmp_path, "tess", "ravdess", settings=(), noise=noises), no_bar)
    used = {u.path for s in plan.sources.values() for u in s.split.val}
    lost = Path(sorted(used)[0])
    load = audio.load

    def refuse(path, *where):
        if Path(path) == lost:
            raise audio.UnusableAudio("too short for a frame")
        return load(path, *where)

    monkeypatch.setattr(audio, "load", refuse)
    refused = requests.prepare(plan, Store(tmp_path / "store"), {"noise": noises}, no_bar)
    assert [Path(r.what).name for r in refused] == [lost.stem]
    for source in plan.sources.values():
        stored = sum(len(Store(tmp_path / "store").open(r.key)) for r in source.recipes)
        clean = len(source.recipes[0].items)
        assert stored == clean + source.corpus.copies - (source.corpus.name == refused[0].what.partition("/")[0])


@pytest.fixture
def calls(tmp_path):
    """Two folders called calls, each with a table, and one called emodb beside EMO-DB itself."""
    for place in ("siteA/calls", "siteB/calls", "site C/emodb"):
        folder = manifest_csv.miniature(tmp_path / "made" / place)
        (tmp_path / "d" / place).parent.mkdir(parents=True)
        folder.rename(tmp_path / "d" / place)
    emodb.miniature(tmp_path / "d/real")
    return tmp_path / "d"


def test_only_names_that_are_wanted_have_to_be_clear(calls, paper):
    both = [CorpusRequest("a", calls / "siteA/calls"), CorpusRequest("b", calls / "siteB/calls")]
    assert names(locate([calls], both, paper)) == ["a", "b"]
    with pytest.raises(BadInput, match=r"corpus calls: .*siteA/calls/manifest.csv and .*siteB.*--corpora calls=/"):
        locate([calls], [CorpusRequest("calls")], paper)
    with pytest.raises(BadInput, match=r"corpus emodb: .*--corpora emodb=.*/real/emodb/wav"):
        locate([calls], [CorpusRequest("emodb")], paper)


def test_a_survey_shows_all_of_one_name_and_says_how_to_name_them(calls):
    survey = requests.survey([calls])
    assert {name: path.relative_to(calls) for name, _, path in survey.corpora} == {
        "sitea_calls": Path("siteA/calls/manifest.csv"),
        "siteb_calls": Path("siteB/calls/manifest.csv"),
        "site_c_emodb": Path("site C/emodb/manifest.csv"),
        "emodb": Path("real/emodb/wav"),
    }
    first, second = survey.notes
    assert first.startswith("2 corpora are called calls: ")
    assert first.endswith(f"sitea_calls={calls}/siteA/calls/manifest.csv,siteb_calls={calls}/siteB/calls/manifest.csv")
    # As a shell takes it.
    assert second.endswith(f"'emodb={calls}/real/emodb/wav,site_c_emodb={calls}/site C/emodb/manifest.csv'")
    wanted = [CorpusRequest(name, path) for name, _, path in survey.corpora]
    assert {name: loader for name, loader, _ in locate([], wanted, None)} == {
        name: loader for name, loader, _ in survey.corpora
    }


def test_names_that_no_run_takes_are_told(tmp_path):
    manifest_csv.miniature(tmp_path).rename(tmp_path / "2024 calls")
    (note,) = requests.survey([tmp_path]).notes
    assert note.startswith("2024_calls is no name for a run: give it one, as --corpora '")


def test_a_corpus_under_another_name_is_known_by_what_lies_there(calls, paper):
    ((name, loader, _),) = locate([], [CorpusRequest("berlin", calls / "real")], paper)
    assert (name, loader) == ("berlin", "emodb")


def test_a_zip_or_a_table_may_stand_for_the_data_folder(calls, paper, tmp_path):
    table = calls / "siteA/calls/manifest.csv"
    assert locate([table], [], None) == [("calls", "manifest_csv", table)]
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("wav/03a01Wa.wav", b"x")
    assert locate([tmp_path / "x.zip"], [], None) == [("emodb", "emodb", tmp_path / "x.zip")]


def test_where_no_corpus_is_found_what_is_there_is_told(tmp_path, paper):
    (tmp_path / "RAVDESS.rar").touch()
    with pytest.raises(BadInput, match=r"no corpus below .*RAVDESS.rar: an archive that is not read: unpack it"):
        locate([tmp_path], [], paper)


def test_a_study_s_corpus_may_be_brought_by_lists_of_it(tmp_path):
    """Then their folds are at hand; where its recordings lie as released, its own loader reads them."""
    study = load_study("encoders")
    lists = tmp_path / "EmoBox/data/emodb"
    emobox._write(lists / "label_map.json", ['{"sad": "Sad"}'])
    emobox._write(lists / "emodb.jsonl", [])
    places = locate((), [CorpusRequest("emodb", lists)], study)
    assert places == [("emodb", "emobox", lists)]
    (corpus,) = bring(study, [(name, loader) for name, loader, _ in places])
    assert (corpus.loader.name, corpus.split) == ("emobox", next(c.split for c in study.corpora if c.name == "emodb"))
    own = emodb.miniature(tmp_path / "own")
    assert locate((), [CorpusRequest("emodb", own)], study) == [("emodb", "emodb", own)]
