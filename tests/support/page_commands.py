"""The commands of pages, each page in a folder of its own, each command in a process that is forked from one which has
imported what most of them need: a command then takes tenths of a second in place of seconds.

Run as ``python page_commands.py``: reads [[folder, script], …] as JSON, and writes [[exit status, output], …].
"""

import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib import import_module
from pathlib import Path


def run(pages: Iterable[tuple[Path, str]]) -> list[tuple[int, str]]:
    """Returns what becomes of each page's script in its folder: the exit status, and all that is printed."""
    environment = {name: value for name, value in os.environ.items() if name != "SER_PLUGINS"}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        [sys.executable, __file__],
        input=json.dumps([[str(folder), script] for folder, script in pages]),
        env={**environment, "PATH": path, "SER_WORK": "work"},
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    return [(status, output) for status, output in json.loads(done.stdout)]


def _commands(script: str) -> list[str]:
    """The lines of a script, those that go on in the next joined with it."""
    joined = re.sub(r"[ \t]*\\\n[ \t]*", " ", script)
    return [line for line in joined.splitlines() if line.strip() and not line.lstrip().startswith("#")]


def _forked(work: Callable[[], int]) -> int:
    """Returns the exit status of ``work`` in a process of its own."""
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    status = 1
    try:
        status = work()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _do(command: str) -> int:
    """Does one command of a page, and returns its exit status; ``export`` holds for those that follow."""
    name, *words = shlex.split(command, comments=True)
    if name == "export":
        os.environ.update([os.path.expandvars(word).split("=", 1) for word in words])
        return 0
    if name == "ser":
        return _forked(lambda: _ser(words))
    if name == "python" and words[0] == "-c":
        return _forked(lambda: exec(words[1], {"__name__": "__main__"}) or 0)
    return subprocess.run(["bash", "-euo", "pipefail", "-c", command]).returncode


def _ser(words: list[str]) -> int:
    from ser.cli.main import main

    sys.argv = ["ser", *words]
    return main()


def _do_page(folder: str, script: str) -> int:
    """Does the commands until one fails, in a process that is given to one page."""
    os.chdir(folder)
    os.environ["PWD"] = folder
    return next((status for status in map(_do, _commands(script)) if status), 0)


# What commands import before they do anything; of ser only a file that no plugin can change, and that keeps MLflow
# from starting threads, which a fork would lose.
IMPORTED = ("ser.runs.mlflow_client", "torch._dynamo", "alembic.command", "pandas", "scipy.signal", "soundfile")
IMPORTED += ("sklearn.model_selection", "rich.console", "transformers.models.wavlm.modeling_wavlm")


def _main() -> None:
    for name in IMPORTED:
        import_module(name)
    results = []
    for folder, script in json.load(sys.stdin):
        with tempfile.TemporaryFile() as output:
            own = os.dup(1), os.dup(2)
            sys.stdout.flush()
            os.dup2(output.fileno(), 1)
            os.dup2(output.fileno(), 2)
            try:
                status = _forked(lambda folder=folder, script=script: _do_page(folder, script))
            finally:
                os.dup2(own[0], 1)
                os.dup2(own[1], 2)
            output.seek(0)
            results.append((status, output.read().decode()))
    print(json.dumps(results))


if __name__ == "__main__":
    _main()
