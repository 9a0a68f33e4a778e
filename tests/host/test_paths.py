"""Paths and addresses in every spelling: resolved once, at the command, or refused in four parts with a way out."""

import os
import unicodedata
from pathlib import Path

import pytest
from sqlalchemy import make_url

from ser.cli import arguments as options
from ser.cli import main
from ser.distributed import node
from ser.errors import BadInput
from ser.host import paths
from ser.runs.location import Location
from ser.runs.run_log import RunLog
from ser.runs.tracker import Tracker

NAMES = (
    "IEMOCAP%20full",
    "what?",
    "a#b",
    "a b",
    "ü",
    unicodedata.normalize("NFD", "é"),
    "a&b=c,d",
    "100%",
    "a%3Fb",
    "~",
)


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    """A home, a current folder, and things of other kinds than are asked for."""
    (tmp_path / "home").mkdir()
    (tmp_path / "here").mkdir()
    for variable in ("SER_WORK", "SER_CACHE", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    Path("file").touch()
    Path("x.zip").touch()
    Path("manifest.csv").touch()
    Path("dangling").symlink_to("nothing")
    Path("loop").symlink_to("loop")
    Path("linked").symlink_to(tmp_path / "home")
    return tmp_path / "here"


def refusal(kind, *arguments):
    """The four parts of what is refused, as one line."""
    with pytest.raises(BadInput) as error:
        kind(*arguments)
    assert all((error.value.value, error.value.place, error.value.allowed, error.value.remedy))
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("work", "here/work"),
        ("./work//", "here/work"),
        ("a/../b", "here/b"),
        ("linked/../b", "b"),  # as the system follows it: the link first
        ("linked/b", "here/linked/b"),  # elsewhere the link may lead elsewhere
        ("~/work", "home/work"),
        ("~", "home"),
        ("file:///{}/a%20b", "a b"),
        ("FILE://localhost{}/work", "work"),
        ("$HOME", "here/$HOME"),
        *((name, f"here/{name}") for name in NAMES if name != "~"),
    ],
)
def test_a_path_is_made_absolute_and_stays_so(tmp_path, text, meant):
    found = paths.writable_folder(text.format(str(tmp_path)).replace("////", "///"), "--work")
    assert found == tmp_path / meant
    assert paths.writable_folder(str(found), "--work") == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "''"),
        ("  ", "a path"),
        ("file", "which is a file"),
        ("file/below", "is a file"),
        ("dangling", "a link to nothing, which does not exist"),
        ("dangling/below", "a link to nothing"),
        ("loop", "symbolic links"),
        ("n" * 300, "name too long"),
        ("~nobody-of-this-name/x", "~USER"),
        ("C:\\Users\\anna", "/mnt/c/Users/anna"),
        ("\\\\server\\share", "mounted"),
        ("s3://bucket/x", "only --store takes URLs"),
        ("file://host/x", "three slashes"),
    ],
)
def test_a_folder_that_cannot_be_written_is_refused_at_once(text, told):
    assert told in refusal(paths.writable_folder, text, "--work").replace("File name", "name")


def test_what_is_to_be_read_must_be_there_and_of_its_kind(here):
    assert paths.folder("linked", "--noise") == here / "linked"
    assert "which is a file" in refusal(paths.folder, "file", "--noise")
    assert "does not exist" in refusal(paths.folder, "nowhere", "--noise")
    assert "a link to nothing" in refusal(paths.folder, "dangling", "--noise")
    assert "which is a folder" in refusal(paths.weights, "linked")
    assert paths.weights("vggish_model.ckpt") == here / "vggish_model.ckpt"  # a prefix, perhaps
    assert paths.data("x.zip") == here / "x.zip"
    assert "--corpora NAME=" in refusal(paths.data, "manifest.csv")
    Path("corpora.tar.gz").touch()
    assert refusal(paths.data, "corpora.tar.gz").endswith("unpack it, and name the folder")
    assert paths.profile("gpu") == "gpu"
    assert "does not exist" in refusal(paths.profile, "./mine.toml")


def test_a_folder_without_leave_to_look_is_told(tmp_path, monkeypatch):
    def forbidden(self):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "stat", forbidden)
    assert "Permission denied" in refusal(paths.folder, str(tmp_path), "--data")


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("features", "{}/features"),
        ("file:///store", "/store"),
        ("S3://bucket/a b", "s3://bucket/a b"),
        ("sftp://host/x%20y", "sftp://host/x%20y"),
    ],
)
def test_a_store_is_an_absolute_folder_or_a_url(here, text, meant):
    assert paths.store(text) == meant.format(here)
    assert paths.store(paths.store(text)) == paths.store(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [("", "''"), ("s3:/bucket", "s3://bucket"), ("s3://", "BUCKET"), ("memory://x", "workers"), ("file", "a file")],
)
def test_a_store_that_workers_could_not_reach_is_refused(text, told):
    assert told in refusal(paths.store, text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("auto", "auto"),
        ("head:6379", "head:6379"),
        ("RAY://head:10001/", "ray://head:10001"),
        ("[::1]:6379", "[::1]:6379"),
    ],
)
def test_the_address_of_a_cluster(text, meant):
    assert paths.cluster(text) == meant


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "auto"),
        ("head", "head:6379"),
        ("ray://head", "ray://head:10001"),
        ("head:0", "HOST:6379"),
        ("head:70000", "HOST:6379"),
        ("http://head:8265", "ray://head:10001"),
        ("local", "leave it out"),
    ],
)
def test_no_address_of_a_cluster(text, told):
    assert told in refusal(paths.cluster, text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("http://host:5000/", "http://host:5000"),
        ("HTTPS://anna:s3cret@host/mlflow/", "https://anna:s3cret@host/mlflow"),
        ("sqlite:///mlflow.db", "sqlite:///{}/mlflow.db"),
        ("SQLITE:///sub/../mlflow.db", "sqlite:///{}/mlflow.db"),
        ("sqlite+pysqlite:///mlflow.db", "sqlite:///{}/mlflow.db"),
        ("sqlite:////data/x.db", "sqlite:////data/x.db"),
        ("sqlite:///~/x.db", "sqlite:///{}/../home/x.db"),
        ("sqlite:///x.db?timeout=60", "sqlite:///{}/x.db?timeout=60"),
        ("sqlite:///a%20b.db", "sqlite:///{}/a b.db"),
        ("sqlite:///what%3F.db", "sqlite+pysqlite:///{}/what%3F.db"),
        ("PostgreSQL+psycopg2://anna:S3cret@Host/Runs", "postgresql+psycopg2://anna:S3cret@Host/Runs"),
    ],
)
def test_the_address_of_a_tracking_store(here, text, meant):
    found = paths.tracking(text)
    assert found == meant.format(here).replace(f"{here}/..", str(here.parent))
    assert paths.tracking(found) == found


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "leave it out"),
        ("sqlite://", "in memory"),
        ("sqlite:", "in memory"),
        ("sqlite:///", "write sqlite:///mlflow.db"),
        ("sqlite:///:memory:", "in memory"),
        ("sqlite:///file:x.db?uri=true", "cannot be shared"),
        ("sqlite://x.db", "write sqlite:///x.db"),
        ("sqlite:x.db", "write sqlite:///x.db"),
        ("sqlite+aiosqlite:///x.db", "no other driver"),
        ("sqlite:///what?/x.db", "%3F"),
        ("sqlite:///linked", "write sqlite:///linked/mlflow.db"),
        ("sqlite:///file/x.db", "which is a file"),
        ("x.db", "write sqlite:///x.db"),
        ("./mlruns", "sqlite:///mlflow.db"),
        ("mlruns", "file stores"),
        ("file:///data/mlruns", "file stores"),
        ("linked", "file stores"),
        ("localhost:5000", "write http://localhost:5000"),
        ("localhost", "write http://localhost:5000"),
        ("mlflow.example.org/", "write http://mlflow.example.org:5000"),
        ("http://", "http://HOST:5000"),
        ("http:/host:5000", "http://HOST:5000"),
        ("http://host:99999", "http://HOST:5000"),
        ("http://host:5000/#/experiments/1", "write http://host:5000, without"),
        ("databricks", "Databricks"),
        ("databricks://profile", "Databricks"),
        ("postgres://anna:s3cret@host/runs", "write postgresql://host/runs"),
        ("ftp://anna:s3cret@x", "http://HOST:5000"),
    ],
)
def test_no_address_of_a_tracking_store_is_refused_with_what_was_meant(text, told):
    said = refusal(paths.tracking, text)
    assert told in said
    assert "s3cret" not in said


def test_a_port_that_is_none_is_no_traceback(tmp_path):
    assert "s3cret" not in refusal(Location.of, tmp_path, "postgresql://anna:s3cret@host:port/runs")


@pytest.mark.parametrize("name", NAMES)
def test_database_and_artifacts_lie_in_the_work_folder_whatever_its_name(tmp_path, name, empty_ledger):
    work = tmp_path / "works" / name
    work.mkdir(parents=True)
    (work / "mlflow.db").write_bytes(empty_ledger.read_bytes())
    tracker = Tracker(Location.of(work, None), "study")
    run = tracker.client.create_run(tracker.experiment)
    files = tmp_path / "files"
    files.mkdir()
    (files / "note.txt").write_text("here")
    RunLog(tracker, "", run, set())._files(files, ())
    assert tracker.artifact(run, "note.txt").read_text() == "here"
    assert list(tracker.texts([run.info.artifact_uri], "note.txt")) == ["here"]
    assert [p.name for p in (tmp_path / "works").iterdir()] == [name]
    assert len(list((work / "artifacts").rglob("note.txt"))) == 1


def test_a_work_folder_whose_name_is_no_text_is_refused(tmp_path):
    assert "--work" in refusal(Location.of, tmp_path / os.fsdecode(b"caf\xe9"), None)


def test_a_version_of_sqlalchemy_that_reads_no_quotes_is_found_out(tmp_path, monkeypatch):
    def as_it_is(uri):
        return make_url(uri).set(database=uri.partition(":///")[2])

    monkeypatch.setattr("sqlalchemy.make_url", as_it_is)
    assert Location.of(tmp_path, None).artifacts == str(tmp_path / "artifacts")
    said = refusal(Location.of, tmp_path / "a%20b", None)
    assert "--work" in said
    assert "'%'" in said


def test_the_name_of_a_database_file_holds_no_secret(tmp_path):
    assert Location.of(tmp_path / "anna@host", None).printable.endswith(f"{tmp_path}/anna@host/mlflow.db")
    assert Location("postgresql://anna:s3cret@host/runs", "").printable == "postgresql://host/runs"


def test_reading_makes_no_database(here):
    assert "run first" in refusal(Location.of, here, "sqlite:///typo.db", True)
    assert not Path("typo.db").exists()


def resolved(*arguments, **environment):
    """The arguments as commands take them, and what is told of the environment."""
    args = options.parser(main.FUNCTIONS).parse_args(arguments)
    return args, options.resolve(args, environment)


def test_all_options_are_resolved_together(here):
    Path("noises").mkdir()
    everything = (
        "--work w --data noises --noise noises --rir noises --weights v.ckpt --store s --tracking-uri sqlite:///m"
    )
    args, _ = resolved("run", "interaffection", *everything.split(), "--address", "auto")
    told = {k: str(v) for k, v in vars(args).items() if k in everything.replace("-", "_") and k not in ("data", "set")}
    assert {k: v for k, v in told.items() if str(here) not in v} == {}
    assert args.data == [here / "noises"]


def test_the_environment_is_heeded_and_told(here, monkeypatch):
    args, notes = resolved("status", "x", MLFLOW_TRACKING_URI="sqlite:///m.db")
    assert args.tracking_uri == f"sqlite:///{here}/m.db"
    assert notes == ["tracking: sqlite:///m.db from MLFLOW_TRACKING_URI"]
    args, notes = resolved("status", "x", "--tracking-uri", "http://mine:1", MLFLOW_TRACKING_URI="http://theirs:1")
    assert (args.tracking_uri, notes) == ("http://mine:1", [])
    assert resolved("status", "x", MLFLOW_TRACKING_URI="")[0].tracking_uri is None
    assert "MLFLOW_TRACKING_URI: " in refusal(lambda: resolved("status", "x", MLFLOW_TRACKING_URI="./mlruns"))
    assert "s3cret" not in "".join(resolved("status", "x", MLFLOW_TRACKING_URI="http://a:s3cret@host")[1])
    assert "--address auto" in resolved("run", "x", RAY_ADDRESS="head:6379")[1][0]
    assert resolved("status", "x", RAY_ADDRESS="head:6379")[1] == []
    environment = {"SER_CACHE": "cache"}
    options.resolve(options.parser(main.FUNCTIONS).parse_args(["doctor"]), environment)
    assert environment["SER_CACHE"] == str(here / "cache")
    monkeypatch.setenv("SER_WORK", "")
    assert resolved("status", "x", **os.environ)[0].work == here / "work"
    monkeypatch.setenv("SER_WORK", "file")
    assert "SER_WORK: " in refusal(lambda: resolved("status", "x", **os.environ))


def test_a_cache_that_each_process_would_look_for_elsewhere_is_refused(monkeypatch):
    monkeypatch.setenv("SER_CACHE", "cache")
    assert "absolute" in refusal(node.cache)


@pytest.mark.parametrize(
    ("arguments", "allowed"),
    [
        ("run x --jobs 0", "1 or more"),
        ("run x --jobs -1", "1 or more"),
        ("run x --seeds -3", "1 or more"),
        ("report x --replicates -1", "0 to"),
        ("ui --port -1", "0 to 65535"),
        ("ui --port 99999", "0 to 65535"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, allowed):
    assert allowed in refusal(lambda: resolved(*arguments.split()))


@pytest.mark.parametrize("option", ["mode", "corpora", "duplicates", "work", "store", "tracking-uri", "data", "noise"])
def test_nothing_is_no_value(option):
    assert f"--{option}: ''" in refusal(lambda: resolved("run", "x", f"--{option}", ""))


def test_a_corpus_may_have_commas_and_equals_signs_in_its_path(here):
    for name in ("a,b", "a,b=c,d", "e=f"):
        Path(name).mkdir()
        first, second = main._requested(f"calls={name},tess")
        assert (first.name, first.path, second.name, second.path) == ("calls", here / name, "tess", None)
    Path("a").mkdir()
    assert [w.name for w in main._requested("calls=a,b")] == ["calls", "b"]  # both can be meant: what is there first
    assert "does not exist" in refusal(main._requested, "calls=a,z/m.csv,tess=nowhere")
    assert "''" in refusal(main._requested, "calls=")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--set", "training.bach_size=3"], "did you mean training.batch_size?"),
        (["--set", "merge=excited:hapy"], "did you mean happy?"),
        (["--set", "merge=exited:happy"], "did you mean excited?"),
        (["--set", "merge=excited:happy,excited:sad"], "each label once"),
        (["--set", "merge=sad:sad"], "another class"),
        (["--set", "classes=happy"], "two or more"),
        (["--set", "classes=happy,sda"], "did you mean sad?"),
        (["--set", "classes=happy,happy"], "each label once"),
        (["--set", "training.max_epochs=0"], "1 or more"),
        (["--set", "training.learning_rate=nan"], "number"),
        (["--set", "savee.test=0.2", "--corpora", "iemocap"], "--set"),
        (["--store", "nosuch://place/x"], "a URL whose protocol fsspec can open"),
        (["--mode", "papr"], "did you mean paper?"),
        (["--profile", "lokal"], "did you mean local?"),
        (["--duplicates", "repeats"], "did you mean repeat?"),
        (["--weights", "file"], "a study with a network that takes weights"),
        (["--noise", "linked", "--set", "augmentation=none"], "a study that augments by noise"),
    ],
)
def test_what_is_wrong_whatever_the_corpora_hold_is_refused_before_they_are_made(capsys, monkeypatch, options, told):
    def made(*_):
        raise AssertionError("corpora are made")

    monkeypatch.setattr(main, "_made_corpora", made)
    monkeypatch.setattr("ser.planning.request.scan.corpora_below", made)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    assert main.main(["run", "interaffection", "--demo", "--plan", *options]) == 2
    assert told in capsys.readouterr().err


@pytest.mark.parametrize("options", [["merge=excited:happy", "classes=happy,sad"], ["classes=happy,sad"], ["merge="]])
def test_labels_that_can_be_meant_are_taken(monkeypatch, options):
    args = main.arguments(["run", "segments", "--data", ".", *(f"--set={each}" for each in options)])
    assert main._request(args).settings
