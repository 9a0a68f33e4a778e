"""What a run says of itself in a sentence and a small table: the description that MLflow's pages show above all else.

It begins as plain text, as lists show Markdown as it is written.
"""

from collections.abc import Mapping

NOTE = "mlflow.note.content"  # the tag of a run's or an experiment's description, in Markdown
_SCORES = {"wa": "WA", "ua": "UA", "macro_f1": "macro F1", "balanced": "balanced accuracy", "ccc": "CCC"}
_IN_PERCENT = ("wa", "ua", "macro_f1", "balanced")


def trial(title: str, params: Mapping[str, str], fold: bool = True) -> str:
    """Returns a sentence on what is trained on what, of a trial's whole statement. ``fold``: its fold is named."""
    if not {"block", "corpora"} <= params.keys():
        return title
    parts = [f"{params.get('role.system') or params['block']} on {params['corpora'].replace(',', ', ')}"]
    parts += [f"front-end {params['front_end']}"] if params.get("front_end") else []
    parts += [f"pooling {params['pooling']}"] if params.get("pooling", "none") != "none" else []
    parts += [f"{params['task']} heads" if params["task"] == "multi" else "one head"] if params.get("task") else []
    folds = [int(v) for k, v in params.items() if k.endswith(".split.fold") and v.isdigit()]
    parts += [f"fold {max(folds)}"] if fold and any(folds) else []
    parts += [f"seed {params['seed']}"] if params.get("seed") else []
    return f"{title}: {'; '.join(parts)}."


def results(scores: Mapping[str, float]) -> str:
    """Returns a table in Markdown of the accuracies on each tested corpus; "" where there are none."""
    tested = {key.partition("/")[2] for key in scores if key.partition("/")[0] in _SCORES}
    corpora = sorted(name for name in tested if "/" not in name)  # not of single dimensions
    names = [name for name in _SCORES if any(f"{name}/{corpus}" in scores for corpus in corpora)]
    if not names:
        return ""
    lines = [f"| tested on | {' | '.join(_SCORES[name] for name in names)} |", "|---" * (len(names) + 1) + "|"]
    for corpus in corpora:
        cells = [_cell(name, scores.get(f"{name}/{corpus}")) for name in names]
        lines.append(f"| {corpus} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(name: str, value: float | None) -> str:
    if value is None or value != value:
        return "–"
    return f"{100 * value:.1f} %" if name in _IN_PERCENT else f"{value:.3f}"
