"""The trials of a study by their settings: repeats with other seeds or folds together, and which of them is best."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from ser.report.content import HOLE, Cell, Row, Table
from ser.report.runs import Finished

_FOLD = re.compile(r"corpus\..*\.split\.fold")
_LOSSES = ("objective/loss", "val/loss")  # of the epoch that was kept; where that is not logged, of the last one
_SEARCHED = ("candidate", "refit", "member")  # trials that a search proposes, see ser.planning.search
_SAME = ("role", "seed", "repeat", "initial_from")  # of repeats and members of a search, not settings
_NO_SETTINGS = (*_SAME, "study", "mode")
_ROLES = ("role.system", "role.protocol", "role.unseen")  # of a role, these are settings


@dataclass(frozen=True, eq=False)
class Group:
    """The finished runs of one setting, oldest first."""

    title: str
    settings: dict[str, str]  # those in which the study's runs differ
    runs: tuple[Finished, ...]

    @property
    def searched(self) -> bool:
        """Whether a search proposed it; else the study itself names it."""
        return self.runs[0].params.get("role") in _SEARCHED

    @property
    def losses(self) -> list[float]:
        """Best validation loss of every run that has told one."""
        return [loss for run in self.runs if not np.isnan(loss := loss_of(run))]

    @property
    def loss(self) -> float:
        """Mean best validation loss; nan if no run has told one."""
        return float(np.mean(self.losses or [np.nan]))

    def mean(self, score: str) -> float:
        """Mean of a final metric; nan if a run lacks it."""
        return float(np.mean([run.scores.get(score, np.nan) for run in self.runs]))


def loss_of(run: Finished) -> float:
    """The validation loss that a search goes by; nan if the run has told none."""
    return next((run.scores[name] for name in _LOSSES if name in run.scores), float("nan"))


def grouped(runs: Sequence[Finished]) -> list[Group]:
    """``runs`` by setting, in the order of the first of each; equal titles get what differs."""
    names = varied(runs)
    by_values: dict[tuple[str, ...], list[Finished]] = {}
    for run in runs:
        by_values.setdefault(tuple(_settings(run, names)), []).append(run)
    groups = [
        Group(without_repeats(members[0].title), dict(zip(names, values, strict=True)), tuple(members))
        for values, members in by_values.items()
    ]
    return [replace(group, title=group.title + _difference(group, groups)) for group in groups]


def _difference(group: Group, groups: Iterable[Group]) -> str:
    """The settings by which a group differs from others of its title: `` (noise.snr 5)``; "" where there are none."""
    same_title = [other.settings for other in groups if other.title == group.title]
    names = [name for name in group.settings if len({settings[name] for settings in same_title}) > 1]
    values = [f"{end} {readable(group.settings[name])}" for end, name in zip(short(names), names, strict=True)]
    return f" ({', '.join(values)})" if values else ""


def varied(runs: Sequence[Finished]) -> list[str]:
    """Names of the settings in which ``runs`` differ: not seeds, folds, or what follows from the corpora's files.

    Of a corpus those count in which runs differ that would else pass for one result: of one seed and fold.
    """
    values: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run.params.items():
            if name.partition(".")[0] not in (*_SAME, "corpus"):
                values.setdefault(name, set()).add(value)
    names = [name for name, distinct in values.items() if len(distinct) > 1 and not _follows_seed(name, runs)]
    while more := unexplained(runs, partial(_settings, names=tuple(names)), names):
        names += more
    return names


def _settings(run: Finished, names: Sequence[str]) -> list[str]:
    return [_setting(run, name) for name in names]


def _setting(run: Finished, name: str) -> str:
    return run.params.get(name, "")


def _follows_seed(name: str, runs: Iterable[Finished]) -> bool:
    """Whether a component's seed is a stated one plus the trial's, as ``Study.seed_moves`` has it."""
    seeds = {(run.params[name], run.params.get("seed", "0")) for run in runs if name in run.params}
    if not name.endswith(".seed") or not all(of_component.isdigit() for of_component, _ in seeds):
        return False
    return len({int(of_component) - int(of_trial) for of_component, of_trial in seeds}) == 1


def unexplained(
    runs: Iterable[Finished], values: Callable[[Finished], Sequence[str]], explained: Collection[str]
) -> list[str]:
    """Names of params beyond ``explained`` in which runs differ that have the same ``values``, seed and fold.

    Such runs are no repeats of each other. Names are those of the first two that differ; [] where none do.
    """
    first: dict[tuple[Any, ...], Finished] = {}
    for run in runs:
        other = first.setdefault((*values(run), repeat_of(run), fold_of(run)), run)
        if names := [name for name in other.params if _differs(name, other, run) and name not in explained]:
            return names
    return []


def _differs(name: str, one: Finished, other: Finished) -> bool:
    same = one.params[name] == other.params.get(name, one.params[name])
    repeated = name.partition(".")[0] in _NO_SETTINGS and name not in _ROLES
    return not same and not repeated and not name.endswith(".split.fold")


def repeat_of(run: Finished) -> tuple[str, str]:
    """Returns what tells the repeats of a setting apart: the seed, and which of equal models it is."""
    return run.params.get("seed", "0"), run.params.get("repeat", "0")


def logged(run: Finished, path: str) -> str | None:
    """Returns what a run logged for a path of its study; None if it has no such setting."""
    name = param_of(run.params, path)
    return None if name is None else run.params[name]


def param_of(params: Mapping[str, str], path: str) -> str | None:
    """Returns the name under which a run logged the setting at a path of its study; None if it has no such setting.

    ``lstm.units`` is logged as ``block.units`` of a run with that block, ``iemocap.test`` as a setting of the corpus.
    """
    head, _, key = path.partition(".")
    names = [path, f"role.{path}", f"augmentation.{path}"]
    names += [f"block.{key}"] if head == params.get("block") else []
    names += [f"corpus.{head}.{part}.{key}" for part in ("loader", "split", "front_end")] if key else []
    return next((name for name in names if name in params), None)


def as_logged(value: object) -> str:
    """Returns a point's value as statements are logged."""
    return ",".join(map(str, value)) if isinstance(value, tuple | list) else str(value)


def without_repeats(title: str) -> str:
    """Returns the title of a setting: that of one of its trials without seed, fold and repeat.

    >>> without_repeats("I+T · lstm · seed 2 · fold 1")
    'I+T · lstm'
    """
    settings = [part for part in title.split(" · ") if part != "repeat" and not part.startswith(("seed ", "fold "))]
    return " · ".join(settings)


def best(groups: Iterable[Group]) -> Group | None:
    """The group of the least validation loss; the first of equal ones, and of those that have told none."""
    candidates = list(groups)
    return min(candidates, key=lambda g: (np.isnan(g.loss), g.loss if not np.isnan(g.loss) else 0.0), default=None)


def short(names: Sequence[str]) -> list[str]:
    """The last parts of dotted names, where these tell them apart; else the whole names.

    >>> short(["training.learning_rate", "cnn2d.dropout", "block.dropout"])
    ['learning_rate', 'cnn2d.dropout', 'block.dropout']
    """
    ends = [name.rpartition(".")[2] for name in names]
    return [end if ends.count(end) == 1 else name for end, name in zip(ends, names, strict=True)]


def readable(text: str) -> str:
    """A logged value for people: of numbers with a point four digits.

    >>> [readable(text) for text in ("0.0008144886973", "7.84879e-05", "64", "16,16", "")]
    ['0.0008145', '7.849e-05', '64', '16,16', 'none']
    """
    if text.lstrip("-").isdigit():
        return text
    try:
        return f"{float(text):.4g}"
    except ValueError:
        return text or "none"


def search_table(
    groups: Sequence[Group], seeds: int, columns: Sequence[tuple[str, Callable[[Group], Sequence[float]]]] = ()
) -> Table:
    """Every setting by its validation loss, the least first: what it differs in, how long it trained, what it gave.

    ``columns``: (head, a share, 0 … 1, for every run of a group) of further columns, shown as percent.
    """
    ordered = sorted(groups, key=lambda g: (np.isnan(g.loss), g.loss))
    names = list(groups[0].settings) if groups else []
    rows = []
    repeated = any(len(group.runs) > 1 for group in groups)
    for group in ordered:
        cells: list[Cell | str | None] = [readable(group.settings[name]) for name in names]
        cells += [_epochs(group), _stop_reasons(group), Cell(group.loss)]
        cells += [Cell(spread(group.losses))] if repeated else []
        cells += [_percent(shares(group)) for _, shares in columns]
        rows.append(Row("", group.title, tuple(cells), len(group.runs), seeds))
    return Table(
        "search",
        "The search",
        "Every setting by the validation loss of the epoch that was kept, the least first. "
        + ("Of several runs the mean and the sample standard deviation (±). " if repeated else "")
        + "Chosen by validation alone: the test side is looked at afterwards. Ended: by early stopping, by the "
        "scheduler that ends what falls behind, or after all epochs.",
        (*short(names), "Epochs", "Ended", "Validation loss", *["±"] * repeated, *(head for head, _ in columns)),
        tuple(rows),
        "runs",
        digits=4,
        unit="",
        grouped="",
        brief=len(rows) <= 24,
        typeset=False,
        named="Trial",
    )


def spread(values: Sequence[float]) -> float:
    """Returns the sample standard deviation; nan for fewer than two values, which have none."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else float("nan")


def _percent(values: Sequence[float]) -> str:
    """``58.1 %``, of several runs ``58.1 ± 2.0 %``."""
    mean, deviation = float(np.mean(values or [np.nan])), spread(values)
    if np.isnan(mean):
        return HOLE
    return f"{100 * mean:.1f} %" if np.isnan(deviation) else f"{100 * mean:.1f} ± {100 * deviation:.1f} %"


def _epochs(group: Group) -> str:
    """Epochs of each run: ``12, 15``."""
    return ", ".join(f"{run.scores['epochs']:.0f}" if "epochs" in run.scores else HOLE for run in group.runs)


def _stop_reasons(group: Group) -> str:
    reasons = []
    for run in group.runs:
        most = run.params.get("training.max_epochs", "")
        if "stopped_epoch" in run.scores:
            reasons.append(f"by the scheduler at {run.scores['stopped_epoch']:.0f}")
        elif "epochs" not in run.scores or not most.isdigit():
            reasons.append(HOLE)
        else:
            reasons.append("all epochs" if run.scores["epochs"] >= int(most) else "early")
    return ", ".join(dict.fromkeys(reasons))


def fold_of(run: Finished) -> int:
    """Its fold, 0 = none."""
    return max((int(v) for k, v in run.params.items() if _FOLD.fullmatch(k) and v.isdigit()), default=0)
