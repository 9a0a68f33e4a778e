"""What a person sees of a grid while it runs: in a terminal of 80 columns, in a pipe, in a log file."""

import io
from types import SimpleNamespace

import pytest

from ser.cli import console as shown
from ser.cli import live as module
from ser.runs.outcomes import Failed, Finished

CORPORA = ("iemocap", "ravdess", "customer", "emodb", "emovo", "savee")


def trial(number):
    return SimpleNamespace(id=str(number), title=f"I+T · lstm · μ · {number}", is_reference=False, targets=CORPORA)


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(module.time, "monotonic", lambda: now.s)
    return now


def screen(monkeypatch, columns, **options):
    """The console of a terminal, whose text is returned by ``getvalue`` of its file."""
    options = {"force_terminal": True, "width": columns, "highlight": False, "markup": False, **options}
    console = shown._Console(file=io.StringIO(), **options)
    monkeypatch.setattr(module, "console", console)
    return console


def finish(live, clock, numbers, seconds):
    for number in numbers:
        clock.s += seconds
        live.finished(trial(number), Finished({f"ua/{c}": 0.5 for c in CORPORA}))


@pytest.mark.parametrize("columns", [80, 120])
def test_bar_counts_and_time_fit_into_the_line(monkeypatch, tmp_path, clock, columns):
    console = screen(monkeypatch, columns)
    with module.Live([trial(n) for n in range(1680)], 0, tmp_path / "log") as live:
        live.started(2)
        finish(live, clock, range(10), 60)
        clock.s += 2
        lines = console.render_lines(live._progress.get_renderable())
    plain = ["".join(segment.text for segment in line).rstrip() for line in lines]
    assert len(plain) == 2
    assert all(len(line) <= columns for line in plain)
    assert "━" in plain[0]
    assert " 10/1680 " in plain[0]
    assert "2 running, 0 failed, 1 day, 3:49:58 left" in plain[0]
    assert plain[1].startswith("best UA customer 0.500")


def test_no_time_is_told_before_three_have_ended(tmp_path, clock, capsys):
    with module.Live([trial(n) for n in range(9)], 0, tmp_path / "log") as live:
        clock.s += 40  # workers start
        live.started(2)
        finish(live, clock, range(2), 10)
        clock.s += 2
        assert live.summary().startswith("2 of 9 done, 2 running, 0 failed; best")
        finish(live, clock, range(2, 3), 8)
        clock.s += 2
        assert live.summary().startswith("3 of 9 done, 2 running, 0 failed, 0:00:58 left; best")
        live.finished(trial(3), Failed("out of memory"))
    lines = (tmp_path / "log").read_text(encoding="utf-8").splitlines()
    assert " FAILED 3 I+T · lstm · μ · 3: out of memory | 3 of 9 done, 2 running, 1 failed" in lines[-1]


@pytest.mark.parametrize("options", [{}, {"no_color": True}, {"legacy_windows": False}])
def test_a_terminal_that_cannot_go_back_gets_plain_lines(monkeypatch, tmp_path, clock, capsys, options):
    console = screen(monkeypatch, 80, _environ={"TERM": "dumb"}, **options)
    with module.Live([trial(0)], 0, tmp_path / "log") as live:
        finish(live, clock, [0], 5)
    assert console.file.getvalue() == ""
    assert capsys.readouterr().out.startswith("1 of 1 done, 0 running, 0 failed, 0:00:00 left")
