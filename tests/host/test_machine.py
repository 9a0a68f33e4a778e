"""Machines that are not one's own: few processors, no home, long temporary folders, locales of old."""

import ast
import errno
import fcntl
import getpass
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from parsed import nodes

import ser
from ser import files as sealed
from ser.cli.main import main
from ser.distributed import pool
from ser.distributed.messages import DriverOptions, Examined
from ser.distributed.node import Finding
from ser.distributed.profile import Profile
from ser.errors import BadInput
from ser.host import environment, logs, machine, scratch
from ser.runs import attempts
from ser.runs.folder import RunFolder

TREE = Path(ser.__file__).parent


def files(root, **contents):
    """A root with files, whose paths have ``__`` for ``/`` and ``_dot_`` for dots."""
    for name, text in contents.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return root


@pytest.mark.parametrize(
    ("contents", "cores"),
    [
        ({}, 8),
        ({"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__cpu_dot_max": "150000 100000\n"}, 1),
        ({"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__cpu_dot_max": "50000 100000\n"}, 1),
        ({"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__cpu_dot_max": "max 100000\n"}, 8),
        ({"sys__fs__cgroup__cpu_dot_max": "200000 100000\n"}, 2),  # no /proc
        (
            {
                "proc__self__cgroup": "0::/pod/box\n",
                "sys__fs__cgroup__pod__cpu_dot_max": "300000 100000\n",
                "sys__fs__cgroup__pod__box__cpu_dot_max": "max 100000\n",
            },
            3,
        ),
        (
            {
                "proc__self__cgroup": "4:cpu,cpuacct:/docker/f00\n",  # of the host; in the container it is the top
                "sys__fs__cgroup__cpu,cpuacct__cpu_dot_cfs_quota_us": "400000\n",
                "sys__fs__cgroup__cpu,cpuacct__cpu_dot_cfs_period_us": "100000\n",
            },
            4,
        ),
        (
            {
                "proc__self__cgroup": "1:cpu:/\n",
                "sys__fs__cgroup__cpu__cpu_dot_cfs_quota_us": "-1\n",
                "sys__fs__cgroup__cpu__cpu_dot_cfs_period_us": "100000\n",
            },
            8,
        ),
    ],
)
def test_processors_are_those_of_affinity_and_quota(tmp_path, monkeypatch, contents, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    assert machine.cores(files(tmp_path, **contents)) == cores


def test_affinity_counts_where_there_is_no_quota(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {5})
    assert machine.cores(tmp_path) == 1


def test_memory_is_what_the_group_leaves(tmp_path):
    whole = machine.memory_bytes(tmp_path)
    assert whole == os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    group = {"proc__self__cgroup": "0::/\n", "sys__fs__cgroup__memory_dot_max": "1048576\n"}
    assert machine.memory_bytes(files(tmp_path, **group)) == 2**20
    assert machine.memory_bytes(files(tmp_path, sys__fs__cgroup__memory_dot_max="max\n")) == whole


def test_small_shared_memory_is_seen_and_none_is_none(tmp_path):
    assert machine.shared_memory_bytes(tmp_path) > 0
    assert machine.shared_memory_bytes(tmp_path / "absent") == 0


def test_processes_of_different_containers_have_different_names(tmp_path):
    (tmp_path / "proc/self/ns").mkdir(parents=True)
    (tmp_path / "proc/self/ns/pid").touch()
    assert machine.process(7) != machine.process(7, tmp_path)
    assert machine.process(7) != machine.process(8)


@pytest.mark.parametrize(
    ("profile", "cores", "at_once"),
    [
        (Profile("cpu", 1, 0.0, 0, 30), 1, 1),
        (Profile("cpu", 2, 0.0, 0, 30), 7, 3),
        (Profile("cpu", 4, 0.0, 0, 30), 2, 1),
        (Profile("cpu", 1, 0.0, 3, 30), 8, 3),
        (Profile("cpu", 1, 0.0, 3, 30), 2, 2),
        (Profile("cuda", 1, 0.25, 4, 30), 2, 4),
    ],
)
def test_a_plan_counts_the_processors_there_are(profile, cores, at_once):
    assert profile.at_once(cores) == at_once


def test_two_processes_of_one_number_never_write_one_temporary_name(tmp_path):
    names = {sealed.beside(tmp_path / "x.json") for _ in range(10)}
    assert len(names) == 10
    assert {(n.parent, n.name.startswith(".x.json.")) for n in names} == {(tmp_path, True)}


def test_a_death_for_lack_of_memory_is_of_one_system_not_of_one_host_name(tmp_path, monkeypatch):
    monkeypatch.setattr(attempts, "memory_kills", lambda: 0)
    monkeypatch.setattr(machine, "kernel", lambda: "one")
    assert attempts.begin(tmp_path).accumulation_steps == 1
    monkeypatch.setattr(attempts, "memory_kills", lambda: 5)
    monkeypatch.setattr(machine, "kernel", lambda: "another")  # of the same host name
    assert attempts.begin(tmp_path).accumulation_steps == 1
    monkeypatch.setattr(attempts, "memory_kills", lambda: 6)
    assert attempts.begin(tmp_path).accumulation_steps == 2


# --- folders held by a lock ---

HOLD = """
import sys
from pathlib import Path
from ser.host.scratch import Scratch
mine = Scratch("held-", Path(sys.argv[1]))
print(mine.folder, flush=True)
sys.stdin.read()
"""


def test_a_folder_is_left_alone_while_its_owner_lives_and_removed_when_it_is_dead(tmp_path):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        folder = Path(owner.stdout.readline().strip())
        (folder / "session").mkdir()
        scratch.sweep(tmp_path, "held-")
        assert (folder / "session").exists()
        owner.kill()
    scratch.sweep(tmp_path, "held-")
    assert list(tmp_path.iterdir()) == []


def test_a_process_of_another_pid_namespace_sees_that_the_owner_lives(tmp_path):
    apart = ["unshare", "-rpf", "--mount-proc"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no namespaces here")
    mine = scratch.Scratch("held-", tmp_path)
    code = f"from pathlib import Path; from ser.host import scratch; scratch.sweep(Path({str(tmp_path)!r}), 'held-')"
    subprocess.run([*apart, sys.executable, "-c", code], check=True)
    assert mine.folder.exists()
    mine._held.close()
    subprocess.run([*apart, sys.executable, "-c", code], check=True)
    assert not mine.folder.exists()


def test_a_child_neither_keeps_the_lock_nor_lets_it_go(tmp_path):
    mine = scratch.Scratch("held-", tmp_path)
    if (child := os.fork()) == 0:
        mine._held.close()
        os._exit(0)
    os.waitpid(child, 0)
    scratch.sweep(tmp_path, "held-")
    assert mine.folder.exists()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as orphan:
        mine._held.close()  # as the death of the owner does
        scratch.sweep(tmp_path, "held-")
        assert not mine.folder.exists()
        orphan.communicate(b"\n")


def test_a_folder_swept_before_it_was_locked_is_made_again(tmp_path, monkeypatch):
    whole, folders = scratch._lock, []

    def late(folder, mode):
        if mode == "x" and len(folders) < 2:
            folders.append(folder)
            if len(folders) == 1:
                scratch.sweep(tmp_path, "held-")  # another process starts just now
            else:
                file = whole(folder, "x")
                scratch.sweep(tmp_path, "other-")
                file.close()
                (folder / ".lock").unlink()
        return whole(folder, mode)

    monkeypatch.setattr(scratch, "_lock", late)
    mine = scratch.Scratch("held-", tmp_path)
    assert mine.folder not in folders[:1]
    assert not folders[0].exists()
    assert (mine.folder / ".lock").exists()
    mine.remove()
    assert not mine.folder.exists()


def test_where_files_cannot_be_locked_nothing_is_swept_and_another_place_is_taken(tmp_path, monkeypatch):
    mine = scratch.Scratch("held-", tmp_path)
    mine._held.close()

    def refuse(file, flags):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    scratch.sweep(tmp_path, "held-")
    assert mine.folder.exists()
    monkeypatch.setattr(scratch, "_LONGEST", 1000)
    assert "No locks available" in scratch.unusable(tmp_path)


# --- temporary folders ---


@pytest.fixture
def short():
    """A folder with a short name, as pytest's own are long."""
    with tempfile.TemporaryDirectory(prefix="s", dir="/tmp") as folder:
        yield Path(folder)


def placed(monkeypatch, usual, *others):
    monkeypatch.setattr(tempfile, "tempdir", str(usual))
    monkeypatch.setattr(scratch, "_others", lambda: list(others))
    return scratch.for_ray()


def test_ray_has_its_folder_in_the_temporary_one(short, monkeypatch):
    mine, note = placed(monkeypatch, short)
    assert (mine.folder.parent, note) == (short, "")
    mine.remove()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("scratch/people/some_user_name/slurm_jobdir/1355700", "letters, of which Ray's sockets allow"),
        ("a b", "has letters in its path that Ray cannot use"),
        ("µ", "has letters in its path that Ray cannot use"),
        ("gone", "cannot be used for files, sockets and locks"),
    ],
)
def test_where_ray_cannot_work_in_the_temporary_folder_a_short_one_is_taken_and_told(short, monkeypatch, name, reason):
    usual = short / name
    if name != "gone":
        usual.mkdir(parents=True)
    mine, note = placed(monkeypatch, usual, short)
    assert mine.folder.parent == short
    assert str(usual) in note
    assert reason in note
    mine.remove()


def test_a_full_temporary_folder_is_not_taken(short, monkeypatch):
    monkeypatch.setattr(scratch, "_ROOM", 2**80)
    with pytest.raises(BadInput, match=r"has less than 100 MB free.*export TMPDIR"):
        placed(monkeypatch, short)


def test_the_longest_place_leaves_room_for_rays_sockets(monkeypatch):
    session = "session_2026-01-01_00-00-00_000000_4194304/sockets/plasma_store.1"
    assert len(f"{'x' * scratch._LONGEST}/{scratch.RAY}abcdefgh/{scratch.INSIDE}/{session}") == 107


# --- home, name, encoding ---


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """The environment of a process that has just started, restored afterwards."""
    for name in (*environment._CACHES, "LOGNAME", "USER", "LNAME", "USERNAME", "TMPDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    before = dict(os.environ)
    yield monkeypatch
    os.environ.clear()
    os.environ.update(before)


def test_on_ones_own_machine_nothing_is_changed(fresh, tmp_path):
    fresh.setenv("HOME", str(tmp_path))
    before = dict(os.environ)
    assert environment.settle() == ""
    assert dict(os.environ) == before
    assert list(tmp_path.iterdir()) == []


def test_a_home_that_cannot_be_written_stays_home_and_caches_go_elsewhere(fresh, tmp_path):
    fresh.setenv("HOME", "/proc")
    fresh.setenv("MPLCONFIGDIR", "/mine")
    assert environment.settle() == ""
    assert os.environ["HOME"] == "/proc"
    assert os.environ["NUMBA_CACHE_DIR"] == f"{tmp_path}/ser-home-{os.getuid()}/numba_cache_dir"
    assert os.environ["MPLCONFIGDIR"] == "/mine"


def test_a_user_without_account_and_home_gets_both(fresh, tmp_path):
    def nobody(uid):
        raise KeyError(uid)

    fresh.delenv("HOME", raising=False)
    fresh.setattr("pwd.getpwuid", nobody)
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    environment.settle()
    assert getpass.getuser() == str(os.getuid())
    assert Path.home() == tmp_path / f"ser-home-{os.getuid()}"
    assert Path.home().stat().st_mode & 0o777 == 0o700


def test_a_temporary_folder_that_is_not_there_is_told(fresh, tmp_path):
    fresh.setenv("HOME", str(tmp_path))
    fresh.setenv("TMPDIR", "/nowhere/at/all")
    note = environment.settle()
    assert "TMPDIR=/nowhere/at/all is no folder that can be written" in note
    assert os.environ["TMPDIR"] == str(tmp_path)


def test_no_temporary_folder_at_all_is_an_error_of_one_line(fresh, capsys, tmp_path):
    def none():
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found")

    fresh.setattr(tempfile, "gettempdir", none)
    assert main(["doctor", "--work", str(tmp_path)]) == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_text_is_utf_8_whatever_the_locale():
    calls = [(path, call) for path in TREE.rglob("*.py") for call in nodes(path) if lacks_encoding(call)]
    assert [f"{path.relative_to(TREE)}:{call.lineno}" for path, call in calls] == []


def lacks_encoding(call):
    """Whether a call reads or writes text in the encoding of the locale."""
    if not isinstance(call, ast.Call):
        return False
    options = {k.arg: k.value for k in call.keywords}
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if "encoding" in options or getattr(getattr(call.func, "value", None), "id", "") == "av":  # containers of sound
        return False
    if name in ("read_text", "write_text", "fdopen") or "text" in options or "universal_newlines" in options:
        return name in ("read_text", "write_text", "fdopen", "run", "Popen", "check_output", "call")
    if name != "open":
        return False
    mode = next((a.value for a in (options.get("mode"), *call.args) if is_mode(a)), None)
    return mode is not None and "b" not in mode


def is_mode(argument):
    return isinstance(argument, ast.Constant) and str(argument.value)[:1] in tuple("rwax")


@pytest.mark.parametrize(
    "locale",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C.UTF-8", "PYTHONIOENCODING": "latin-1"},
        {"LC_ALL": "POSIX", "PYTHONIOENCODING": "ascii"},
    ],
    ids=lambda locale: " ".join(locale.values()),
)
def test_what_is_said_can_be_said_in_any_locale(locale, tmp_path):
    code = "from ser.cli.main import main; code = main(['corpora', '--data', 'no \\xb5', '--work', 'w'])"
    code += "; from ser.cli import console as show; show.console.print('\\u2013 \\xb7 \\u03bc \\u2260 \\u4e2d')"
    code += "; raise SystemExit(code)"
    options = {"cwd": tmp_path, "env": {**os.environ, **locale}, "capture_output": True, "check": False}
    done = subprocess.run([sys.executable, "-c", code], **options)
    assert (done.returncode, done.stderr.count(b"\n")) == (2, 1)
    assert b"Traceback" not in done.stderr


# --- reasons, and modules that shadow others ---


def test_the_reason_is_the_last_error_of_this_process_in_its_log(tmp_path):
    log = tmp_path / "ray.log"
    log.write_text("ValueError: of an earlier run\n", encoding="utf-8")
    begun = logs.size(log)
    assert logs.reason(log, begun, tmp_path) == ""
    with log.open("a", encoding="utf-8") as file:
        file.write(
            "Traceback (most recent call last):\n  File x\nPermissionError: [Errno 13] Permission denied: '/h'\n\n"
        )
    assert logs.reason(log, begun, tmp_path) == "PermissionError: [Errno 13] Permission denied: '/h'"


def test_where_nothing_was_raised_it_is_the_last_error_of_rays_own(tmp_path):
    log = tmp_path / "ray.log"
    log.write_text(
        "[2026-11-28 23:16:57,694 E 13260 13288] rpc_client.h:204: Failed to connect to GCS within 15 seconds.\n"
        "[2026-11-28 23:16:58,694 W 13260 13288] rpc_client.h:153: a warning\n",
        encoding="utf-8",
    )
    assert logs.reason(log, 0, tmp_path) == "Failed to connect to GCS within 15 seconds."


def test_a_machine_without_loopback_is_told_before_ray_is_waited_for(monkeypatch):
    machine.check_loopback()

    def unreachable(*_, **__):
        raise OSError(errno.ENETUNREACH, "Network is unreachable")

    monkeypatch.setattr("socket.create_connection", unreachable)
    with pytest.raises(BadInput, match=r"Network is unreachable.*ip link set lo up"):
        machine.check_loopback()


def test_else_it_is_what_ray_says_the_machine_lacks(tmp_path):
    inside = tmp_path / scratch.INSIDE / "session_2026/logs"
    inside.mkdir(parents=True)
    said = "[2026-01-01 00:00:00,000 C 12 12] (raylet) file.cc:7: An unexpected system state has occurred. "
    said += "Please report this issue. Check failed: fd >= 0 Too many open files\n"
    (inside / "raylet.out").write_text("[2026-01-01 I] all is well\n" + said, encoding="utf-8")
    assert logs.reason(tmp_path / "absent", 0, tmp_path) == "(raylet) Check failed: fd >= 0 Too many open files"


def test_a_process_that_ends_says_why(tmp_path, monkeypatch):
    monkeypatch.setattr(pool, "_drive", fails)
    workers = pool.WorkerPool(DriverOptions(Profile.read("local"), str(tmp_path)))
    try:
        with pytest.raises(pool.RayLost, match=r"ended with code 1: RuntimeError: no room for µ"):
            workers.examine()
    finally:
        workers.close()
    assert not Path(workers.folder).exists()


def fails(log, *given):
    sys.stderr = log.open("a", encoding="utf-8")
    raise RuntimeError("no room for µ")


def test_no_module_of_the_current_folder_is_taken_for_a_librarys(tmp_path, monkeypatch):
    for name in ("random", "socket", "numpy", "ray", "torch", "mlflow", "experiments"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('shadowed')\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pool, "_drive", looks)
    workers = pool.WorkerPool(DriverOptions(Profile.read("local"), str(tmp_path / "work")))
    try:
        assert workers.examine() == [Finding("path", problems=())]
    finally:
        workers.close()
    run = subprocess.run([sys.executable, "-m", "ser", "--help"], capture_output=True, encoding="utf-8", check=False)
    assert (run.returncode, run.stderr) == (0, "")


def looks(log, connection, folder, options):
    import random  # noqa: F401
    import socket  # noqa: F401

    pool._change_folder(folder)
    command = [sys.executable, "-c", "import sys, json; print(json.dumps(sys.path))"]
    path = json.loads(subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout)
    unsafe = tuple(p for p in path if p in ("", str(log.parents[2])))
    connection.send(Examined((Finding("path", problems=unsafe),)))


def test_a_file_that_shadows_a_library_is_named(tmp_path):
    name = "numpy"
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()
    command = [sys.executable, "-m", "ser", "status", "interaffection", "--work", str(tmp_path)]
    environ = {**os.environ, "PYTHONPATH": str(tmp_path)}
    options = {"cwd": tmp_path, "env": environ, "capture_output": True, "check": False}
    done = subprocess.run(command, encoding="utf-8", **options)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert str(tmp_path / name) in done.stderr


def test_a_work_folder_without_locks_is_refused(tmp_path, monkeypatch):
    def refuse(file, flags):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(BadInput, match=r"No locks available.*choose another --work"), RunFolder(tmp_path, "t").lock():
        pass
