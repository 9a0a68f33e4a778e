"""What people type by mistake, and worse: every command answers in one line of four parts, without a traceback."""

import os
import signal
import subprocess
import sys

import pytest

from ser.cli import main as cli
from ser.cli.arguments import COMMANDS
from ser.cli.main import main
from ser.errors import BadInput
from ser.host import terminal

LONG, ODD = "x" * 5000, "\x1b[2J\r\n\0"
STUDIES = (
    "nope", "../x", "interaffection.py", "experiments/interaffection.py", "", " ", "ünïcode", "__init__", "os", ODD,
    "interaffektion", "interaffection/", "interaffection\n", LONG, "*", "$(id)", "sys.path",
)  # fmt: skip
OF_A_STUDY = ("run", "prepare", "export", "labels", "status", "report", "demo")
NO_ARGUMENTS = [
    [],
    [""],
    ["rnu"],
    ["-x"],
    ["--work"],
    ["run"],
    ["prepare"],
    ["export"],
    ["labels"],
]
ARGUMENTS = [
    ["run", "interaffection", "other"],
    ["run", "interaffection", "--pan"],
    ["run", "interaffection", "--p"],
    ["run", "interaffection", "--plan=3"],
    ["run", "interaffection", "--set"],
    ["run", "interaffection", "--jobs", "x"],
    ["run", "interaffection", "--jobs", LONG],
    ["run", "interaffection", "--seeds", "1.5"],
    ["run", "interaffection", "--seeds", "9" * 5000],
    ["run", "interaffection", "--work"],
    ["run", "interaffection", "--data", "--plan"],
    ["run", "interaffection", "--set", "a"],
    ["run", "interaffection", "--data", ".", "--mode", "loud"],
    ["run", "interaffection", "--profile", "lokal"],
    ["run", "interaffection", "--profile", "broken.toml"],
    ["run", "interaffection", "--profile", "lists.toml"],
    ["run", "interaffection", "--profile", "binary.toml"],
    ["run", "interaffection", "--profile", "."],
    ["run", "interaffection", "--profile", "folder.toml"],
    ["run", "interaffection", "--profile", "../../etc/passwd"],
    ["run", "interaffection", "--profile", LONG],
    ["doctor", "--profile", "broken.toml"],
    ["doctor", "here"],
    ["sync", "interaffection"],
    ["sync", "--work"],
    ["sync", "--work", "nowhere"],
    ["corpora"],
    ["corpora", "--data"],
    ["corpora", "--data", "nowhere"],
    ["corpora", "--data", "broken.toml"],
    ["corpora", "--corpora", ","],
    ["corpora", "--corpora", "=x"],
    ["corpora", "--corpora", "a=b=c"],
    ["corpora", "--corpora", f"{LONG}=x"],
    ["corpora", "interaffection"],
    ["labels", "multilabel"],
    ["labels", "multilabel", "--data", "nowhere"],
    ["labels", "interaffection", "--seeds", "2"],
    ["export", "segments", "--to"],
    ["export", "segments", "--data", "nowhere", "--to", "broken.toml"],
    ["prepare", "survey", "--data", "nowhere", "--jobs", "2"],
    ["status", "interaffection", "--work", "wrok"],
    ["status", "interaffection", "--work", "broken.toml"],
    ["status", "interaffection", "--work", LONG],
    ["status", "interaffection", "--tracking-uri", "localhost"],
    ["status", "interaffection", "--tracking-uri", "ftp://x"],
    ["report", "interaffection", "--ties", "last"],
    ["report", "interaffection", "--replicates", "many"],
    ["report", "interaffection", "--replicates", "-5"],
    ["report", "interaffection", "--replicates", "99999999999"],
    ["report", "interaffection", "--work", "wrok"],
    ["report", "interaffection", "--work", "/dev/null"],
    ["ui", "interaffection"],
    ["ui", "--port", "x"],
    ["ui", "--port", "-1"],
    ["ui", "--port", "99999"],
    ["ui", "--port", "9" * 5000],
    ["ui", "--port", "0", "--host", ""],
    ["ui", "--port", "0", "--host", "no such host"],
    ["ui", "--port", "0", "--host", LONG],
    ["ui", "--port", "0", "--host", ODD],
    ["ui", "--port", "0", "--allowed-hosts", "*"],
    ["ui", "--port", "0", "--work", "wrok"],
    ["ui", "--port", "0", "--work", "broken.toml"],
    ["ui", "--port", "0", "--tracking-uri", "localhost"],
    ["demo", "one", "two"],
    ["demo", "--profile", "lokal"],
]  # fmt: skip


@pytest.fixture(autouse=True)
def _own_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.delenv("SER_WORK", raising=False)
    (tmp_path / "broken.toml").write_text("device = [")
    (tmp_path / "lists.toml").write_text('device = []\ncpus_per_trial = "x"\nfans = 3\n')
    (tmp_path / "binary.toml").write_bytes(bytes(range(256)))
    (tmp_path / "folder.toml").mkdir()


def answered(capsys, arguments, allowed=(2,)):
    """The one line that a command leaves when it is given what it cannot use."""
    assert main(arguments) in allowed
    captured = capsys.readouterr()
    assert "Traceback" not in captured.out + captured.err
    (line,) = captured.err.rstrip("\n").split("\n")
    assert line.startswith("ser: error: ")
    assert len(line.split("; ")) >= 3
    assert "; allowed: " in line
    return line


def named(arguments):
    return " ".join(a if len(a) < 30 else f"{a[:8]}…" for a in arguments).encode("unicode_escape").decode() or "nothing"


@pytest.mark.parametrize("arguments", NO_ARGUMENTS, ids=named)
def test_a_command_line_without_its_arguments_is_answered(capsys, arguments):
    line = answered(capsys, arguments)
    assert " --help" in line


@pytest.mark.parametrize("study", STUDIES, ids=lambda text: named([text]))
@pytest.mark.parametrize("command", OF_A_STUDY)
def test_a_study_that_there_is_not_is_answered(capsys, command, study):
    data = ["--data", "."] if command not in ("status", "report", "demo") else []
    answered(capsys, [command, study, *data])


@pytest.mark.parametrize("arguments", ARGUMENTS, ids=named)
def test_arguments_that_cannot_be_used_are_answered(capsys, arguments):
    answered(capsys, arguments)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_that_there_is_not_is_answered_with_the_nearest(capsys, command):
    needed = {
        "train": ["interaffection", "--trial", "R"],
        "new": ["study", "mine"],
        "completion": ["bash"],
        "predict": ["abcd", "a.wav"],
        "export-model": ["abcd", "a.onnx"],
        "test": ["interaffection", "--on", "members"],
    }
    study = needed.get(command, ["interaffection"] if command in OF_A_STUDY else [])
    options = ["--taht", "1"] if command == "demo" else ["--hlep"]
    line = answered(capsys, [command, *study, *options])
    assert line.startswith(f"ser: error: ser {command}: '{options[0]}'")
    if command != "demo":
        assert "did you mean --help?" in line


@pytest.mark.parametrize("work", ["file", "file/below", "x" * 300, "/proc/nowhere", "/dev/null", "link", "loop"])
@pytest.mark.parametrize("command", ["run", "prepare"])
def test_a_work_folder_that_cannot_be_made_is_answered(capsys, tmp_path, command, work, data):
    (tmp_path / "file").write_text("in the way")
    (tmp_path / "link").symlink_to("/proc/nowhere")
    (tmp_path / "loop").symlink_to("loop")
    line = answered(capsys, [command, "interaffection", "--data", str(data), "--corpora", "ravdess", "--work", work])
    assert work in line


def test_a_defect_leaves_its_traceback_in_a_file_and_a_status_of_its_own(capsys, monkeypatch, tmp_path):
    def broken(args):
        raise KeyError("a mistake of ours")

    monkeypatch.setitem(cli.FUNCTIONS, "status", broken)
    (tmp_path / "work").mkdir()
    assert main(["status", "interaffection"]) == terminal.DEFECT
    said = capsys.readouterr().err
    assert "KeyError: 'a mistake of ours'" in said
    assert "Traceback" not in said
    (log,) = (tmp_path / "work" / "logs").iterdir()
    assert "in broken" in log.read_text()
    assert str(log.relative_to(tmp_path)) in said


def test_termination_is_an_interrupt_and_comes_once(monkeypatch):
    kept = []
    monkeypatch.setattr(signal, "signal", lambda *handler: kept.append(handler))
    with pytest.raises(KeyboardInterrupt):
        terminal.interrupt(signal.SIGTERM)
    assert kept == [(signal.SIGTERM, signal.SIG_IGN), (signal.SIGHUP, signal.SIG_IGN)]


def test_hanging_up_is_heeded_but_where_it_is_to_be_ignored(monkeypatch):
    for before, handled in ((signal.SIG_DFL, True), (signal.SIG_IGN, False)):  # the latter as nohup has it
        kept = {}
        monkeypatch.setattr(signal, "signal", kept.__setitem__)
        monkeypatch.setattr(signal, "getsignal", lambda _, before=before: before)
        with terminal.prepared():
            assert (kept.get(signal.SIGHUP) == terminal.interrupt) == handled
        assert kept[signal.SIGHUP] == before


def test_an_input_error_inside_a_command_is_no_defect(capsys, monkeypatch):
    def refusing(args):
        raise BadInput("'x'", "--y", "z", "w")

    monkeypatch.setitem(cli.FUNCTIONS, "status", refusing)
    assert answered(capsys, ["status", "interaffection"]) == "ser: error: --y: 'x'; allowed: z; w"


STATUS = f"{sys.executable} -m ser status interaffection"


@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        (f"{sys.executable} -m ser --help > /dev/full", 2, "ser: error: standard output: No space left on device; "),
        (f"{STATUS} --work wrok >&- 2>&- <&-", 2, ""),
        (f"{STATUS} --work wrok 2> /dev/full", 2, ""),
        (f"{STATUS} --work wrok > /dev/full", 2, "ser: error: --work: "),
    ],
)
def test_output_that_nobody_takes_is_no_traceback(command, status, said):
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stderr[: len(said)]) == (status, said)
    assert "Traceback" not in done.stderr
    assert bool(done.stderr) == bool(said)


def left_by_its_reader(code):
    """What a process does whose output goes into a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as pipe:
        done = subprocess.run([sys.executable, "-c", code], stdout=pipe, stderr=subprocess.PIPE, text=True)
    return done.returncode, done.stderr


def test_tables_whose_reader_leaves_end_the_command_as_the_system_would():
    """They are printed through Rich, which has a status of its own for it."""
    command = "cli.FUNCTIONS['studies'] = lambda args: show.console.print('x' * 99) or 0"
    code = f"import sys; from ser.cli import main as cli, console as show; {command}; sys.exit(cli.main(['studies']))"
    assert left_by_its_reader(code) == (terminal.READER_LEFT, "")


def test_trials_go_on_when_nobody_reads_of_them_any_more(tmp_path):
    live = "live = show.Live([], 0, pathlib.Path('run.log')); live.note('x' * 99); live.note('y')"
    start = f"import os, pathlib; from ser.cli import live as show; os.chdir({str(tmp_path)!r})"
    code = f"{start}; {live}; print('z', flush=True)"
    assert left_by_its_reader(code) == (0, "")
    assert [line.split()[2][0] for line in (tmp_path / "run.log").read_text().splitlines()] == ["x", "y"]
