"""eNTERFACE'05: speaker and emotion are the folders', whatever the names say."""

from collections import Counter
from pathlib import Path

import av
import pytest
import soundfile
from listed_files import emobox, needs_metadata, pretend

from ser.corpora import enterface
from ser.data.manifest import Listing
from ser.data.scan import scan


def loaded(monkeypatch: pytest.MonkeyPatch, *names: str) -> Listing:
    pretend(monkeypatch, [f"/data/{name}" for name in names])
    return enterface.load(Path("/data"), enterface.Settings())


@pytest.mark.parametrize(
    ("name", "uid", "label"),
    [
        ("subject 1/anger/sentence 1/s1_an_1.avi", "s1_an_1", "angry"),
        ("Subject 44/Happiness/Sentence 5/s44_ha_5.AVI", "s44_ha_5", "happy"),
        ("subject 11/fear/sentence 3/s12_fe_3.avi", "s11_fe_3", "fear"),
        ("subject 3/sadness/sentence 2/s_3_sa_2.avi", "s3_sa_2", "sad"),
        ("subject 16/surprise/sentence 3/s16_su_3avi.avi", "s16_su_3", "surprise"),
        ("subject 2/anger/sentence 1/s2_an_2.avi", "s2_an_2", "angry"),
        ("wav/s12_di_4.wav", "s11_di_4", "disgust"),
    ],
)
def test_folders_and_name(monkeypatch: pytest.MonkeyPatch, name: str, uid: str, label: str) -> None:
    (u,) = loaded(monkeypatch, name).utterances
    assert (u.uid, u.label, u.sex) == (f"enterface/{uid}", label, "")
    assert u.speaker == f"enterface/{uid.partition('_')[0][1:]}"


def test_what_is_not_cut_into_sentences_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    found = loaded(monkeypatch, "subject 6/anger/s6_an.avi", "subject 1/anger/sentence 1/s1_an_1.avi")
    assert [u.uid for u in found.utterances] == ["enterface/s1_an_1"]


def test_a_video_without_sound_is_refused_by_the_scan_and_other_audio_is_named(tmp_path: Path) -> None:
    manifest = scan("enterface", "enterface", enterface.miniature(tmp_path), {}, tmp_path / "cache")
    assert len(manifest.utterances) == 24
    reasons = {Path(r.what).name: r.reason for r in manifest.refused}
    assert reasons.keys() == {"s1_an_3.avi", "s6_an.wav", "take two.wav"}
    assert reasons["take two.wav"].startswith("not a avi or wav named like subject 1/anger")


def test_the_sound_of_a_video_is_read(tmp_path: Path) -> None:
    folder = enterface.miniature(tmp_path)
    wav = folder / "subject 1/anger/sentence 4/s1_an_4.wav"
    samples, rate_hz = soundfile.read(wav, dtype="int16")
    with av.open(wav.with_suffix(".avi"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=rate_hz, layout="mono")
        frame = av.AudioFrame.from_ndarray(samples[None], format="s16", layout="mono")
        frame.rate = rate_hz
        file.mux([*stream.encode(frame), *stream.encode(None)])
    wav.unlink()
    manifest = scan("enterface", "enterface", folder, {}, tmp_path / "cache")
    (u,) = (u for u in manifest.utterances if u.uid == "enterface/s1_an_4")
    assert (u.path, u.rate_hz) == (str(wav.with_suffix(".avi")), 48_000)
    assert u.seconds == pytest.approx(len(samples) / rate_hz)


@needs_metadata
def test_real_names(monkeypatch: pytest.MonkeyPatch) -> None:
    found = loaded(monkeypatch, *(str(row["wav"]) for row in emobox("enterface/*.jsonl")))
    settings = enterface.Settings()
    assert Counter(u.label for u in found.utterances) == enterface.expected(settings)
    assert {u.uid.partition("/")[2] for u in found.utterances} == enterface.names(settings)
    assert Counter(u.speaker.partition("/")[2] for u in found.utterances) == enterface.speakers(settings)
    assert len(found.utterances) == sum(enterface.expected(settings).values()) == 1257
