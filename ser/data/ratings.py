"""Ratings of valence, arousal and dominance on one scale for all corpora: -1 and 1 are the ends of a corpus's own."""

from collections.abc import Iterable, Sequence
from math import nan

from ser.data.manifest import Manifest, Utterance
from ser.errors import BadInput


def scaled(u: Utterance, dimensions: Sequence[str], scale: tuple[float, float]) -> list[float]:
    """Returns the ratings of an utterance from -1 to 1, nan for one that it lacks; ``scale`` is the corpus's own.

    >>> from ser.data.manifest import Utterance
    >>> u = Utterance("a/1", "a", "1.wav", "a/x", "h", "happy", valence=4.0)
    >>> scaled(u, ("valence", "arousal"), (1.0, 5.0))
    [0.5, nan]
    """
    low, high = scale
    values = (getattr(u, name) for name in dimensions)
    return [nan if value is None else 2 * (value - low) / (high - low) - 1 for value in values]


def is_rated(u: Utterance, dimensions: Iterable[str]) -> bool:
    """Returns whether an utterance has a rating of one dimension at least."""
    return any(getattr(u, name) is not None for name in dimensions)


def check_scale(manifest: Manifest, dimensions: Sequence[str]) -> None:
    """Raises BadInput for ratings without a scale, or outside of it."""
    rated = [u for u in manifest.utterances if is_rated(u, dimensions)]
    if not rated:
        return
    place, remedy = f"ratings of {manifest.corpus}", "state it where the loader has a setting: --set NAME.scale=1,5"
    if manifest.scale is None:
        raise BadInput("no scale", place, "the lowest and the highest rating there can be", remedy)
    low, high = manifest.scale
    for u in rated:
        for name in dimensions:
            if (value := getattr(u, name)) is not None and not low <= value <= high:
                raise BadInput(f"{name} {value:g} of {u.uid}", place, f"{low:g} … {high:g}", remedy)
