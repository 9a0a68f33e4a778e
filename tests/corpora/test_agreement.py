"""The own loader of a corpus and EmoBox's lists say the same of every recording: label, and who speaks."""

import json
from pathlib import Path

import pytest
from listed_files import METADATA, needs_metadata, pretend

from ser import registry
from ser.corpora import emobox
from ser.corpora._emobox_corpora import CORPORA
from ser.data.manifest import Utterance

# Corpora whose files' names say everything; the lists of some leave utterances out, and have no speakers.
BY_NAME = (
    "casia", "cremad", "emodb", "emovdb", "enterface", "esd", "jlcorpus", "mesd", "oreau", "resd", "savee", "shemo",
    "subesco", "tess",
)  # fmt: skip
# A few lines of their lists: path and emotion, and EmoBox's word for it.
SAMPLE = {
    "casia": [("casia/wangzhe/neutral/239.wav", "neutral", "Neutral"), ("casia/liuchanhg/sad/201.wav", "sad", "Sad")],
    "cremad": [
        ("cremad/AudioWAV/1087_IWL_ANG_XX.wav", "ANG", "Angry"),
        ("cremad/AudioWAV/1052_WSI_FEA_XX.wav", "FEA", "Fear"),
    ],
    "emodb": [("emodb/wav/03a01Wa.wav", "anger", "Angry"), ("emodb/wav/14a04Lb.wav", "boredem", "Boredom")],
    "emovdb": [
        ("emovdb/jenie_Amused/amused_57-84_0057.wav", "Amused", "Amused"),
        ("emovdb/bea_Disgusted/disgust_113-140_0136.wav", "Disgust", "Disgust"),
    ],
    "jlcorpus": [("jlcorpus/JL(wav+txt)/male2_concerned_6b_1.wav", "concerned", "Concerned")],
    "oreau": [
        ("oreau/OréauFR_02/m/sessj/29a13Ja.wav", "J", "Happy"),
        ("oreau/OréauFR_02/f/sessp/12a07Pa.wav", "P", "Fear"),
    ],
    "savee": [("savee/JE_n23.wav", "n", "Neutral"), ("savee/DC_sa01.wav", "sa", "Sad")],
    "shemo": [("shemo/male/M32S01.wav", "sad", "Sad"), ("shemo/female/F10A56.wav", "angry", "Angry")],
    "subesco": [("subesco/M_09_SHUMANTA_S_2_FEAR_2.wav", "fear", "Fear")],
    "tess": [("tess/OAF_lid_fear.wav", "fear", "Fear"), ("tess/YAF_should_ps.wav", "ps", "Surprise")],
}  # fmt: skip


def compared(table: Path, paths: list[str], monkeypatch: pytest.MonkeyPatch) -> list[tuple[Utterance, Utterance]]:
    """Returns what the own loader and the lists say of the same recordings, which lie below /data."""
    pretend(monkeypatch, [f"/data/{path}" for path in paths])
    own = registry.find("corpora", CORPORA[table.parent.name].loader)
    root = own.find(Path("/data"))
    assert root is not None
    mine = {u.path: u for u in own.load(root, own.Settings(), "x").utterances}
    theirs = {u.path: u for u in emobox.load(table, emobox.Settings(audio_root="/data"), "x").utterances}
    return [(mine[path], theirs[path]) for path in theirs if path in mine]


def agree(pairs: list[tuple[Utterance, Utterance]]) -> None:
    """Fails unless labels are equal, and speakers, under whatever names, the same."""
    assert [(a.path, a.label, b.label) for a, b in pairs if a.label != b.label] == []
    known = [(a.speaker, b.speaker) for a, b in pairs if b.has_speaker]
    assert len(set(known)) == len({a for a, _ in known}) == len({b for _, b in known})
    assert [a.path for a, b in pairs if a.sex and b.sex and a.sex != b.sex] == []
    assert [a.path for a, b in pairs if a.language and b.language and a.language != b.language] == []


@pytest.mark.parametrize("name", SAMPLE)
def test_a_few_lines(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / name
    folder.mkdir()
    rows = [
        {"key": f"{name}-{number}", "dataset": name, "wav": f"downloads/{path}", "emo": emotion}
        for number, (path, emotion, _) in enumerate(SAMPLE[name])
    ]
    (folder / f"{name}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (folder / "label_map.json").write_text(json.dumps({emotion: word for _, emotion, word in SAMPLE[name]}))
    pairs = compared(folder / "label_map.json", [path for path, _, _ in SAMPLE[name]], monkeypatch)
    assert len(pairs) == len(rows)
    agree(pairs)


@needs_metadata
@pytest.mark.parametrize("name", BY_NAME)
def test_every_line_of_the_real_lists(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {}
    for path in sorted(Path(METADATA, name).rglob("*.jsonl")):
        rows |= {row["key"]: row for row in map(json.loads, path.read_text(encoding="utf-8").splitlines())}
    paths = [row["wav"].removeprefix("downloads/") for row in rows.values() if "wav" in row]
    pairs = compared(Path(METADATA, name, "label_map.json"), paths, monkeypatch)
    assert len(pairs) == len(rows) - (6 if name == "enterface" else 0)  # six that hold all sentences of an emotion
    agree(pairs)
