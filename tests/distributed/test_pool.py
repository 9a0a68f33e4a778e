"""The line to the process that talks to Ray: how it starts, and how long a silence means that it is lost."""

import subprocess
import sys
from multiprocessing import get_context
from pathlib import Path
from types import SimpleNamespace

import pytest

from ser.distributed import pool
from ser.distributed.messages import Alive, DriverOptions, EpochDone, ItemsDone, Ready
from ser.distributed.pool import RayLost, WorkerPool
from ser.distributed.profile import Profile

SCRIPT = """
from multiprocessing import get_context
from pathlib import Path
from ser.distributed.pool import _plain_main

with Path({count!r}).open("a") as file:
    file.write("x")
with _plain_main():
    process = get_context("spawn").Process(target=print, daemon=True)
    process.start()
process.join()
raise SystemExit(process.exitcode)
"""


@pytest.mark.parametrize("by_name", [True, False])
def test_a_script_that_gives_the_command_is_not_run_again_by_the_process_it_starts(tmp_path, by_name):
    count, script = tmp_path / "count", tmp_path / "script.py"
    script.write_text(SCRIPT.format(count=str(count)))
    text = None if by_name else script.read_text()
    done = subprocess.run([sys.executable, str(script) if by_name else "-"], input=text, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert count.read_text() == "x"


def test_the_process_that_talks_to_ray_starts_so(tmp_path, monkeypatch):
    mains = []

    class Process:
        def __init__(self, **options):
            pass

        def start(self):
            mains.append(sys.modules["__main__"])

        def terminate(self):
            self.exitcode = 0

        def join(self, seconds):
            pass

    context = SimpleNamespace(Pipe=get_context("spawn").Pipe, Process=Process)
    monkeypatch.setattr(pool, "get_context", lambda kind: context)
    WorkerPool(DriverOptions(Profile.read("local"), str(tmp_path))).close()
    assert [hasattr(main, "__file__") for main in mains] == [False]
    assert sys.modules["__main__"] not in mains


class Line:
    """Gives these messages, with None for each time that nothing comes."""

    def __init__(self, *messages):
        self.messages, self.polls = list(messages), 0

    def poll(self, seconds):
        self.polls += 1
        if self.messages and self.messages[0] is None:
            del self.messages[0]
            return False
        return bool(self.messages)

    def recv(self):
        return self.messages.pop(0)


def pool_with(*messages):
    made = object.__new__(WorkerPool)
    made._connection, made.log, made._log_begin, made.folder = Line(*messages), Path("/no/log"), 0, "/no/folder"
    return made


def test_what_a_process_was_stopped_for_or_spent_on_a_message_is_no_silence(monkeypatch):
    now = 0.0

    def hour(*message):
        nonlocal now
        now += 3600.0

    monkeypatch.setattr("time.monotonic", lambda: now)
    messages = (Alive(), None, EpochDone("t", 1, "node", 7), ItemsDone())
    assert pool_with(*messages)._receive_until(ItemsDone, hour) == ItemsDone()
    assert now == 2 * 3600.0


def test_silence_means_lost_and_a_start_may_take_longer():
    quiet = [None] * 100
    with pytest.raises(RayLost, match="no living node for 90 s"):
        pool_with(*quiet, ItemsDone())._receive_until(ItemsDone, print)
    assert pool_with(*quiet, Ready(2))._receive_until(Ready, print) == Ready(2)
