"""Pretrained encoders of runs whose front-end came from the command: one is a setting, several are an axis."""

import pytest

from ser.report.encoder_names import renamed
from ser.report.planned import planned_trials, with_encoders
from ser.report.runs import UsedCorpus
from ser.study import load_study, override, part, trial_of

WHISPER, WAVLM = "whisper-384x5-1.320-3fa29c81d0b2", "wavlm-768x3-400.320-0123456789ab"
USED = [UsedCorpus("ravdess", "R", True)]
POINT = {"corpora": ("ravdess",), "block": "lstm", "pooling": "mean", "task": "unified"}


@pytest.fixture(scope="module")
def study():
    return load_study("interaffection")


def run_of(study, front_end, **point):
    """A trial of ``ser run interaffection --set front_end=pretrained --encoder …``."""
    corpora = {c.name: c for c in study.corpora}
    return trial_of(override(study, "front_end", front_end), {**POINT, **point}, corpora, 0)


def titles(study, run, **names):
    planned = with_encoders(study, {identity: name for name, identity in names.items()}, run.params())
    return [title for title, _ in planned_trials(planned, USED, 1, {"ravdess": {"": 0}}, {})]


def test_one_encoder_leaves_the_titles_of_the_study(study):
    run = run_of(study, part("pretrained", encoder=WHISPER))
    stated = [title for title, _ in planned_trials(study, USED, 1, {"ravdess": {"": 0}}, {})]
    assert titles(study, run, a=WHISPER) == stated
    assert run.title in stated


def test_several_encoders_are_in_the_titles_by_their_names(study):
    run = run_of(study, part("pretrained"), **{"front_end.encoder": WAVLM})
    assert run.title in (found := titles(study, run, a=WHISPER, b=WAVLM))
    assert len(set(found)) == 2 * 12
    assert renamed(run.title, {WAVLM: "b"}) == "R · lstm · μ · unified · encoder b"
    assert renamed(run.params(), {WAVLM: "b"})["front_end.encoder"] == "b"
