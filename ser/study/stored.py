"""A trial read back from the file of its statement, ``statement.json``, whatever version of this project wrote it."""

import json
from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from ser import registry
from ser.errors import BadInput
from ser.study.trial import Corpus, Training, Trial
from ser.study.values import Part, frozen

_Kind = TypeVar("_Kind", Trial, Training, Corpus, Part)
_ALLOWED = "a statement as `ser run` writes it"
_REMEDY = "take the file of a finished run"


def stored_trial(text: str, place: str) -> Trial:
    """Returns the trial of a ``statement.json``; ``place`` is its name in errors.

    What came later and is not in an old file has the value that says what was done before. Raises BadInput where the
    file is no statement, or states what this version does not know.
    """
    try:
        values = json.loads(text)
    except ValueError as error:
        raise BadInput(f"no JSON ({error})", place, _ALLOWED, _REMEDY) from None
    if not isinstance(values, Mapping):
        raise BadInput(f"a {type(values).__name__}", place, _ALLOWED, _REMEDY)
    try:
        parts = {name: _part(values[name], place) for name in ("front_end", "balance", "block", "role")}
        corpora = tuple(_corpus(c, place) for c in values["corpora"])
        augmentation = tuple(_part(kind, place) for kind in values["augmentation"])
        training = _instance(Training, values["training"], place)
    except (KeyError, TypeError) as error:
        raise BadInput(f"{type(error).__name__}: {error}", place, _ALLOWED, _REMEDY) from None
    rest = {"corpora": corpora, "augmentation": augmentation, "training": training, **parts}
    return _instance(Trial, {**values, **rest}, place)


def check_versions(trial: Trial, place: str) -> None:
    """Raises BadInput where the front-end or the model has other numbers here than when the trial was trained."""
    for kind, stated in (("frontends", trial.front_end), ("models", trial.block)):
        installed = registry.version(kind, stated.name)
        if installed != stated.version:
            value = f"{stated.name} of version {stated.version}"
            remedy = "train it again (`ser run`), or use the version of ser that its run names as code_version"
            raise BadInput(value, place, f"version {installed}, which is installed and has other numbers", remedy)


def _corpus(values: Mapping[str, Any], place: str) -> Corpus:
    parts = {name: _part(values[name], place) for name in ("loader", "split")}
    return _instance(Corpus, {**values, **parts}, place)


def _part(values: Mapping[str, Any], place: str) -> Part:
    return _instance(Part, values, place)


def _instance(kind: type[_Kind], values: Mapping[str, Any], place: str) -> _Kind:
    """Returns an instance of the dataclass, with tuples for JSON's lists."""
    names = {item.name: item for item in fields(kind)}
    if further := sorted(set(values) - set(names)):
        value = f"{', '.join(further)} of a {kind.__name__}"
        raise BadInput(value, place, ", ".join(names), "use a newer version of ser, which wrote the file")
    if missing := [n for n, item in names.items() if n not in values and item.default is MISSING]:
        raise BadInput(f"no {', '.join(missing)}", place, _ALLOWED, _REMEDY)
    plain = (Part, Training, Corpus)
    arguments: dict[str, Any] = {k: v if _holds(v, plain) else frozen(v, f"{place}: {k}") for k, v in values.items()}
    return kind(**arguments)


def _holds(value: object, kinds: tuple[type, ...]) -> bool:
    """Whether ``value`` is one of ``kinds``, or a tuple of them."""
    return isinstance(value, kinds) or (isinstance(value, tuple) and any(isinstance(v, kinds) for v in value))
