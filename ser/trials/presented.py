"""How a study's experiment presents itself in MLflow's pages: its description, and what its saved views are about."""

from collections.abc import Sequence

from ser.planning.plan import Plan
from ser.runs import shown
from ser.runs.views import Presented, axes_of

_LOOKED_AT = 400  # trials of a grid, evenly taken, of whose parameters it is seen which vary


def presented(plan: Plan) -> Presented:
    """Returns what the experiment of a plan is to show."""
    study, some = plan.study, plan.trials[:: max(1, len(plan.trials) // _LOOKED_AT)]
    axes = axes_of(shown.params_of(trial.params()) for trial in some)
    corpora = tuple(dict.fromkeys(name for trial in plan.trials for name in trial.targets))
    if study.labels.dimensions and not any(trial.classes for trial in plan.trials):
        scores: tuple[str, ...] = ("ccc",)
    else:
        scores = ("balanced", "macro_f1") if study.labels.votes == "tied" else ("ua", "wa")
    curves = ("train/loss", "val/loss", *(f"val/{scores[0]}/{corpus}" for corpus in corpora[:4]))
    return Presented(_description(plan, corpora, axes), corpora, scores, axes, curves)


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
