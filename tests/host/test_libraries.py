"""Libraries that take seconds to import are asked in processes of their own, and what fails there says why."""

import subprocess

import pytest

from ser.host import libraries

ANSWER = '{"torchaudio": "2.11", "gpus": [["H200", 150000000000]], "used": "AVX2", "bfloat16_gain": 2.5}'


def looked(monkeypatch, torch, ray):
    monkeypatch.setattr(libraries, "_TORCH", torch)
    monkeypatch.setattr(libraries, "_RAY", ray)
    with libraries.looking() as look:
        return look.result()


def test_what_torch_sees_is_the_last_line_that_it_prints(monkeypatch):
    seen = looked(monkeypatch, f"print('a warning'); print('''{ANSWER}''')", "print('{}')")
    assert seen == libraries.Libraries((("H200", 150_000_000_000),), "2.11", "AVX2", 2.5)


def test_what_was_printed_arrives_though_nothing_is_released_at_the_end(monkeypatch):
    at_exit = "import atexit, time; atexit.register(time.sleep, 600)"
    seen = looked(monkeypatch, f"{at_exit}; print('''{ANSWER}''')", "print('{}')")
    assert seen == libraries.Libraries((("H200", 150_000_000_000),), "2.11", "AVX2", 2.5)


def test_a_library_that_cannot_be_imported_is_a_problem_with_its_reason(monkeypatch):
    seen = looked(monkeypatch, "import sys; sys.exit(3)", "raise ImportError('libray.so: no such file')")
    assert seen == libraries.Libraries(
        problems=(
            "torch cannot be imported: exit status 3",
            "ray cannot be imported: ImportError: libray.so: no such file",
        )
    )


def test_one_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr(libraries, "_LONGEST_S", 0.2)
    waiting = "import time; time.sleep(600)"
    seen = looked(monkeypatch, waiting, waiting)
    assert [problem.partition(":")[0] for problem in seen.problems] == [
        "torch cannot be imported",
        "ray cannot be imported",
    ]


def test_nothing_is_left_running_where_the_caller_fails(monkeypatch):
    monkeypatch.setattr(libraries, "_TORCH", "import time; time.sleep(600)")
    monkeypatch.setattr(libraries, "_RAY", "print('{}')")
    processes: list[subprocess.Popen[str]] = []

    def fails():
        with libraries.looking() as look:
            processes.extend(look.processes.values())
            raise ValueError("a profile that there is not")

    with pytest.raises(ValueError, match="a profile"):
        fails()
    assert [process.poll() is None for process in processes] == [False, False]
