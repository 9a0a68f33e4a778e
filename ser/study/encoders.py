"""Pretrained encoders as an axis of a study: which of its parts take them, and its points with one for each.

A front-end or block whose setting ``encoder`` is "each" takes those that the command names (``--encoder NAME=DIR``).
Statements hold what an encoder is, never its name or place: ``whisper-384x5-1.320-3fa29c81d0b2``.
"""

from collections.abc import Callable, Iterable, Iterator

from ser.errors import BadInput
from ser.study.components import completed
from ser.study.points import PLACES
from ser.study.study import EACH, Point, Study, System
from ser.study.values import Part, part

LAYERS = "front_end.layers"  # "each" of a point: one point for each hidden state of its encoder


def front_end_at(study: Study, point: Point) -> Part:
    """Returns the front-end that a point names, that of its system, or the study's. Raises BadInput."""
    if (stated := point.get("front_end")) is not None:
        return completed("frontends", stated if isinstance(stated, Part) else part(str(stated)), "front_end")
    system = _system_at(study, point)
    return (system and system.front_end) or study.features.front_end


def takers(study: Study, point: Point) -> tuple[str, ...]:
    """Returns the paths of those settings of a point that the command's encoders fill in: ``front_end.encoder``."""
    system = _system_at(study, point)
    block = system.block if system else study.block(point.get("block", ""))
    parts = {"front_end": front_end_at(study, point), block.name: block}
    stated = {f"{head}.encoder": one.values().get("encoder") for head, one in parts.items()}
    return tuple(path for path, value in stated.items() if point.get(path, value) == EACH)


def _system_at(study: Study, point: Point) -> System | None:
    name = point.get("system")
    return study.comparison.system(name, f"system of {study.name}") if name else None


def takes_encoders(study: Study) -> bool:
    """Returns whether some point of the study's grid takes an encoder of the command."""
    return any(takers(study, point) for point in study.grid(study.corpora) if study.runs(point))


def expand_encoders(study: Study, points: Iterable[Point], states: Callable[[str], int]) -> list[Point]:
    """Returns the points with one for each encoder where they take one, and for each layer where they say "each".

    ``states`` says how many hidden states an encoder has, by its identity. Raises BadInput where none is named.
    """
    return [one for point in points for encoded in _encoded(study, point) for one in _layered(study, encoded, states)]


def _encoded(study: Study, point: Point) -> Iterator[Point]:
    paths = takers(study, point)
    if not paths:
        yield point
        return
    if not study.encoders:
        value, allowed = f"no encoder for {', '.join(paths)}", "the folder of a pretrained model, by any name"
        raise BadInput(value, f"study {study.name}", allowed, "name one or several: --encoder NAME=DIR")
    places = {path: value for path, value in point.items() if path in PLACES}
    settings = {path: value for path, value in point.items() if path not in PLACES}
    for _, identity in study.encoders:
        yield {**places, **dict.fromkeys(paths, identity), **settings, **dict.fromkeys(paths, identity)}


def _layered(study: Study, point: Point, states: Callable[[str], int]) -> Iterator[Point]:
    if point.get(LAYERS) != EACH:
        yield point
        return
    front_end = front_end_at(study, point)
    encoder = point.get("front_end.encoder", front_end.values().get("encoder", ""))
    if not encoder:
        place, allowed = f"{LAYERS} of {study.name}", "a front-end with a pretrained encoder"
        raise BadInput(f"'{EACH}' for {front_end.name}", place, allowed, "leave the layers out of its points")
    yield from ({**point, LAYERS: layer} for layer in range(states(encoder)))
