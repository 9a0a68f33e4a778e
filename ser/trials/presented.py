"""How a study's experiment presents itself in MLflow's pages: its description, and what its saved views are about."""

from collections.abc import Sequence
from random import Random

from ser.planning.plan import Plan
from ser.runs import shown
from ser.runs.views import Presented, axes_of
from ser.study import Trial

_LOOKED_AT = 400  # trials of a grid of whose parameters it is seen which vary; every n-th might have one setting alike


def presented(plan: Plan) -> Presented:
    """Returns what the experiment of a plan is to show."""
    study = plan.study
    axes = axes_of([trial.params() for trial in _sample(plan.trials)])
    corpora = tuple(dict.fromkeys(name for trial in plan.trials for name in trial.targets))
    if study.labels.dimensions and not any(trial.classes for trial in plan.trials):
        scores: tuple[str, ...] = ("ccc",)
    else:
        scores = ("balanced", "macro_f1") if study.labels.votes == "tied" else ("ua", "wa")
    curves = ("train/loss", "val/loss", *(f"val/{scores[0]}/{corpus}" for corpus in corpora[:4]))
    return Presented(_description(plan, corpora, axes), corpora, scores, axes, curves)


def varying(trials: Sequence[Trial]) -> set[str]:
    """Returns the names of parameters in which the trials of a grid differ."""
    return shown.varying(trial.params() for trial in _sample(trials))


def _sample(trials: Sequence[Trial]) -> Sequence[Trial]:
    return trials if len(trials) <= _LOOKED_AT else Random(0).sample(trials, _LOOKED_AT)


def _description(plan: Plan, corpora: Sequence[str], axes: Sequence[str]) -> str:
    study, count = plan.study, len(plan.trials)
    data = "Made speech of a demo, no recordings. " if plan.demo else ""
    varied, first = ", ".join(axes) or "nothing", next(iter(corpora), "NAME")
    return (
        f"{study.title}. {data}{count} trial{'s' * (count != 1)}, tested on {', '.join(corpora) or 'nothing'}; "
        f"what varies: {varied}.\n\n"
        "The menu *Views* has the results of every trial, means by combination of corpora, and charts. "
        "What a run was trained and tested on is in its column *Dataset*; its whole statement is the file "
        f"`statement.json`.\n\nTables and figures: `ser report {study.name}`. "
        f"Filters: `params.combination = '{plan.trials[0].combination}'`, ``metrics.`ua/{first}` > 0.6``, "
        f"`dataset.name = '{first}'`, `tags.same_as LIKE '%'` (models that share another's training)."
    )
