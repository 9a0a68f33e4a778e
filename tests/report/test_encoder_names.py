"""Names of encoders in place of their identities, in whatever a report reads."""

import json
from types import SimpleNamespace

import pytest

from experiments.encoders import study as encoders
from ser.report import collect
from ser.report import overview as reading
from ser.report.encoder_names import identities, names_of, renamed
from ser.report.runs import Expected
from ser.study import SCHEMA, Corpus, override, part, trial_of
from ser.study.encoders import expand_encoders

TINY, OTHER = "whisper-384x5-1.320-3fa29c81d0b2", "wavlm-768x13-400.320-0a0b0c0d0e0f"


def test_encoders_are_known_by_their_identities():
    params = {"front_end.encoder": TINY, "block.encoder": OTHER, "front_end.layers": "2", "front_end": OTHER}
    assert identities([params, {"front_end.encoder": "each"}, {"block.encoder": TINY}]) == [TINY, OTHER]


@pytest.mark.parametrize(
    ("stated", "names"),
    [
        ({TINY: "tiny", OTHER: "wavlm"}, {TINY: "tiny", OTHER: "wavlm"}),
        ({TINY: "", OTHER: "x"}, {TINY: "whisper 3fa29c", OTHER: "x"}),
        ({TINY: "x", OTHER: "x"}, {TINY: "x 3fa29c", OTHER: "x 0a0b0c"}),
        ({"no encoder": "x"}, {}),
    ],
)
def test_without_a_name_of_its_own_an_encoder_has_architecture_and_fingerprint(stated, names):
    assert names_of(stated) == names


def test_texts_are_renamed_wherever_they_are():
    names = {TINY: "tiny"}
    value = (f"E · encoder {TINY}", {"front_end.encoder": TINY, "layers": 2}, [TINY])
    assert renamed(value, names) == ("E · encoder tiny", {"front_end.encoder": "tiny", "layers": 2}, ["tiny"])
    assert renamed(value, {}) is value


def tracked(trial, status="FINISHED", names=None, **tags):
    """A run as MLflow gives it."""
    grid = {"corpora": [["emodb", "E", True]], "seeds": 1, "mode": "heads", "folds": {"emodb": {"": 2}}}
    grid |= {"encoders": names} if names else {}
    given = {
        "trial_id": trial.id,
        "title": trial.title,
        "grid": json.dumps(grid),
        "schema": str(SCHEMA),
        "variant": "v",
    }
    info = SimpleNamespace(run_id=f"run {trial.id}", run_name="", status=status, artifact_uri="")
    return SimpleNamespace(
        data=SimpleNamespace(tags=given | tags, params=trial.params(), metrics={"ua/emodb": 0.5}), info=info
    )


def trials_of(*names):
    """The first layers with logistic regression, on two folds."""
    whole = encoders.with_encoders(names)
    emodb = next(c for c in encoders.corpora if c.name == "emodb")
    assert isinstance(emodb, Corpus)
    points = [p for p in whole.points(("emodb",), ()) if p.get("block") == "logistic"]
    points = expand_encoders(whole, whole.expand_folds(points, {"emodb": {"": 2}}, {}), lambda _: 5)
    return [trial_of(whole, point, {"emodb": emodb}, 0) for point in points]


def overview(runs):
    newest = runs[-1]
    tracker = SimpleNamespace(pages=lambda: iter(runs), newest=lambda: newest)
    return reading.overview(tracker, encoders, None, reading.Selection())


def test_runs_and_what_is_expected_bear_the_names():
    trials = trials_of(("tiny", TINY))
    runs, expected = overview([tracked(trial, names={TINY: "tiny"}) for trial in trials[:3]])
    assert {run.params["front_end.encoder"] for run in runs} == {"tiny"}
    assert expected.encoders == {"tiny": TINY}
    assert not [title for title, _ in expected.trials if TINY in title]
    assert {run.title for run in runs} <= {title for title, _ in expected.trials}
    assert {p["front_end.encoder"] for _, p in expected.trials if "front_end.encoder" in p} == {"tiny"}
    assert len([p for _, p in expected.trials if p.get("block") == "logistic"]) == len(trials) == 24
    assert not [d for d in expected.deviations if "encoder" in d.path]


def test_runs_of_several_commands_are_of_all_their_encoders():
    first, second = trials_of(("a", TINY))[0], trials_of(("b", OTHER))[0]
    runs, expected = overview([tracked(first, names={TINY: "a"}), tracked(second, names={OTHER: "b"})])
    assert [run.params["front_end.encoder"] for run in runs] == ["a", "b"]
    assert expected.encoders == {"a": TINY, "b": OTHER}
    assert {p["front_end.encoder"] for _, p in expected.trials if "front_end.encoder" in p} == {"a", "b"}


def test_without_names_in_the_grid_the_encoder_is_told_by_what_it_is():
    runs, expected = overview([tracked(trials_of(("tiny", TINY))[0], error="")])
    assert runs[0].params["front_end.encoder"] == "whisper 3fa29c"
    assert expected.encoders == {"whisper 3fa29c": TINY}


def test_other_studies_are_left_as_they_are():
    plain = Expected("mine", "Mine", "", (), (), "", (), 0, (0,), False)
    assert plain.with_names({}) is plain


def test_a_study_without_encoders_takes_those_of_its_runs(study):
    """``--set front_end=pretrained`` with two encoders doubles the grid of da Silva et al."""
    other = override(study, "front_end", part("pretrained", encoder="each", layers="mean"))
    other = other.with_encoders((("tiny", TINY), ("wavlm", OTHER)))
    corpora = {c.name: c for c in other.corpora if c.name in ("tess", "ravdess")}
    points = expand_encoders(other, other.points(tuple(corpora), ("tess",)), lambda _: 5)
    trials = [trial_of(other, point, corpora, 0) for point in points]
    grid = {"corpora": [["tess", "T", False], ["ravdess", "R", True]], "seeds": 1}
    grid |= {"encoders": {TINY: "tiny", OTHER: "wavlm"}}
    runs = [tracked(trial, grid=json.dumps(grid)) for trial in (trials[0], trials[-1])]
    tracker = SimpleNamespace(pages=lambda: iter(runs), newest=lambda: runs[-1])
    summaries, expected = reading.overview(tracker, study, None, reading.Selection())
    assert [run.params["front_end.encoder"] for run in summaries] == ["tiny", "wavlm"]
    assert {run.title for run in summaries} <= {title for title, _ in expected.trials}
    assert expected.count == 2 * len(study.points(tuple(corpora), ("tess",)))
    assert "front_end" in {d.path for d in expected.deviations}
    module = SimpleNamespace(AXES=("corpora", "block", "pooling", "task"))
    assert collect._encoders_as_axis(module, expected) == ("front_end.encoder",)
    assert collect._encoders_as_axis(SimpleNamespace(), expected) == ()
