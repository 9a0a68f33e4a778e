"""What of a trial's statement a run shows as parameters, and how the whole is read back.

A statement has a hundred and more entries, of which few tell anything: settings that nothing uses, versions, defaults
that the name of a component says. MLflow makes an object and a column of each, and a table of six thousand runs takes
seconds and most of a gigabyte. So a run shows those that a person chooses, filters and sorts by, and whatever varies in
its grid; the others are one tag, as JSON, which MLflow's pages do not show, beside the file ``statement.json``. Tags
that only this project reads are one, too. Runs of earlier versions show all.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from functools import cache

from ser import registry
from ser.errors import BadInput
from ser.study import flat, part
from ser.study.settings import stated_settings

COMBINATION = "combination"  # a parameter beside those of the statement: the corpora's letters, ``I+T+R``
VARYING = "varying"  # a tag that no run has: names of parameters that differ within its grid
_REST = "mlflow.ser.params"  # the tag with the parameters that are not shown
_HIDDEN_AS = "mlflow.ser."
_HIDDEN_TAGS = f"{_HIDDEN_AS}tags"
# Tags that only this project reads, or that repeat the names of a run and of its experiment. They are one tag, since
# each costs MLflow as much as a parameter. That of the grid is long, and stays by itself.
_HIDDEN = ("command", "notes", "schema", "study", "title", "work")
_GRID = "grid"
_NEVER = ("study", "role.varied")
# Values that say of what is not used that it is not, and the usual ones of what is rarely chosen.
_PLAIN = {
    "repeat": "0", "labels": "one", "balance": "none", "normalise": "train", "role": "grid",
    "training.check_every_epochs": "1", "training.weighted_validation": "True", "training.stacked": "False",
    "training.epsilon": "1e-08", "training.keep": "best", "training.learns_from": "train",
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
_KINDS = {"front_end": "frontends", "block": "models", "balance": "balance"}  # beginning of a setting's name -> kind


def params_of(params: Mapping[str, str], varying: Collection[str] = ()) -> dict[str, str]:
    """Returns the parameters that a run shows, of its whole statement ``params``.

    Those that are ``varying`` in its grid are shown also where they are at their defaults.
    """
    corpora = params.get("corpora", "").split(",")
    axes = {key for path in params.get("role.varied", "").split(",") if path for key in _keys(path, params)}
    telling = [key for key, text in params.items() if key in axes or _tells(key, text, params, corpora)]
    visible = {
        key: params[key]
        for key in telling
        if key in axes or key in varying or params[key] not in (_PLAIN.get(key), _default(key, params))
    }
    return visible | _combination(params)


def varying(statements: Iterable[Mapping[str, str]]) -> set[str]:
    """Returns the names of parameters in which trials differ, of their whole ``statements``."""
    values: dict[str, set[str]] = {}
    for params in statements:
        for key, text in {**params, **_combination(params)}.items():
            if text:
                values.setdefault(key, set()).add(text)
    return {key for key, texts in values.items() if len(texts) > 1}


def _combination(params: Mapping[str, str]) -> dict[str, str]:
    names = params.get("corpora", "").split(",")
    letters = [params[key] for name in names if (key := f"corpus.{name}.letter") in params]
    return {COMBINATION: "+".join(letters)} if letters else {}


def tags_of(params: Mapping[str, str], tags: Mapping[str, str]) -> dict[str, str]:
    """Returns the tags with which a run is stored: one for what ``params_of`` leaves out, one for what it alone reads.

    ``tags`` may say which parameters are ``VARYING``.
    """
    visible = params_of(params, varying_of(tags))
    rest = {key: None if key in visible else text for key, text in params.items()}  # null: it is a parameter
    hidden = {name: text for name, text in tags.items() if name in _HIDDEN}
    others = {name: text for name, text in tags.items() if name not in (*_HIDDEN, VARYING)}
    renamed = {f"{_HIDDEN_AS}{name}" if name == _GRID else name: text for name, text in others.items()}
    return renamed | {_REST: _json(rest)} | ({_HIDDEN_TAGS: _json(hidden)} if hidden else {})


def varying_of(tags: Mapping[str, str]) -> list[str]:
    """Returns the names of parameters that differ within a grid, as the ``tags`` of a trial have them."""
    return tags.get(VARYING, "").split(",")


def restore(params: dict[str, str], tags: dict[str, str], run_id: str) -> None:
    """Makes of a run's parameters its whole statement, in its order, and gives hidden tags their plain names.

    Raises BadInput where a tag was damaged.
    """
    params.pop(COMBINATION, None)
    hidden = hidden_tags(tags, run_id)
    tags.pop(_HIDDEN_TAGS, None)
    for name, text in hidden.items():
        tags.pop(f"{_HIDDEN_AS}{name}", None)
        tags.setdefault(name, text)  # a person may have set another
    if _REST in tags:
        rest = _read(tags.pop(_REST), _REST, run_id)
        whole = {key: params.pop(key, "") if value is None else str(value) for key, value in rest.items()}
        later = dict(params)  # which a person has added
        params.clear()
        params.update(whole | later)


def hidden_tags(tags: Mapping[str, str], run_id: str) -> dict[str, str]:
    """Returns the hidden tags of a run by their plain names. Raises BadInput where the tag that holds them was damaged.

    Earlier versions hid each under a key of its own.
    """
    single = {name: tags[key] for name in (*_HIDDEN, _GRID) if (key := f"{_HIDDEN_AS}{name}") in tags}
    joined = _read(tags[_HIDDEN_TAGS], _HIDDEN_TAGS, run_id) if _HIDDEN_TAGS in tags else {}
    return single | {name: str(text) for name, text in joined.items()}


def _json(values: Mapping[str, str | None]) -> str:
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def _read(text: str, tag: str, run_id: str) -> dict[str, object]:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if not isinstance(values, dict):
        allowed, remedy = "the tag as `ser run` wrote it", "delete the run, and run again"
        raise BadInput(repr(text[:60]), f"tag {tag} of run {run_id}", allowed, remedy)
    return values


def _keys(path: str, params: Mapping[str, str]) -> list[str]:
    """The names that a study's path may have among ``params``."""
    head, _, rest = path.partition(".")
    names = [path, f"augmentation.{path}", *(f"corpus.{head}.{place}.{rest}" for place in ("split", "front_end"))]
    return names + ([f"block.{rest}"] if head == params.get("block") else [])


def _tells(key: str, text: str, params: Mapping[str, str], corpora: Iterable[str]) -> bool:
    """Whether an entry says something that a person chose, and that is used."""
    if not text or key in _NEVER or key.endswith(".version"):
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


def _default(key: str, params: Mapping[str, str]) -> str | None:
    """The default of a component's setting, which its name says; None where there is none."""
    place, _, setting = key.rpartition(".")
    kind = _KINDS.get(place)
    if kind:
        return _defaults(kind, params.get(place, "")).get(setting)
    if place.startswith("augmentation."):
        return _defaults("augment", place.removeprefix("augmentation.")).get(setting)
    if place.startswith("corpus.") and place.endswith(".loader"):
        return _defaults("corpora", params.get(place, "")).get(setting)
    return None


@cache
def _defaults(kind: str, name: str) -> dict[str, str]:
    """The defaults of a component by setting; {} where one has none, or the component is not at hand."""
    try:
        return flat(asdict(stated_settings(kind, part(name))))
    except BadInput:
        return {}
