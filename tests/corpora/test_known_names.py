"""Loaders of corpora that are known by their names: real names of each, and what they say, written out by hand."""

import json
import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from ser import registry
from ser.corpora import emozionalmente
from ser.data import folders
from ser.data.manifest import Utterance
from ser.data.release import release_of
from ser.data.scan import scan
from ser.study import part, settings_of

# Names of the releases: loader, path, speaker, label, sex, sentence.
REAL = [
    ("aesdd", "AESDD/anger/a19 (3).wav", "3", "angry", "", "19"),
    ("aesdd", "AESDD/disgust/d03 (01).wav", "1", "disgust", "", "03"),
    ("aesdd", "AESDD/sadness/s01 (5)b.wav", "5", "sad", "", "01"),
    ("cafe", "CaFE/Joie/Fort/04-J-2-1.wav", "04", "happy", "F", "1"),
    ("cafe", "CaFE/D\u0412go\u0426t/Faible/11-D-1-6.wav", "11", "disgust", "M", "6"),
    ("casia", "casia/wangzhe/neutral/239.wav", "wangzhe", "neutral", "", "239"),
    ("emodb", "emodb/wav/10a02Nb.wav", "10", "neutral", "M", "a02"),
    ("emovo", "EMOVO/f3/neu-f3-n5.wav", "f3", "neutral", "F", "n5"),
    ("emovo", "EMOVO/m2/rab-m2-l4.wav", "m2", "angry", "M", "l4"),
    ("jl_corpus", "JL/JL(wav+txt)/male2_concerned_6b_1.wav", "male2", "concerned", "M", "6"),
    ("jl_corpus", "JL/JL(wav+txt)/female1_apologetic_15b_2.wav", "female1", "apologetic", "F", "15"),
    ("mesd", "mesd/Mexican Emotional Speech Database (MESD)/Sadness_M_B_amenazado.wav", "M", "sad", "M", "amenazado"),
    ("mesd", "mesd/Mexican Emotional Speech Database (MESD)/Fear_C_A_de_nada.wav", "C", "fear", "", "de_nada"),
    ("nemo", "nEMO/samples/WR0_surprised_64.wav", "WR0", "surprise", "M", "64"),
    ("nemo", "nEMO/samples/MK0_happiness_7.wav", "MK0", "happy", "F", "7"),
    ("oreau", "oreau/OréauFR_02/f/sessj/10a02Ja.wav", "10", "happy", "F", "a02"),
    ("oreau", "oreau/OréauFR_02/m/sessn/07a02Na.wav", "07", "neutral", "M", "a02"),
    ("oreau", "oreau/OréauFR_02/m/sesss/07z04Sa.wav", "07", "surprise", "M", "z04"),
    ("resd", "resd/test/neutral_anger_44/44_neutral_anger_a_090.wav", "unknown", "angry", "", ""),
    ("resd", "resd/train/11_disgust_anger/11_anger_disgust d_060.wav", "unknown", "disgust", "", ""),
    ("shemo", "ShEMO/female/F24H09.wav", "F24", "happy", "F", ""),
    ("shemo", "ShEMO/male/M04N66.wav", "M04", "neutral", "M", ""),
    ("subesco", "SUBESCO/F_02_MONIKA_S_2_SURPRISE_3].wav", "F_02_MONIKA", "surprise", "F", "2"),
    ("subesco", "SUBESCO/M_10_EVAN_S_10_ANGRY_5.wav", "M_10_EVAN", "angry", "M", "10"),
    ("urdu", "URDU/Angry/SM25_F10_A010.wav", "SM25", "angry", "M", ""),
    ("urdu", "URDU/Sad/SF11_F2_S48.wav", "SF11", "sad", "F", ""),
]
# Their counts, as their authors or lists of all their names tell them: utterances, speakers.
SIZES = {
    "aesdd": (605, 6), "cafe": (936, 12), "casia": (1200, 4), "emovo": (588, 6), "emozionalmente": (6902, 431),
    "jl_corpus": (2400, 4), "mesd": (862, 3), "nemo": (4481, 9), "oreau": (434, 32), "resd": (1396, 0),
    "shemo": (3000, 87), "subesco": (7000, 20), "urdu": (400, 29),
}  # fmt: skip
# EmoBox's name of a corpus: ours. Its emotions are words of the corpus or of EmoBox.
EMOBOX = {
    "casia": "casia", "emodb": "emodb", "jlcorpus": "jl_corpus", "mesd": "mesd", "oreau": "oreau", "resd": "resd",
    "savee": "savee", "shemo": "shemo", "subesco": "subesco", "tess": "tess",
}  # fmt: skip
# Of these EmoBox leaves some out: those of ShEMO are 2838 of 3000.
FEWER = {"shemo"}


def utterance(loader: str, path: str) -> Utterance:
    module = registry.find("corpora", loader)
    match = folders.match(f"/data/{path}", module.NAME)
    assert match is not None, path
    return module.CORPUS.utterance(Path("/data", path), match, loader)  # type: ignore[no-any-return]


@pytest.mark.parametrize(("loader", "path", "speaker", "label", "sex", "sentence"), REAL)
def test_real_names(loader: str, path: str, speaker: str, label: str, sex: str, sentence: str) -> None:
    u = utterance(loader, path)
    assert (u.speaker, u.label, u.sex) == (f"{loader}/{speaker}", label, sex)
    assert sentence in ("", u.sentence)


def test_a_real_name_is_of_one_corpus_alone() -> None:
    modules = {name: registry.find("corpora", name) for name in registry.names("corpora")}
    named = {name: module.NAME for name, module in modules.items() if hasattr(module, "NAME")}
    for loader, path, *_ in REAL:
        assert [name for name, pattern in named.items() if folders.match(f"/data/{path}", pattern)] == [loader], path


def test_copies_that_windows_makes_are_no_recordings_of_aesdd() -> None:
    assert folders.match("/data/SAVEE/DC/a01 (1).wav", registry.find("corpora", "aesdd").NAME) is None


@pytest.mark.parametrize("loader", SIZES)
def test_size_of_the_release(loader: str) -> None:
    module = registry.find("corpora", loader)
    settings = module.Settings()
    assert (sum(module.expected(settings).values()), module.EXPECTED_SPEAKERS) == SIZES[loader]
    names, speakers = (getattr(module, each, lambda settings: ())(settings) for each in ("names", "speakers"))
    if names:
        assert len(names) == SIZES[loader][0]
        assert all(module.NAME.search(f"/{name}") for name in names)
    if speakers:
        assert (sum(speakers.values()), len(speakers)) == SIZES[loader]


@pytest.mark.parametrize("loader", SIZES)
def test_a_miniature_is_a_part_of_the_release(loader: str, tmp_path: Path) -> None:
    """As far as names and speakers tell: nothing of it is foreign to the release."""
    module = registry.find("corpora", loader)
    manifest = scan(loader, loader, module.miniature(tmp_path), {}, tmp_path / "cache")
    assert release_of(manifest).state == "part"


def test_recordings_of_resd_are_of_the_part_that_they_lie_in() -> None:
    parts = {"resd/train/a/34_anger_fear_a_170.wav": ("train",), "resd/test/b/34_anger_fear_f_090.wav": ("test",)}
    assert {path: utterance("resd", path).folds for path in parts} == parts
    assert utterance("resd", "elsewhere/34_anger_fear_a_170.wav").folds == ("",)


@pytest.mark.parametrize("loader", ["casia", "oreau", "resd"])  # whose folders tell something
def test_a_zip_file_says_what_its_folders_say(loader: str, tmp_path: Path) -> None:
    folder = registry.find("corpora", loader).miniature(tmp_path / "unpacked")
    (tmp_path / "zipped").mkdir()
    shutil.make_archive(str(tmp_path / "zipped/corpus"), "zip", folder)
    one, two = (
        scan(loader, loader, tmp_path / place, {}, tmp_path / f"cache-{place}") for place in ("unpacked", "zipped")
    )
    assert one.fingerprint == two.fingerprint


def test_the_two_versions_of_oreau(tmp_path: Path) -> None:
    module = registry.find("corpora", "oreau")
    folder = module.miniature(tmp_path)
    one, two = (module.load(folder, module.Settings(version=version)).utterances for version in "12")
    assert [Path(u.path).name for u in one] == ["10a02Ca.wav"]
    assert len(two) == 37
    assert module.expected(settings_of("corpora", part("oreau", version="1"))) == {}


def test_emozionalmente_reads_its_tables(tmp_path: Path) -> None:
    folder = emozionalmente.miniature(tmp_path)
    listing = emozionalmente.load(folder, emozionalmente.Settings())
    by_uid = {u.uid: u for u in listing.utterances}
    angry = by_uid["emozionalmente/1613655000436"]
    assert (angry.speaker, angry.sex, angry.label_raw) == ("emozionalmente/a1", "F", "anger")
    assert angry.votes == (("1", "angry"), ("2", "fear"), ("3", "angry"))
    assert angry.text == "Vorrei il numero, per favore"
    assert {u.sex for u in listing.utterances if u.speaker == "emozionalmente/e5"} == {""}
    (folder / "metadata/samples.csv").rename(folder / "metadata/other.csv")
    assert emozionalmente.find(folder) is None


needs_metadata = pytest.mark.skipif("SER_EMOBOX_METADATA" not in os.environ, reason="needs EmoBox's lists")


@needs_metadata
@pytest.mark.parametrize("name", EMOBOX)
def test_every_name_in_emobox(name: str) -> None:
    """Read by the own loader alone, with the label that EmoBox has, and as many as the release."""
    table = Path(os.environ["SER_EMOBOX_METADATA"], name, f"{name}.jsonl").read_text(encoding="utf-8")
    rows = [json.loads(line) for line in table.splitlines()]
    loader = EMOBOX[name]
    module = registry.find("corpora", loader)
    utterances = [utterance(loader, row["wav"]) for row in rows]
    agreed = Counter((row["emo"], u.label) for row, u in zip(rows, utterances, strict=True))
    assert len({emotion for emotion, _ in agreed}) == len(agreed)  # each word of theirs is one of ours
    found, expected = Counter(u.label for u in utterances), module.expected(module.Settings())
    assert found <= Counter(expected) if name in FEWER else found == expected
    assert len({u.uid for u in utterances}) == len(rows)


@needs_metadata
def test_no_loader_claims_what_is_anothers() -> None:
    """Each of some 160,000 names of 28 corpora is claimed by the loader of its corpus, if any, and by no other."""
    modules = [registry.find("corpora", name) for name in registry.names("corpora")]
    patterns = {m.__name__.rpartition(".")[2]: m.NAME for m in modules if hasattr(m, "NAME")}
    claims: Counter[tuple[str, str]] = Counter()
    for table in Path(os.environ["SER_EMOBOX_METADATA"]).glob("*/**/*.jsonl"):
        if table.parts[-2] != "track2":
            paths = [json.loads(line).get("wav", "") for line in table.read_text(encoding="utf-8").splitlines()]
            corpus = table.relative_to(os.environ["SER_EMOBOX_METADATA"]).parts[0]
            keys = [folders.key(f"/{path}") for path in paths if path]
            claims.update((corpus, loader) for key in keys for loader, p in patterns.items() if p.search(key))
    own = {"cremad": "crema_d", "emovdb": "emov_db", "jlcorpus": "jl_corpus", "msppodcast": "msp_podcast"}
    assert {(corpus, loader) for corpus, loader in claims if own.get(corpus, corpus) != loader} == set()
    assert {corpus for corpus, _ in claims} > {*EMOBOX, "esd", "iemocap", "emozionalmente"}
