"""Pretrained encoders in a study: which parts take them, one trial for each encoder and layer, titles, references."""

from dataclasses import replace

import pytest

from ser.errors import BadInput
from ser.study import (
    EACH,
    Comparison,
    System,
    expand_encoders,
    grid,
    load_study,
    override,
    part,
    references_of,
    statement,
    takes_encoders,
    trial_of,
)
from ser.study.trial import encoder_label

WHISPER, WAVLM = "whisper-384x5-1.320-3fa29c81d0b2", "wavlm-768x3-400.320-0123456789ab"
BOTH = (("w", WHISPER), ("v", WAVLM))
STATES = {WHISPER: 5, WAVLM: 3}
LOGISTIC = part("logistic", statistics=(), balanced=True)
ENCODED = part("pretrained", layers="mean", statistics=("mean", "std"))


def study(*points, encoders=BOTH, front_end=ENCODED, systems=()):
    """The paper's study with other points on RAVDESS alone."""
    whole = load_study("interaffection")
    features = replace(whole.features, front_end=part("mfcc") if front_end is None else front_end, augmentation=())
    made = replace(
        whole,
        corpora=(whole.corpora[2],),
        features=features,
        blocks=(*whole.blocks, LOGISTIC),
        comparison=Comparison(systems),
        points=lambda names, _: [{"corpora": names, **point} for point in points],
        expect=len(points),
        modes={"paper": {}},
        origins=(),
    )
    return made.with_encoders(encoders)


def expanded(made):
    return expand_encoders(made, made.grid(made.corpora), STATES.__getitem__)


def trials(made):
    corpora = {c.name: c for c in made.corpora}
    return [trial_of(made, point, corpora, 0) for point in expanded(made)]


def encoders_and_layers(made):
    return [(t.front_end["encoder"], t.front_end["layers"]) for t in trials(made)]


def test_there_is_a_trial_for_each_encoder_of_the_command():
    made = study(*grid(block=["logistic"], normalise=["train", "speaker"]))
    found = [(t.front_end["encoder"], t.normalise) for t in trials(made)]
    assert found == [(WHISPER, "train"), (WAVLM, "train"), (WHISPER, "speaker"), (WAVLM, "speaker")]
    assert len({t.id for t in trials(made)}) == 4


def test_each_layer_is_each_hidden_state_of_the_encoder_of_that_point():
    made = study({"block": "logistic", "front_end.layers": EACH})
    assert encoders_and_layers(made) == [(WHISPER, k) for k in range(5)] + [(WAVLM, k) for k in range(3)]


def test_points_are_counted_before_encoders_and_layers_are_known():
    assert study({"block": "logistic", "front_end.layers": EACH}).expect == 1


def test_a_point_may_state_its_encoder():
    made = study({"block": "logistic", "front_end.layers": EACH, "front_end.encoder": WAVLM}, encoders=())
    assert encoders_and_layers(made) == [(WAVLM, k) for k in range(3)]
    assert not takes_encoders(made)


def test_the_names_that_a_person_gives_and_places_are_in_no_statement():
    made = study({"block": "logistic"})
    other = made.with_encoders((("another", WHISPER), ("third", WAVLM)))
    assert [t.id for t in trials(made)] == [t.id for t in trials(other)]
    assert "encoders" not in statement(trials(made)[0])


def test_one_encoder_alone_gives_the_trials_that_it_has_among_several():
    points = grid(block=["logistic"], normalise=["train", "speaker"])
    alone = trials(study(*points, encoders=BOTH[:1]))
    among = [t for t in trials(study(*points)) if t.front_end["encoder"] == WHISPER]
    assert [(t.id, t.title) for t in alone] == [(t.id, t.title) for t in among]


def test_titles_name_encoder_and_layer_readably():
    (title,) = [t.title for t in trials(study({"block": "logistic", "front_end.layers": 2}, encoders=BOTH[:1]))]
    assert title == "R · logistic · encoder whisper-384x5-3fa29c · layers 2"
    assert encoder_label("data2vec-audio-768x13-400.320-ffffff000000") == "data2vec-audio-768x13-ffffff"
    assert encoder_label("something else") == "something else"


def test_no_encoder_is_an_error_that_names_the_option():
    with pytest.raises(BadInput, match=r"no encoder for front_end.encoder; allowed: .*--encoder NAME=DIR"):
        expanded(study({"block": "logistic"}, encoders=()))


def test_layers_are_of_front_ends_with_an_encoder():
    made = study({"block": "logistic"}, front_end=None)
    odd = [{"corpora": ("ravdess",), "block": "logistic", "front_end.layers": EACH}]
    with pytest.raises(BadInput, match="'each' for mfcc"):
        expand_encoders(made, odd, STATES.__getitem__)


def test_systems_take_encoders_by_their_own_front_ends_alone():
    systems = (
        System("classic", LOGISTIC, part("mfcc")),
        System("encoded", LOGISTIC, part("pretrained", layers=1, statistics=("mean",))),
    )
    made = study({"system": "classic"}, {"system": "encoded"}, systems=systems)
    found = [(t.title, t.front_end.name, t.front_end.values().get("encoder")) for t in trials(made)]
    assert found == [
        ("R · classic", "mfcc", None),
        ("R · encoded · encoder whisper-384x5-3fa29c", "pretrained", WHISPER),
        ("R · encoded · encoder wavlm-768x3-012345", "pretrained", WAVLM),
    ]
    assert not takes_encoders(replace(made, comparison=replace(made.comparison, only=("classic",)), expect=2))
    assert takes_encoders(made)


def test_a_front_end_may_be_an_axis_as_a_whole():
    axis = [part("mfcc"), part("pretrained", layers=0, statistics=("mean",))]
    made = study(*grid(front_end=axis, block=["logistic"]), front_end=part("log_mel"))
    found = [(t.front_end.name, t.front_end.values().get("encoder")) for t in trials(made)]
    assert found == [("mfcc", None), ("pretrained", WHISPER), ("pretrained", WAVLM)]
    assert [t.title for t in trials(made)][:2] == [
        "R · logistic · front_end mfcc",
        "R · logistic · front_end pretrained · encoder whisper-384x5-3fa29c",
    ]


def test_another_front_end_comes_with_its_own_settings_and_without_those_of_corpora():
    whole = load_study("interaffection")
    corpora = [replace(c, front_end=(("hop", 64),)) for c in whole.corpora]
    made = override(whole.with_corpora(corpora), "front_end", part("mfcc", mels=32))
    assert (made.features.front_end.name, made.features.front_end["mels"]) == ("mfcc", 32)
    assert {c.front_end for c in made.corpora} == {()}
    same = override(whole.with_corpora(corpora), "front_end", part("log_stft", window=256))
    assert {c.front_end for c in same.corpora} == {(("hop", 64),)}
    assert same.features.front_end["hop"] == 128  # what is not stated is the default
    assert override(whole, "front_end", "mfcc").features.front_end == made.features.front_end.changed(mels=128)
    with pytest.raises(BadInput, match="did you mean mfcc"):
        override(whole, "front_end", "mfc")
    with pytest.raises(BadInput, match="did you mean mels"):
        override(whole, "front_end", part("mfcc", mel=3))


def test_a_reference_hears_what_the_trial_beside_it_hears():
    made = replace(
        study({"block": "logistic"}, {"block": "logistic", "normalise": "speaker"}),
        reference=part("svm", statistics=()),
    )
    found = references_of(made, trials(made))
    assert [t.front_end["encoder"] for t in found] == [WHISPER, WAVLM]
    assert "encoder whisper-384x5-3fa29c" in found[0].title
    beside = trial_of(made, {"corpora": ("ravdess",), "block": "logistic", "front_end": "mfcc"},
                      {c.name: c for c in made.corpora}, 0)  # fmt: skip
    assert references_of(made, [beside]) == []
