"""Which corpora are the published release: by names, labels, speakers and durations, of made tables of utterances."""

import json
from dataclasses import replace

import pytest

from ser.corpora import crema_d, emodb, enterface, iemocap, ksuemotions, ravdess, savee, tess
from ser.data.manifest import Manifest, Utterance
from ser.data.release import release_of
from ser.data.scan import scan
from ser.study.labels import CREMA_D, RAVDESS, SAVEE, TESS
from ser.study.release import Release

LOADERS = {"ravdess": ravdess, "tess": tess, "savee": savee, "crema_d": crema_d, "enterface": enterface}
LABEL = {  # of a name, and its speaker
    "ravdess": lambda name: (RAVDESS[name[6:8]], name[-2:]),
    "tess": lambda name: (TESS[name.split("_")[2]], name[:3]),
    "savee": lambda name: (SAVEE[name[3:].rstrip("0123456789")], name[:2]),
    "crema_d": lambda name: (CREMA_D[name.split("_")[2]], name[:4]),
    "enterface": lambda name: (enterface.LABELS[name.split("_")[1]], name.split("_")[0][1:]),
}


def made(loader, names, seconds=None, **settings):
    """The scan of recordings of these names, each as long as those of the release are on average."""
    low, high = LOADERS[loader].MEAN_SECONDS
    listed = []
    for name in sorted(names):
        label, speaker = LABEL[loader](name)
        listed.append(Utterance(f"{loader}/{name}", loader, f"/x/{name}.wav", f"{loader}/{speaker}", label, label,
                                seconds=seconds or (low + high) / 2, sha=name))  # fmt: skip
    stated = LOADERS[loader].Settings(**settings)
    return Manifest(loader, "/home/me/x", tuple(listed), loader=loader, settings=tuple(vars(stated).items()))


@pytest.mark.parametrize(
    ("loader", "settings", "size"),
    [
        ("ravdess", {"channels": ("speech",)}, 1440),
        ("ravdess", {"channels": ("speech", "song")}, 2452),
        ("ravdess", {"channels": ("speech", "song"), "actors": ("01", "18")}, 164),
        ("tess", {}, 2800),
        ("savee", {}, 480),
        ("crema_d", {}, 7442),
        ("enterface", {}, 1257),
    ],
)
def test_all_names_of_a_release_are_the_whole_release(loader, settings, size):
    module = LOADERS[loader]
    stated = module.Settings(**settings)
    manifest = made(loader, module.names(stated), **settings)
    assert manifest.counts() == {k: v for k, v in module.expected(stated).items() if v}  # two statements of one thing
    assert sum(module.speakers(stated).values()) == len(manifest.utterances) == size
    found = release_of(manifest)
    assert (found.state, found.why) == ("whole", f"all {size} utterances")
    assert Release.of_json(json.loads(json.dumps(found.as_json()))) == found
    assert "/home" not in json.dumps(found.as_json())


def test_a_published_corpus_whose_counts_nobody_states_is_no_table_of_ones_own(tmp_path):
    found = release_of(scan("ksuemotions", "ksuemotions", ksuemotions.miniature(tmp_path), {}, tmp_path / "cache"))
    assert (found.state, found.file) == ("unknown", "")
    assert found.why == "published, but what its release holds is not known here"


def test_what_the_release_itself_has_damaged_may_be_missing_and_nothing_else():
    names = ravdess.names(ravdess.Settings())
    twin = release_of(made("ravdess", names - {"03-01-03-01-02-02-07"}))
    assert (twin.state, twin.why) == ("whole", "all 1440 utterances but 1 that is damaged in the release itself")
    other = release_of(made("ravdess", names - {"03-01-01-01-01-01-01"}))
    assert (other.state, other.why) == ("part", "1439 of 1440 utterances, without 03-01-01-01-01-01-01")


def test_tones_under_48_names_are_a_part_and_short_ones_under_all_are_not_the_release():
    names = sorted(ravdess.names(ravdess.Settings()))
    few = release_of(made("ravdess", names[:48], seconds=0.3))
    assert few.state == "part"
    assert few.why.startswith("48 of 1440 utterances, without 03-01-")
    every = release_of(made("ravdess", names, seconds=0.3))
    assert every.state == "other"
    assert every.why == "utterances last 0.30 s on average, those of the release 3.3 to 5.2 s"


def test_songs_that_are_missing_make_speech_and_song_a_part():
    speech = ravdess.names(ravdess.Settings())
    assert release_of(made("ravdess", speech, channels=("speech", "song"))).state == "part"


def test_other_names_speakers_and_labels_are_not_the_release():
    whole = made("savee", savee.names(savee.Settings()))
    first, *rest = whole.utterances

    def changed(**values):
        return release_of(replace(whole, utterances=(replace(first, **values), *rest)))

    assert changed(uid="savee/DC_a99").why == "1 utterance not in the release: DC_a99"
    assert changed(uid="savee/hello").why == "1 name as the release has none: hello"
    assert changed(speaker="savee/XX").why == "1 speaker not in the release: XX"
    two = (replace(first, uid="savee/DC_a98"), replace(first, uid="savee/DC_a99"), *rest)
    assert release_of(replace(whole, utterances=two)).why == "2 utterances not in the release: DC_a98 …"
    assert changed(label="sad").why == "more utterances than the release has: 61 sad, not 60"
    assert changed(label="sad").state == "other"


def test_counts_decide_where_names_cannot_be_listed():
    """EMO-DB's takes and IEMOCAP's turns have no systematic names."""
    listed = []
    left = emodb.speakers(emodb.Settings())
    letters = {"angry": "W", "boredom": "L", "disgust": "E", "fear": "A", "happy": "F", "sad": "T", "neutral": "N"}
    for label, count in emodb.expected(emodb.Settings()).items():
        for n in range(count):
            speaker = next(s for s in left if left[s])
            left[speaker] -= 1
            name = f"{speaker}a{n // 26:02d}{letters[label]}{chr(97 + n % 26)}"
            listed.append(Utterance(f"emodb/{name}", "emodb", "/x", f"emodb/{speaker}", label, label, seconds=2.8))
    manifest = Manifest("emodb", "/x", tuple(listed), loader="emodb")
    assert release_of(manifest).state == "whole"
    assert release_of(replace(manifest, utterances=manifest.utterances[1:])).state == "part"
    swapped = (replace(manifest.utterances[0], speaker="emodb/16"), *manifest.utterances[1:])
    assert release_of(replace(manifest, utterances=swapped)).why.endswith("72 of speaker 16, not 71")
    assert set(iemocap.speakers(iemocap.Settings())) == {f"Ses0{n}{sex}" for n in range(1, 6) for sex in "FM"}


def test_miniatures_are_parts_and_a_demo_and_a_table_of_ones_own_are_never_a_papers(data, tmp_path):
    for loader in ("iemocap", "tess", "ravdess"):
        manifest = scan(loader, loader, data, {}, tmp_path)
        assert release_of(manifest).state == "part"
        assert release_of(replace(manifest, demo=True)).state == "made"
    own = release_of(scan("customer", "manifest_csv", data, {}, tmp_path))
    assert (own.state, own.file) == ("own", "manifest.csv")
    assert own.why.startswith("manifest.csv: ")
    assert own.settings == {}


def test_languages_are_counted_and_what_states_none_is_among_them():
    manifest = made("tess", sorted(tess.names(tess.Settings()))[:3])
    spoken = tuple(replace(u, language=tag) for u, tag in zip(manifest.utterances, ("en", "", "en"), strict=True))
    assert release_of(replace(manifest, utterances=spoken)).languages == {"en": 2, "": 1}
    assert Release.of_json({"state": "own"}).languages == {}  # of a run before this was recorded
