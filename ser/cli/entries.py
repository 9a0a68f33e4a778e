"""What a person sees of a plan's features: entries of the store with their sizes, and hours for those not there."""

from collections.abc import Sequence
from datetime import timedelta

from ser.cli.console import console, table
from ser.features.recipe import Recipe
from ser.features.store import Store
from ser.planning.entries import Cost, size
from ser.study import settings_of
from ser.study.settings import values_of

_FEW = 40  # entries in the table


def features(costs: Sequence[Cost], store: Store) -> None:
    """Every entry with what it takes, the sum, and what the disk has."""
    rows = table("corpus", "front-end", "utterances", "frames x width", "numbers", "size", "stored", "time")
    names = labels([cost.recipe for cost in costs])
    for cost, name in list(zip(costs, names, strict=True))[:_FEW]:
        recipe = cost.recipe
        rows.add_row(
            recipe.corpus,
            name,
            f"{len(recipe.items)} {recipe.augmentation.name if recipe.augmentation else ''}".strip(),
            f"{sum(recipe.frames)} x {recipe.width}",
            recipe.dtype,
            size(recipe.bytes),
            _share(cost),
            "" if not cost.missing_bytes else _duration(cost.seconds, store.jobs),
        )
    console.print(rows)
    if len(costs) > _FEW:
        console.print(f"and {len(costs) - _FEW} entries more")
    needed = sum(cost.missing_bytes for cost in costs)
    number = "one entry" if len(costs) == 1 else f"{len(costs)} entries"
    text = f"{number} of features, {size(sum(cost.recipe.bytes for cost in costs))}, {size(needed)} not there yet"
    if needed:
        timed = [cost.seconds for cost in costs if cost.seconds is not None]
        text += f": about {_duration(sum(timed), store.jobs)} on {store.jobs} cores of this machine"
        text += "" if len(timed) == len(costs) else ", without those that could not be timed"
    console.print(f"{text}; {size(store.free_bytes())} free at {store.local}")


def labels(recipes: Sequence[Recipe]) -> list[str]:
    """Names of front-ends, with the settings in which those of one name differ."""
    settings = [values_of(settings_of("frontends", recipe.front_end)) for recipe in recipes]
    names = [recipe.front_end.name for recipe in recipes]
    texts = []
    for name, values in zip(names, settings, strict=True):
        others = [each for other, each in zip(names, settings, strict=True) if other == name]
        differing = [f"{k}={_text(v)}" for k, v in values.items() if len({str(each.get(k)) for each in others}) > 1]
        texts.append(" ".join([name, *differing]))
    return texts


def _text(value: object) -> str:
    """A setting's value as a person would type it: ``mean,std`` for several, ``none`` for nothing."""
    return (",".join(map(str, value)) or "none") if isinstance(value, tuple) else str(value)


def _share(cost: Cost) -> str:
    if not cost.missing_bytes:
        return "yes"
    share = 1 - cost.missing_bytes / max(1, cost.recipe.bytes)
    return f"{100 * share:.0f} %" if share > 0.005 else "no"


def _duration(seconds: float | None, cores: int) -> str:
    return "?" if seconds is None else str(timedelta(seconds=max(1, round(seconds / cores))))
