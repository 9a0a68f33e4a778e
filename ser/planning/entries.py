"""What a plan asks of the feature store: entries, their sizes and hours, and whether the disk has room for them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from ser import registry
from ser.data.audio import UnusableAudio
from ser.errors import BadInput
from ser.features.recipe import Recipe, alone, reads_text
from ser.features.store import Store
from ser.planning.plan import Plan
from ser.study import settings_of

_LONGEST_S = 10.0  # of a timed sample: what lasts longer takes so much longer
_SHORT_S = 1.0  # a sample that took less is timed once more
_RESERVE_BYTES, _RESERVE = 100_000_000, 0.05  # that stay free: durations foretell sizes not to the last frame


@dataclass(frozen=True)
class Cost:
    """What an entry costs."""

    recipe: Recipe
    missing_bytes: int  # 0 where the entry is there
    seconds: float | None  # of one core for what is missing, None where it could not be timed


def entries_of(plan: Plan) -> list[Recipe]:
    """Returns the entries that a plan's trials and their tests read, each once."""
    sources = (*plan.sources.values(), *plan.unseen.sources.values())
    return list({recipe.key: recipe for source in sources for recipe in source.entries}.values())


def costs(recipes: Iterable[Recipe], store: Store, recordings: Mapping[str, Path]) -> list[Cost]:
    """Returns what each entry costs; front-ends of entries that are not there are timed on one core of this machine."""
    result = []
    for recipe in recipes:
        missing = store.missing_bytes(recipe)
        seconds: float | None = 0.0
        if missing and recipe.items:
            kind = recipe.augmentation.name if recipe.augmentation else ""
            each = seconds_each(recipe, recordings.get(kind))
            seconds = each * len(recipe.items) * min(1.0, missing / max(recipe.bytes, 1)) if each is not None else None
        result.append(Cost(recipe, missing, seconds))
    return result


def seconds_each(recipe: Recipe, recordings: Path | None) -> float | None:
    """Times one utterance of mean length, of noise, through augmentation and front-end; the better of two.

    None where the front-end makes nothing of noise. Raises BadInput as the front-end does.
    """
    settings = settings_of("frontends", recipe.front_end)
    front_end, mean_s = registry.find("frontends", recipe.front_end.name), fmean(u.seconds for u, _ in recipe.items)
    sample_s = min(max(mean_s, 0.1), _LONGEST_S)
    rng = np.random.default_rng(0)
    wave = rng.normal(0, 0.1, round(sample_s * settings.rate_hz)).astype(np.float32)
    text = (next((u.text for u, _ in recipe.items if u.text), ""),) if reads_text(recipe.front_end) else ()

    def once() -> float:
        started = time.perf_counter()
        changed = wave
        if kind := recipe.augmentation:
            apply = registry.find("augment", kind.name).apply
            changed = apply(wave, settings.rate_hz, rng, settings_of("augment", kind), recordings)
        front_end.extract(changed, settings, *text)
        return time.perf_counter() - started

    with alone():
        try:
            once()  # imports, tables, weights
            seconds = once()
            seconds = min(seconds, once()) if seconds < _SHORT_S else seconds
        except (UnusableAudio, ValueError) as error:
            if isinstance(error, BadInput):
                raise
            return None
    return seconds * max(1.0, mean_s / sample_s)


def check_room(recipes: Sequence[Recipe], store: Store) -> None:
    """Raises BadInput where what is not in the store yet does not fit its disk; of a remote one, that of its cache."""
    missing = {recipe.key: store.missing_bytes(recipe) for recipe in recipes}
    needed, free = sum(missing.values()), store.free_bytes()
    room = free - max(_RESERVE_BYTES, _RESERVE * needed)
    if needed <= room:
        return
    largest = max(recipes, key=lambda recipe: missing[recipe.key])
    place = "cache of the store" if store.is_remote else "store"
    raise BadInput(
        f"{size(needed)} of features, {size(missing[largest.key])} of them {largest.corpus} {largest.front_end.name}",
        f"{place} {store.local}, whose disk has {size(free)} free",
        f"{size(max(0.0, room))} or less",
        f"free space, or choose another {'--work' if store.is_remote else '--store'}{_smaller(largest)}",
    )


def _smaller(recipe: Recipe) -> str:
    """What would make an entry smaller, by the settings that its front-end has."""
    values = settings_of("frontends", recipe.front_end)
    ways = []
    if getattr(values, "stored", "") == "float32":
        ways.append("--set front_end.stored=float16")
    if getattr(values, "statistics", None) == ():
        ways.append("front_end.statistics in place of frames")
    if hasattr(values, "layers"):
        ways.append("fewer front_end.layers")
    return f"; smaller: {', '.join(ways)}" if ways else ""


def size(number: float) -> str:
    """``43.1 GB``, ``12 MB``: for people.

    >>> size(43_136_000_000), size(12_000_000), size(999)
    ('43.1 GB', '12 MB', '1 kB')
    """
    for unit, least in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= least:
            return f"{number / least:.3g} {unit}" if number < 100 * least else f"{number / least:.0f} {unit}"
    return f"{number / 1000:.0f} kB"
