"""What of a trial's statement a run shows as parameters, and how the whole is read back.

A statement has a hundred and more entries, of which few tell anything: settings that nothing uses, versions, what the
loader of a corpus was not asked for. MLflow makes a column of each, and a table of six thousand runs takes seconds and
most of a gigabyte. So a run shows those that a person chooses, filters and sorts by; the others are one tag, as JSON,
which MLflow's pages do not show, beside the file ``statement.json``. Runs of earlier versions show all.
"""

import json
import re
from collections.abc import Iterable, Mapping

from ser import registry
from ser.errors import BadInput

COMBINATION = "combination"  # a parameter beside those of the statement: the corpora's letters, ``I+T+R``
_REST = "mlflow.ser.params"  # the tag with what is not shown
_HIDDEN = ("command", "grid", "notes", "schema", "work")  # tags of a run that only this project reads
_HIDDEN_AS = "mlflow.ser."
_NEVER = ("study", "role.varied")
# Values that say of what is not used that it is not; of a corpus's loader also that a switch is off.
_PLAIN = {
    "repeat": "0", "labels": "one", "training.check_every_epochs": "1", "training.weighted_validation": "True",
    "training.stacked": "False",
}  # fmt: skip
# Training settings that count only with another one: (setting, its values).
_WITH = {
    "training.bucket_pool": ("training.batches", ("corpus",)),
    "training.epsilon": ("training.optimiser", ("adam", "rmsprop")),
    "training.loss_tolerance": ("training.keep", ("best_accuracy",)),
}
_OF_FITTED = ("training.learns_from",)  # what models that are fitted take of it
# Of a corpus: who is tested by which rule, and how it is read. How many of what train, its datasets say.
_OF_CORPUS = re.compile(r"split(\.(test|fold))?|(loader|classes|front_end)(\..+)?")
_SEED_OF_COPIES = re.compile(r"augmentation\..+\.seed")


def params_of(params: Mapping[str, str]) -> dict[str, str]:
    """Returns the parameters that a run shows, of its whole statement ``params``."""
    corpora = params.get("corpora", "").split(",")
    axes = {key for path in params.get("role.varied", "").split(",") if path for key in _keys(path, params)}
    visible = {key: text for key, text in params.items() if key in axes or _tells(key, text, params, corpora)}
    letters = [params[key] for name in corpora if (key := f"corpus.{name}.letter") in params]
    return visible | ({COMBINATION: "+".join(letters)} if letters else {})


def tags_of(params: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """Returns a run's tags, with what ``params_of`` leaves out; odd ones have names that stay hidden."""
    visible = params_of(params)
    rest = {key: None if key in visible else text for key, text in params.items()}  # null: it is a parameter
    renamed = {f"{_HIDDEN_AS}{key}" if key in _HIDDEN else key: text for key, text in tags.items()}
    return renamed | {_REST: json.dumps(rest, separators=(",", ":"), ensure_ascii=False)}


def restore(params: dict[str, str], tags: dict[str, str], run_id: str) -> None:
    """Makes of a run's parameters its whole statement, in its order, and gives hidden tags their plain names.

    Raises BadInput where a tag was damaged.
    """
    params.pop(COMBINATION, None)
    for name in _HIDDEN:
        if (text := tags.pop(f"{_HIDDEN_AS}{name}", None)) is not None:
            tags.setdefault(name, text)  # a person may have set another
    if (text := tags.pop(_REST, None)) is not None:
        rest = _read(text, run_id)
        whole = {key: params.pop(key, "") if value is None else str(value) for key, value in rest.items()}
        later = dict(params)  # which a person has added
        params.clear()
        params.update(whole | later)


def _read(text: str, run_id: str) -> dict[str, object]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        allowed, remedy = "the tag as `ser run` wrote it", "delete the run, and run again"
        raise BadInput(repr(text[:60]), f"tag {_REST} of run {run_id}", allowed, remedy)
    return values


def _keys(path: str, params: Mapping[str, str]) -> list[str]:
    """The names that a study's path may have among ``params``."""
    head, _, rest = path.partition(".")
    names = [path, f"augmentation.{path}", *(f"corpus.{head}.{place}.{rest}" for place in ("split", "front_end"))]
    return names + ([f"block.{rest}"] if head == params.get("block") else [])


def _tells(key: str, text: str, params: Mapping[str, str], corpora: Iterable[str]) -> bool:
    """Whether an entry says something that a person chose, and that is used."""
    if not text or text == _PLAIN.get(key) or key in _NEVER or key.endswith(".version"):
        return False
    if _SEED_OF_COPIES.fullmatch(key):
        return False
    if key.startswith("corpus."):
        return _tells_of_corpus(key.removeprefix("corpus."), text, corpora)
    if key.startswith("training."):
        return _counts(key, params)
    return True


def _counts(key: str, params: Mapping[str, str]) -> bool:
    """Whether a training setting is used by such a model with the other settings."""
    if registry.is_fitted(params.get("block", "")):
        return key in _OF_FITTED
    if key.startswith("training.dimension_"):
        return bool(params.get("dimensions"))
    other, values = _WITH.get(key, ("", ()))
    return not other or params.get(other) in values


def _tells_of_corpus(key: str, text: str, corpora: Iterable[str]) -> bool:
    # A name may have dots, and be the beginning of another.
    name = max((name for name in corpora if key.startswith(f"{name}.")), key=len, default="")
    rest = key.removeprefix(f"{name}.")
    if not name or not _OF_CORPUS.fullmatch(rest):
        return False
    return not rest.startswith("loader") or text not in (name, "False")
