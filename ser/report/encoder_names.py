"""Names of pretrained encoders for people: statements of trials hold what an encoder is, and never how it was called.

A run's grid has the names that its command gave. Reports read runs whose params and titles have the names in place of
the identities, so that every table and figure of every report shows them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TypeVar, cast

from ser.data.encoders import Encoder
from ser.errors import BadInput
from ser.study.trial import encoder_label

T = TypeVar("T")


def identities(params: Iterable[Mapping[str, str]]) -> list[str]:
    """Returns the identities of encoders among the settings of runs, in order."""
    values = dict.fromkeys(v for each in params for k, v in each.items() if k.endswith(".encoder"))
    return [value for value in values if encoder_of(value)]


def encoder_of(identity: str) -> Encoder | None:
    """Returns what an identity tells of an encoder; None where it is none."""
    try:
        return Encoder.parse(identity)
    except BadInput:
        return None


def names_of(stated: Mapping[str, str]) -> dict[str, str]:
    """Returns identity → name, from the names that commands gave; "" = none.

    Without one it is the architecture with the beginning of the fingerprint, which also tells two encoders apart to
    which commands gave one name.
    """
    encoders = {identity: encoder for identity in stated if (encoder := encoder_of(identity))}
    uses = Counter(stated[identity] for identity in encoders)
    return {
        identity: name if uses[name] == 1 and name else f"{name or encoder.architecture} {encoder.fingerprint[:6]}"
        for identity, encoder in encoders.items()
        for name in [stated[identity]]
    }


def renamed(value: T, names: Mapping[str, str]) -> T:
    """Returns texts, and those in tuples, lists and mappings, with names in place of identities."""
    return cast(T, _renamed(value, names)) if names else value


def _renamed(value: object, names: Mapping[str, str]) -> object:
    if isinstance(value, str):
        for identity, name in names.items():
            value = value.replace(identity, name).replace(encoder_label(identity), name)  # the latter is in titles
        return value
    if isinstance(value, Mapping):
        return {_renamed(key, names): _renamed(item, names) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(_renamed(item, names) for item in value)
    return value
