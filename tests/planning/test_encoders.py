"""``--encoder``: folders looked at before corpora are, an axis of a plan, and what workers and reports learn of it."""

import json
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from ser.data import encoders
from ser.demo import encoder
from ser.errors import BadInput
from ser.planning import request as requests
from ser.planning.request import Request, plan_of
from ser.runs.location import Location
from ser.study import load_study, part
from ser.trials.job import job_of
from ser.trials.run import begin

pytest.importorskip("transformers")
WHOLE = part("pretrained", layers=1, statistics=("mean", "std"))
SET = (("front_end", WHOLE), ("augmentation", "none"))


@contextmanager
def no_bar(title):
    yield lambda done, of: None


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Two tiny encoders with random weights."""
    place = tmp_path_factory.mktemp("encoders")
    return {kind: encoder.make(place / kind, kind, width=16, layers=2) for kind in ("wav2vec2", "whisper")}


@pytest.fixture
def ask(data, tmp_path, folders):
    """A request for the paper's study, or ``encoders``, with encoders by name."""

    def asked(*named, study="interaffection", settings=SET, **more):
        found = tuple((name, folders.get(kind, Path("/nowhere") / kind)) for name, kind in named)
        return Request(study, tmp_path, data=(data,), settings=settings, encoders=found, **more)

    return asked


def identities(folders, *kinds):
    return [str(encoders.examine(folders[kind])) for kind in kinds]


def test_the_papers_grid_takes_a_front_end_with_an_encoder_in_place_of_its_own(ask, folders):
    plan = plan_of(ask(("w", "whisper")), no_bar)
    (identity,) = identities(folders, "whisper")
    assert {t.front_end["encoder"] for t in plan.trials} == {identity}
    stated = plan_of(replace(ask(settings=SET[1:]), encoders=()), no_bar)
    assert [t.title for t in plan.trials] == [t.title for t in stated.trials]  # one encoder is no axis
    assert {t.front_end["encoder"] for t in plan.references} == {identity}
    assert any("encoder w: its weights are random" in note for note in plan.notes)


def test_several_encoders_are_an_axis(ask, folders):
    plan = plan_of(ask(("a", "whisper"), ("b", "wav2vec2")), no_bar)
    each = identities(folders, "whisper", "wav2vec2")
    count = {one: sum(t.front_end["encoder"] == one for t in plan.trials) for one in each}
    assert len(set(count.values())) == 1
    assert sum(count.values()) == len(plan.trials) > 100
    assert len({t.title for t in plan.trials}) == len(plan.trials)


def test_workers_learn_folders_and_reports_names(ask, folders, tmp_path):
    plan = plan_of(ask(("mine", "whisper")), no_bar)
    job = job_of(plan, Location.of(tmp_path, None), tmp_path, "store", "cpu", 1, "1", [])
    (identity,) = identities(folders, "whisper")
    assert job.encoders == {identity: str(folders["whisper"])}
    assert json.loads(job.tags["grid"])["encoders"] == {identity: "mine"}
    encoders._folders.clear()
    begin(job)
    assert encoders.folder_of(identity) == folders["whisper"]


def test_grids_without_encoders_are_tagged_as_ever(ask, tmp_path):
    plan = plan_of(ask(settings=SET[1:]), no_bar)
    job = job_of(plan, Location.of(tmp_path, None), tmp_path, "store", "cpu", 1, "1", [])
    assert "encoders" not in json.loads(job.tags["grid"])
    assert job.encoders == {}


def test_a_study_of_encoders_needs_one_before_anything_is_scanned(ask, monkeypatch):
    monkeypatch.setattr(requests, "read", lambda *_: pytest.fail("scanned"))
    with pytest.raises(BadInput, match=r"no encoder for front_end.encoder.*--encoder NAME=DIR"):
        requests.check(ask())
    with pytest.raises(BadInput, match=r"no encoder for front_end.encoder.*--encoder NAME=DIR"):
        requests.check(ask(study="encoders", settings=()))


@pytest.mark.parametrize(
    ("named", "settings", "message"),
    [
        ([("A b", "whisper")], SET, r"--encoder: 'A b'; allowed: a lower-case letter"),
        ([("all", "whisper")], SET, r"--encoder: 'all'"),
        ([("a", "whisper"), ("a", "wav2vec2")], SET, r"--encoder: a twice"),
        ([("a", "whisper"), ("b", "whisper")], SET, r"--encoder: a and b; allowed: different encoders"),
        ([("a", "whisper")], (), r"--encoder: a; allowed: a study with a front-end .* has log_stft; leave it out"),
        ([("a", "absent")], SET, r"absent"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_scanned(ask, monkeypatch, named, settings, message):
    monkeypatch.setattr(requests, "read", lambda *_: pytest.fail("scanned"))
    with pytest.raises(BadInput, match=message):
        requests.check(ask(*named, settings=settings))
    with pytest.raises(BadInput, match=message):
        plan_of(ask(*named, settings=settings), no_bar)


def test_the_study_of_encoders_plans_each_layer_of_each_encoder(ask, folders):
    plan = plan_of(ask(("a", "whisper"), ("b", "wav2vec2"), study="encoders", settings=(), mode="probes"), no_bar)
    each = identities(folders, "whisper", "wav2vec2")
    found = {(t.front_end["encoder"], t.front_end["layers"], t.normalise) for t in plan.trials}
    assert found == {(e, k, n) for e in each for k in (0, 1, 2, "mean") for n in ("train", "speaker")}
    assert (
        plan.variant == plan_of(ask(("c", "whisper"), study="encoders", settings=(), mode="probes"), no_bar).variant
    )  # a further encoder goes on with the same grid


def test_a_setting_that_every_point_states_itself_is_told_to_change_nothing(ask):
    settings = (("front_end.layers", 1), ("logistic.c", 0.1))
    plan = plan_of(ask(("a", "whisper"), study="encoders", settings=settings, mode="probes"), no_bar)
    (note,) = [note for note in plan.notes if note.startswith("--set")]
    assert note.startswith("--set front_end.layers changes nothing in ")
    number, points = (int(word) for word in note.split() if word.isdigit())
    assert number == points > 0


def test_settings_of_corpora_that_another_front_end_lacks_are_told(ask):
    study = load_study("segments")
    stated = {c.name: c.front_end for c in study.corpora if c.front_end}
    notes = requests._left_out(study, study)
    assert notes == []
    changed = study.with_corpora(replace(c, front_end=(("hop", 3),)) for c in study.corpora)
    other = replace(changed, features=replace(study.features, front_end=part("mfcc")))
    other = other.with_corpora(replace(c, front_end=()) for c in other.corpora)
    (note,) = requests._left_out(changed, other)
    assert "left out, as the front-end is mfcc: iemocap (hop=3)" in note
    assert not stated
