"""The command line: help with examples, four-part errors and exit statuses, and nothing run that was not asked for."""

import errno
import os
import re
import shlex
import shutil
import signal
from dataclasses import replace
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
import soundfile

from ser import registry
from ser.cli import main as cli
from ser.cli.arguments import parser
from ser.cli.assignments import setting
from ser.cli.main import _check_precision, _requested, arguments, main
from ser.distributed import launch
from ser.distributed.ledger import Summary
from ser.distributed.preparation import Preparation
from ser.distributed.profile import Profile
from ser.errors import BadInput
from ser.host.processor import Processor
from ser.runs.folder import Head, RunFolder
from ser.runs.location import Location
from ser.runs.tracker import Tracker
from ser.study import part
from ser.trials.job import head_of, job_of

COMMANDS = (
    "corpora",
    "prepare",
    "run",
    "train",
    "predict",
    "export-model",
    "export",
    "labels",
    "studies",
    "show",
    "status",
    "sync",
    "report",
    "ui",
    "demo",
)


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch, empty_ledger):
    """Commands write below the current folder unless told otherwise; an empty ledger saves making one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    (tmp_path / "work").mkdir()
    shutil.copy(empty_ledger, tmp_path / "work" / "mlflow.db")


def helped(capsys, *arguments):
    with pytest.raises(SystemExit) as end:
        main([*arguments, "--help"])
    assert end.value.code == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_with_an_example(capsys, command):
    text = helped(capsys, command)
    assert f"examples:\n  ser {command}" in text


def test_help_names_every_command(capsys):
    text = helped(capsys)
    assert all(command in text for command in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_the_examples_of_the_help_can_be_parsed(capsys, command):
    examples = helped(capsys, command).partition("examples:\n")[2].splitlines()
    for example in filter(str.strip, examples):
        assert parser(cli.FUNCTIONS).parse_args(shlex.split(example)[1:]).command is cli.FUNCTIONS[command]


@pytest.fixture
def table(tmp_path):
    """Writes a CSV manifest with one recording per speaker and class."""

    def write(speakers, labels=("happy", "angry", "neutral", "sad")):
        lines = ["path,label,speaker"]
        for i, (speaker, label) in enumerate((s, label) for s in speakers for label in labels):
            wave = np.random.default_rng(i).normal(0, 0.1, 4000)
            soundfile.write(tmp_path / f"{speaker}_{label}.wav", wave, 8000)
            lines.append(f"{speaker}_{label}.wav,{label},{speaker}")
        (tmp_path / "manifest.csv").write_text("\n".join(lines))
        return tmp_path / "manifest.csv"

    return write


def refused(capsys, *arguments):
    """What a refused command says on stderr."""
    assert main(list(arguments)) == 2
    said = capsys.readouterr().err
    assert said.startswith("ser: error: ")
    assert "; allowed: " in said
    assert len(said.split("; ")) >= 3
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "interaffektion", "--data", "."], "interaffection"),
        (["status", "interaffektion"], "interaffection"),
        (["report", "interaffektion"], "interaffection"),
        (["run", "interaffection", "--data", "nowhere"], "a folder that exists"),
        (["run", "interaffection", "--data", "."], "no corpus below"),
        (["run", "interaffection"], "no folder named"),
        (["corpora", "--data", "nowhere"], "a folder that exists"),
        (["prepare", "interaffection", "--corpora", "mystery=."], "a CSV manifest"),
        (["run", "interaffection", "--profile", "lokal"], "did you mean local?"),
        (["status", "interaffection", "--tracking-uri", "localhost"], "--tracking-uri"),
        (["report", "interaffection", "--variant", "none"], "no runs of interaffection"),
    ],
)
def test_what_cannot_be_done_ends_with_status_2_and_says_what_can(capsys, arguments, said):
    assert said in refused(capsys, *arguments)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--set", "training.colour=1"], "training.batch_size"),
        (["--set", "training.batch_size=many"], "whole number"),
        (["--set", "training.batch_size"], "PATH=VALUE"),
        (["--set", "merge=excited"], "merge=excited:happy"),
        (["--set", "normalise=some"], "train, corpus, speaker, none"),
        (["--seeds", "0"], "1 or more"),
        (["--duplicates", "twice"], "once, repeat"),
        (["--noise", "."], "files ending in"),
        (["--corpora", "mine=manifest.csv,mine=manifest.csv"], "name each corpus once"),
        (["--corpora", "loss=manifest.csv"], "rename it"),
    ],
)
def test_a_wrong_option_ends_with_status_2_and_says_what_is_right(capsys, table, options, said):
    path = table(["a", "b", "c"])
    path = path.rename(path.with_name("mine.csv")) if "--noise" in options else path
    if "--noise" in options:
        for wav in path.parent.glob("*.wav"):
            wav.unlink()
        options = ["--noise", str(path.parent)]
    assert said in refused(capsys, "run", "interaffection", "--corpora", f"customer={path}", "--plan", *options)


def test_one_speaker_is_not_enough(capsys, table):
    said = refused(capsys, "run", "interaffection", "--corpora", f"customer={table(['a'])}", "--plan")
    assert "1 speaker(s)" in said
    assert "at least one speaker for each subset" in said


def test_an_empty_corpus_is_refused(capsys, table):
    said = refused(capsys, "run", "interaffection", "--corpora", f"customer={table([])}", "--plan")
    assert "manifest.csv" in said


def test_plan_prints_the_grid_and_runs_nothing(capsys, data, tmp_path):
    command = ["run", "interaffection", "--data", str(data), "--plan", "--set", "augmentation=none"]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "168 trials, 288 results, 150 to train" in said
    assert "3 svm references beside them" in said
    assert "0 finished" in said
    assert "150 left to train" in said
    assert Tracker(Location.of(tmp_path / "work", None), "interaffection").runs() == []
    assert not list((tmp_path / "work").rglob("*.npy"))


def test_corpora_shows_counts_speakers_and_refusals(capsys, data):
    assert main(["corpora", "--data", str(data), "--corpora", "ravdess", "--refused"]) == 0
    said = capsys.readouterr().out
    assert "8 speakers" in said
    assert "duplicate of" in said


def test_what_was_refused_is_listed_once_whatever_the_folds_and_seeds(capsys, data, tmp_path, monkeypatch):
    monkeypatch.setattr("ser.planning.request.prepare", lambda *given: [])
    command = ["prepare", "interaffection", "--mode", "sound", "--data", str(data), "--corpora", "ravdess"]
    settings = [f"--set={name}" for name in ("ravdess.folds=3", "seeds=2")]
    assert main([*command, *settings, "--work", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("refused: ") == 1


def test_prepare_builds_once_and_says_where(capsys, data, tmp_path):
    command = ["prepare", "interaffection", "--data", str(data), "--corpora", "ravdess", "--store", "features"]
    for _ in range(2):
        assert main(command) == 0
        assert f"ready in {tmp_path / 'features'}" in " ".join(capsys.readouterr().out.split("\n"))
    assert len(list((tmp_path / "features").glob("*/entry.json"))) == 1


def test_a_changed_corpus_is_refused_until_it_is_accepted(capsys, table, tmp_path, monkeypatch):
    from ser.cli import console
    from ser.planning import request

    path = table(["a", "b", "c"])
    command = ["run", "interaffection", "--corpora", f"customer={path}", "--set", "augmentation=none"]
    asked = cli._request(cli.arguments(command))
    plan = request.plan_of(asked, console.bar)
    where = Location.of(tmp_path / "work", None)
    job = job_of(plan, where, tmp_path / "work", "store", "cpu", 1, "test", [])
    Tracker(where, "interaffection").start(head_of(job, plan.trials[0])).close("", "FINISHED")
    path.write_text(path.read_text().replace("a_happy.wav,happy", "a_happy.wav,sad"))
    monkeypatch.setattr(Preparation, "job", lambda self: job)
    monkeypatch.setattr(launch, "run", lambda *_: Summary())
    assert "--accept-changed-corpus" in refused(capsys, *command)
    assert main([*command, "--accept-changed-corpus"]) == 0


def test_a_corpus_that_cannot_be_read_hides_no_other_and_its_error_is_whole(capsys, data, tmp_path):
    manifest = tmp_path / "calls" / "manifest.csv"
    manifest.parent.mkdir()
    manifest.write_text("path,label,speaker\nx.wav,[wat],s1\n")
    assert main(["corpora", "--data", str(data), "--data", str(tmp_path), "--work", str(tmp_path / "work")]) == 2
    shown = capsys.readouterr().out
    assert "ravdess (RAVDESS)" in shown
    assert "line 2" in shown
    assert "'[wat]'" in shown


@pytest.mark.parametrize("command", ["status interaffection", "report interaffection", "ui"])
def test_a_work_folder_without_runs_is_no_empty_study(capsys, tmp_path, command):
    assert main([*command.split(), "--work", str(tmp_path / "wrok")]) == 2
    assert "wrok, which has no runs" in capsys.readouterr().err
    assert not (tmp_path / "wrok").exists()


@pytest.mark.parametrize("study", ["interaffection", "mfcc_networks"])
def test_looking_at_a_study_that_was_never_run_leaves_no_trace(capsys, data, tmp_path, study):
    where = Location.of(tmp_path / "work", None)
    Tracker(where, "another")
    before = where.database.read_bytes()
    for command in ("status", "report"):
        assert re.search(rf"no runs of {study} in .*it has: another", refused(capsys, command, study))
    settings = ["--set", "augmentation=none"]
    assert main(["run", study, "--data", str(data), "--plan", "--corpora", "ravdess", *settings]) == 0
    assert where.database.read_bytes() == before
    assert not (tmp_path / "work" / "reports").exists()


@pytest.mark.parametrize("study", ["interaffection", "survey"])
def test_a_study_without_runs_has_a_status_and_no_report_that_would_replace_one(capsys, tmp_path, study):
    Tracker(Location.of(tmp_path / "work", None), study)
    report = tmp_path / "work" / "reports" / study / "report.html"
    report.parent.mkdir(parents=True)
    report.write_text("the report of runs that were deleted since")
    assert main(["status", study]) == 0
    first = capsys.readouterr().out.partition("\n")[0]  # how many folds the survey has, only runs say
    assert first.startswith(f"{study}: 0 of ") or first == f"{study}: no trial has been started yet"
    assert "at least one run" in refused(capsys, "report", study)
    assert report.read_text().startswith("the report of runs")


def test_a_study_that_cannot_be_recorded_is_not_trained(capsys, data, tmp_path, monkeypatch):
    where = Location.of(tmp_path / "work", None)
    tracker, command = Tracker(where, "interaffection"), ["run", "interaffection", "--data", str(data)]
    monkeypatch.setattr(Preparation, "job", lambda self: pytest.fail("it is trained"))
    (tmp_path / "work" / "artifacts").write_text("a file where a folder should be")
    refused(capsys, *command, "--set", "augmentation=none")
    tracker.client.delete_experiment(tracker.experiment)
    assert "experiments restore" in refused(capsys, *command, "--set", "augmentation=none")


def test_trials_that_could_not_be_told_are_shown_also_where_there_is_no_run(capsys, tmp_path):
    run_folder = RunFolder(tmp_path / "work", "a1b2")
    run_folder.path.mkdir(parents=True)
    run_folder.begin(Head("interaffection", "a1b2", "R · lstm · μ · multi", {}, {}))
    run_folder.complete({"ua/ravdess": 0.5})
    assert main(["status", "interaffection"]) == 0
    said = capsys.readouterr().out
    assert "no runs of interaffection" in said
    assert "1 trained, but not told to MLflow" in said


def test_a_processor_on_which_bfloat16_is_slower_is_named(capsys, plan, monkeypatch):
    monkeypatch.setattr("ser.host.processor.processor", lambda: Processor("Old", ("AVX2",)))
    local, (exact, *_) = Profile.read("local"), plan.to_train
    reduced = replace(exact, training=replace(exact.training, precision="bfloat16"))
    for trial, address, said in ((reduced, None, True), (reduced, "auto", False), (exact, None, False)):
        one = SimpleNamespace(study=plan.study, to_train=(trial,))
        _check_precision(one, local, address)
        assert ("Old: bfloat16 is slower" in capsys.readouterr().out) is said


def test_status_counts_against_the_grid_and_names_failures(capsys, plan, tmp_path):
    where = Location.of(tmp_path / "work", None)
    tracker = Tracker(where, "interaffection")
    job = job_of(plan, where, tmp_path / "work", "store", "cpu", 1, "test", [])
    tracker.start(head_of(job, plan.trials[0])).close("", "FINISHED")
    tracker.start(head_of(job, plan.trials[1])).close("Diverged: loss nan at step 3")
    assert main(["status", "interaffection"]) == 0
    said = capsys.readouterr().out
    assert "1 of 24 trials finished" in said
    assert "1 failed" in said
    assert f"{plan.trials[1].title}: Diverged: loss nan at step 3" in said


def test_an_interrupt_ends_with_status_130_and_says_that_nothing_is_lost(capsys, monkeypatch):
    def interrupted(args):
        raise KeyboardInterrupt

    monkeypatch.setitem(cli.FUNCTIONS, "status", interrupted)
    assert main(["status", "interaffection"]) == 130
    assert "the same command continues" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("training.batch_size=32", 32),
        ("training.learning_rate=1e-3", 1e-3),
        ("normalise=none", "none"),
        ("tdnn.context=-2,0,2", (-2, 0, 2)),
        ("tdnn.context=(-1,0,1)", (-1, 0, 1)),
        ("classes=happy,sad", ("happy", "sad")),
        ("ravdess.channels=speech,song", ("speech", "song")),
        ("tess.train=YAF", "YAF"),
        ("customer.outside=True", True),
        ("merge=excited:happy,calm:neutral", (("excited", "happy"), ("calm", "neutral"))),
        ("merge=", ()),
        ("customer.label_map=a=b.json", "a=b.json"),
        ("tess.test=", ""),
    ],
)
def test_settings_are_literals_where_they_can_be_and_text_else(text, value):
    assert setting(text) == (text.partition("=")[0], value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("mfcc", part("mfcc")),
        ("mfcc()", part("mfcc")),
        (" pretrained( layers=6 ,statistics=mean,std)", part("pretrained", layers=6, statistics=("mean", "std"))),
        ("pretrained(layers=last, stored='float16')", part("pretrained", layers="last", stored="float16")),
        ("pretrained(statistics=('mean', std))", part("pretrained", statistics=("mean", "std"))),
        ("log_mel(floor=1e-6, low_hz=-20.0, noise='a,b)')", part("log_mel", floor=1e-6, low_hz=-20.0, noise="a,b)")),
        ("pretrained(statistics=())", part("pretrained", statistics=())),
        ("x(a=(1,2),3)", part("x", a=((1, 2), 3))),
        ("mfcc(mean=False)", part("mfcc", mean=False)),
    ],
)  # fmt: skip
def test_a_whole_front_end_is_written_like_a_call(text, value):
    assert setting(f"front_end={text}") == ("front_end", value)


@pytest.mark.parametrize(
    "text",
    ["", "mfcc(", "mfcc)", "mfcc(mels=)", "a(b)", "a(b=c())", "a(b=c.d)", "a(b=1+2)", "a(x=2,x=3)", "a b", "a((b=1)"],
)  # fmt: skip
def test_what_is_no_front_end_is_refused_and_nothing_is_evaluated(text):
    with pytest.raises(BadInput, match="--set front_end"):
        setting(f"front_end={text}")


def test_folders_of_encoders_are_absolute_and_there(tmp_path, capsys):
    (tmp_path / "base").mkdir()
    args = arguments(["run", "encoders", "--encoder", "b=base", "--encoder", f"c={tmp_path}/base"])
    assert args.encoder == [f"b={tmp_path}/base", f"c={tmp_path}/base"]
    for command in ("prepare", "run", "export", "demo"):
        assert "--encoder NAME=DIR" in helped(capsys, command)
        assert "--encoder b: " in refused(capsys, command, "encoders", "--encoder", "b=nowhere")
        assert "'base'; allowed: NAME=DIR" in refused(capsys, command, "encoders", "--encoder", "base")


def test_a_study_of_encoders_says_which_option_it_lacks(capsys, tmp_path):
    (tmp_path / "corpora").mkdir()
    assert "no encoder for front_end.encoder" in refused(capsys, "run", "encoders", "--data", "corpora")


def test_corpora_and_labels_take_the_settings_that_run_takes(capsys, table, tmp_path):
    path = table(("a", "b"), labels=("happy", "furious"))
    (tmp_path / "labels.json").write_text('{"furious": "angry"}')
    command = ["--corpora", f"calls={path}", "--work", str(tmp_path / "work")]
    assert main(["corpora", *command]) == 2
    assert "unknown label 'furious'" in (said := capsys.readouterr().out)
    assert "--set calls.label_map=labels.json" in " ".join(said.split())
    assert main(["corpora", *command, "--set", "calls.label_map=labels.json"]) == 0
    assert "angry" in capsys.readouterr().out
    assert main(["labels", "multilabel", *command[:2], "--set", "calls.label_map=labels.json"]) == 0
    assert "calls.audio_root, calls.label_map" in refused(capsys, "corpora", *command, "--set", "calls.lable_map=x")


def test_corpora_are_names_with_places_of_ones_own(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "manifest.csv").touch()
    iemocap, mine = _requested("iemocap, mine=~/manifest.csv")
    assert (iemocap.name, iemocap.path) == ("iemocap", None)
    assert (mine.name, mine.path) == ("mine", tmp_path / "manifest.csv")
    assert _requested(None) == ()
    with pytest.raises(BadInput):
        _requested("iemocap,,tess")


def test_the_work_folder_may_come_from_the_environment(monkeypatch):
    monkeypatch.setitem(os.environ, "SER_WORK", "/elsewhere")
    assert str(parser(cli.FUNCTIONS).parse_args(["status", "x"]).work) == "/elsewhere"


def test_a_full_disk_ends_with_status_2_and_says_what_to_do(capsys, monkeypatch):
    def full(args):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/disk/trials/x")

    monkeypatch.setitem(cli.FUNCTIONS, "status", full)
    assert main(["status", "interaffection"]) == 2
    said = capsys.readouterr().err
    assert "/disk/trials/x: No space left on device" in said
    assert "the same command goes on" in said


def test_a_tracking_store_that_is_away_is_told_and_the_work_folder_is_shown_all_the_same(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    run_folder = RunFolder(tmp_path, "a1b2")
    run_folder.path.mkdir(parents=True)
    run_folder.begin(Head("interaffection", "a1b2", "R · lstm · μ · multi", {}, {}))
    run_folder.complete({"ua/ravdess": 0.5})
    away = ["interaffection", "--work", str(tmp_path), "--tracking-uri", "http://127.0.0.1:9"]
    assert main(["status", *away]) == 0
    said = capsys.readouterr().out
    assert "MLflow is away" in said
    assert "1 trained, but not told to MLflow" in said
    assert main(["report", *away]) == 2
    assert "tracking store is away" in capsys.readouterr().err


def test_labels_are_counted_from_the_tables_alone_and_compared_with_their_own_study_only(tmp_path, capsys):
    root = registry.find("corpora", "crema_d").miniature(tmp_path)
    for wav in root.rglob("*.wav"):
        wav.unlink()
    assert main(["labels", "multilabel", "--corpora", f"crema_d={root}"]) == 0
    said = capsys.readouterr().out
    assert "neutral" in said
    assert "2733 ≠" in said  # of the full release
    own = registry.find("corpora", "iemocap").miniature(tmp_path / "own")
    assert main(["labels", "segments", "--corpora", f"iemocap={own}"]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if line.startswith("angry")]
    assert [row[2] for row in rows] == ["–"]


def test_features_are_exported_as_hdf5(data, tmp_path, capsys):
    command = ["export", "segments", "--work", str(tmp_path), "--corpora", f"iemocap={data / 'IEMOCAP_full_release'}"]
    assert main([*command, "--to", str(tmp_path / "out")]) == 0
    files, cuts = sorted((tmp_path / "out").glob("iemocap-vggish_mel-*.h5")), set()
    for path in files:  # of one front-end in three settings, and so with more than its name
        with h5py.File(path) as file:
            assert file["X"].shape == (file["lengths"][:].sum(), 64)
            assert set(file["y"].asstr()[:]) == {"angry", "happy", "neutral", "sad"}
            assert file.attrs["front_end"] == "vggish_mel"
            cuts.add(file.attrs["segmentation"])
    assert len(files) == 3
    assert cuts == {"nonoverlap", "overlap_repo", "overlap_textbook"}


def test_plugins_of_the_command_and_of_the_environment_reach_every_process(tmp_path, monkeypatch):
    for name in ("ours", "theirs"):
        (tmp_path / name / "models").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SER_PLUGINS", "theirs")
    arguments(["corpora", "--plugins", "ours", "--plugins", "theirs"])
    assert os.environ["SER_PLUGINS"].split(os.pathsep) == [str(tmp_path / "theirs"), str(tmp_path / "ours")]
    with pytest.raises(BadInput, match=r"--plugins: .*nowhere, which does not exist"):
        arguments(["corpora", "--plugins", "nowhere"])
