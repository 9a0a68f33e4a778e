"""The page that follows running grids, of a ``Snapshot``: plain markup, with curves as small drawings of lines."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from math import isfinite

from markupsafe import Markup

from ser.report.live import LiveStudy, LiveTrial, Snapshot
from ser.report.pages import render
from ser.report.summary import value_text
from ser.runs import links
from ser.runs.progress import Failure, Progress

EVERY_S = 5  # between looks of an open page
_FAILURES = 20  # that are listed
_POINTS = 200  # of a curve
_WIDTH, _HEIGHT = 300.0, 60.0


def page(snapshot: Snapshot, pages: str = "..", remote: str = "") -> str:
    """Returns the page. ``pages``: address of MLflow's pages, from it; ``remote``: the same, of a store elsewhere."""
    running = sum(study.progress.running for study in snapshot.studies)
    return render(
        "live.html.j2",
        snapshot=snapshot,
        studies=[_study(study, pages) for study in snapshot.studies],
        others=[(one, f"{one.finished} of {one.expected} trials") for one in snapshot.others],
        running=running,
        remote=remote,
        every_s=EVERY_S,
        when=_when,
        value_text=value_text,
        date=datetime.fromtimestamp(snapshot.now_s, UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
    )


def _when(moment_s: float) -> Markup:
    """A moment, of which the page's script makes an age."""
    moment = datetime.fromtimestamp(moment_s, UTC)
    text = moment.strftime("%Y-%m-%d %H:%M UTC")
    return Markup('<time datetime="{}" title="{}">{}</time>').format(moment.isoformat(timespec="seconds"), text, text)


def _study(study: LiveStudy, pages: str) -> dict[str, object]:
    progress = study.progress
    address: Callable[[str], str] = partial(links.run_page, pages, study.experiment)
    return {
        "live": study,
        "progress": progress,
        "state": _state(study),
        "counts": counts(progress),
        "pace": pace(progress, study.is_still),
        "runs": links.runs_page(pages, study.experiment),
        "best": [(best, address(best.run_id)) for best in progress.best],
        "trials": [_trial(trial, address) for trial in study.trials],
        "rest": study.open - len(study.trials),
        "failures": [_failure(failure, address) for failure in progress.failures[:_FAILURES]],
        "more_failures": max(len(progress.failures) - _FAILURES, 0),
    }


def _state(study: LiveStudy) -> str:
    if not study.progress.expected:  # workers start, or features are computed
        return "no trial has begun"
    return "nothing moves" if study.is_still else study.progress.state


def _failure(failure: Failure, address: Callable[[str], str]) -> tuple[Failure, str]:
    return failure, address(failure.run_id)


def _trial(trial: LiveTrial, address: Callable[[str], str]) -> dict[str, object]:
    return {
        "trial": trial,
        "address": address(trial.run.run_id),
        "latest": [f"{_name(name)} {_value(name, value)}" for name, value in trial.latest],
        "silent": duration(trial.silent_s) if trial.silent_s is not None else "",
        "drawing": drawing(trial.curves),
    }


def _name(metric: str) -> str:
    """``val/ua/emodb`` is the UA of validation on emodb."""
    subset, _, rest = metric.partition("/")
    kind, _, corpus = rest.partition("/")
    words = {"train": "training", "val": "validation"}[subset]
    return f"{words} {kind.upper() if corpus else kind}{f' {corpus}' if corpus else ''}"


def _value(metric: str, value: float) -> str:
    return f"{value:.3g}" if metric.endswith("/loss") else f"{100 * value:.1f} %"


def counts(progress: Progress) -> list[tuple[str, str]]:
    """Returns numbers of trials with their words; states that no trial is in are left out."""
    if not progress.expected:
        return []
    numbers = [("running", progress.running), ("failed", progress.failed), ("interrupted", progress.interrupted)]
    words = [(f"{progress.finished} of {progress.expected}", "trials finished")]
    words += [(str(number), word) for word, number in numbers if number]
    done, expected = progress.references
    return words + ([(f"{done} of {expected}", "references finished")] if expected else [])


def pace(progress: Progress, is_still: bool = False) -> str:
    """Returns how fast trials finish, and how long the others take; "" where neither is known, or nothing moves."""
    if is_still or not progress.running:
        return ""
    words = [f"{progress.per_hour:.3g} trials per hour"] if progress.per_hour else []
    words += [f"about {duration(progress.left_s)} left"] if progress.left_s else []
    return ", ".join(words) or "how long it takes shows once some trials have finished"


def duration(seconds: float) -> str:
    """A span of time for people.

    >>> [duration(s) for s in (4.2, 75, 3900, 200_000)]
    ['4 s', '1 min', '1 h 05 min', '2 d 7 h']
    """
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = int(seconds // 60)
    if minutes < 60:
        return f"{minutes} min"
    hours = minutes // 60
    return f"{hours} h {minutes % 60:02d} min" if hours < 48 else f"{hours // 24} d {hours % 24} h"


def drawing(curves: Sequence[tuple[str, Sequence[float]]]) -> Markup:
    """Returns losses per epoch as an SVG element, all on one scale from their least to their greatest; "" without."""
    values = [value for _, curve in curves for value in curve if isfinite(value)]
    length = max((len(curve) for _, curve in curves), default=0)
    if not values or length < 2:
        return Markup("")
    low, span = min(values), max(max(values) - min(values), 1e-9)
    lines = []
    for name, curve in curves:
        step = max(len(curve) // _POINTS, 1)
        places = sorted({*range(0, len(curve), step), len(curve) - 1})
        points = " ".join(
            f"{_WIDTH * i / (length - 1):.1f},{_HEIGHT * (1 - (curve[i] - low) / span):.1f}"
            for i in places
            if isfinite(curve[i])
        )
        lines.append(f'<polyline class="{"train" if name == "train/loss" else "val"}" points="{points}"/>')
    label = f"losses over {length} epochs, from {low:.3g} to {low + span:.3g}"
    box = f'viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" preserveAspectRatio="none" role="img" aria-label="{label}"'
    return Markup(f"<svg {box}>{''.join(lines)}</svg>")
