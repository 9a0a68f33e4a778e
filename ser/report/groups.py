"""The trials of a study by their settings: repeats with other seeds or folds together, and which of them is best."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from ser.report.content import HOLE, Cell, Row, Table
from ser.report.runs import Finished

_FOLD = re.compile(r"corpus\..*\.split\.fold")
_LOSSES = ("objective/loss", "val/loss")  # of the epoch that was kept; where that is not logged, of the last one
_SEARCHED = ("candidate", "refit", "member")  # trials that a search proposes, see ser.search
_SAME = ("role", "seed", "repeat", "initial_from")  # of repeats and members of a search, not settings


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
    def loss(self) -> float:
        """Mean best validation loss; nan if no run has told one."""
        losses = [loss_of(run) for run in self.runs]
        return float(np.mean([value for value in losses if not np.isnan(value)] or [np.nan]))

    def mean(self, score: str) -> float:
        """Mean of a final metric; nan if a run lacks it."""
        return float(np.mean([run.scores.get(score, np.nan) for run in self.runs]))


def loss_of(run: Finished) -> float:
    """The validation loss that a search goes by; nan if the run has told none."""
    return next((run.scores[name] for name in _LOSSES if name in run.scores), float("nan"))


def grouped(runs: Sequence[Finished]) -> list[Group]:
    """``runs`` by setting, in the order of the first of each."""
    names = varied(runs)
    by_values: dict[tuple[str, ...], list[Finished]] = {}
    for run in runs:
        by_values.setdefault(tuple(run.params.get(name, "") for name in names), []).append(run)
    return [
        Group(_without_repeats(members[0].title), dict(zip(names, values, strict=True)), tuple(members))
        for values, members in by_values.items()
    ]


def varied(runs: Iterable[Finished]) -> list[str]:
    """Names of the settings in which ``runs`` differ: not seeds, folds, or what follows from the corpora's files."""
    values: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run.params.items():
            if name.partition(".")[0] not in (*_SAME, "corpus"):
                values.setdefault(name, set()).add(value)
    return [name for name, distinct in values.items() if len(distinct) > 1]


def _without_repeats(title: str) -> str:
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
    groups: Sequence[Group], seeds: int, columns: Sequence[tuple[str, Callable[[Group], float]]] = ()
) -> Table:
    """Every setting by its validation loss, the least first: what it differs in, how long it trained, what it gave.

    ``columns``: (head, share of a group, 0 … 1) of further columns, shown as percent.
    """
    ordered = sorted(groups, key=lambda g: (np.isnan(g.loss), g.loss))
    names = list(groups[0].settings) if groups else []
    rows = []
    for group in ordered:
        cells: list[Cell | str | None] = [readable(group.settings[name]) for name in names]
        cells += [_epochs(group), _stop_reasons(group), Cell(group.loss)]
        cells += [_percent(share(group)) for _, share in columns]
        rows.append(Row("", group.title, tuple(cells), len(group.runs), seeds))
    return Table(
        "search",
        "The search",
        "Every setting by the validation loss of the epoch that was kept, the least first; of several seeds the mean. "
        "Chosen by validation alone: the test side is looked at afterwards. Ended: by early stopping, by the scheduler "
        "that ends what falls behind, or after all epochs.",
        (*short(names), "Epochs", "Ended", "Validation loss", *(head for head, _ in columns)),
        tuple(rows),
        "runs",
        digits=4,
        unit="",
        grouped="",
        brief=len(rows) <= 24,
        typeset=False,
    )


def _percent(value: float) -> str:
    return HOLE if np.isnan(value) else f"{100 * value:.1f} %"


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
