"""Miniatures whose utterances have made ratings and votes, and small studies of them."""

from collections.abc import Iterable
from dataclasses import replace
from functools import cache
from pathlib import Path

import tiny_survey
from trained_runs import FRAMES, Trained, changed, trained

from experiments.interaffection import study as frames
from ser.data.manifest import Manifest, Utterance
from ser.data.scan import scan
from ser.planning.plan import Plan, resolve
from ser.runs.location import Location as Location
from ser.study import Labels, Study, Trial, part

SCALE = (1.0, 5.0)
CLASSES = ("happy", "angry", "neutral", "sad")
AROUSAL = {"angry": 5.0, "happy": 4.0, "neutral": 2.0, "sad": 1.0}
VALENCE = {"happy": 5.0, "neutral": 3.0, "sad": 2.0, "angry": 1.0}


def rated(u: Utterance, number: int) -> Utterance:
    """The utterance with ratings by its emotion; every fifth has no valence, every seventh none at all."""
    arousal, valence = AROUSAL.get(u.label), VALENCE.get(u.label)
    return replace(u, arousal=arousal if number % 7 else None, valence=valence if number % 5 and number % 7 else None)


def voted(u: Utterance, number: int) -> Utterance:
    """The utterance with three votes: two of three for its emotion, every third time a tie, every ninth for none."""
    others = [c for c in CLASSES if c != u.label]
    votes = [u.label, u.label, others[number % 3]] if number % 3 else [u.label, others[number % 2]]
    votes = ["other"] if number % 9 == 8 else votes
    return replace(u, votes=tuple(zip("abc", votes, strict=False)))


@cache
def manifests(data: Path, cache_: Path, names: tuple[str, ...]) -> dict[str, Manifest]:
    """Scanned miniatures with both."""
    corpora = {c.name: c for c in frames.corpora}
    made = {}
    for name in names:
        whole = scan(name, corpora[name].loader.name, data, corpora[name].loader.values(), cache_)
        utterances = tuple(voted(rated(u, i), i) for i, u in enumerate(whole.utterances))
        made[name] = replace(whole, utterances=utterances, scale=SCALE)
    return made


def study(labels: Labels, classes: tuple[str, ...] = CLASSES, **settings: object) -> Study:
    """The study of small networks of frames, with other labels."""
    made = replace(changed(frames, FRAMES), labels=labels, classes=classes)
    for path, value in settings.items():
        made = changed(made, {path.replace("__", "."): value})
    return made


def plan(study: Study, data: Path, cache_: Path, names: Iterable[str] = ("tess", "ravdess")) -> Plan:
    """The plan of a study over rated miniatures."""
    return resolve(study, manifests(data, cache_, tuple(names)))


def trial_of(plan: Plan, combination: str = "T+R", task: str = "multi") -> Trial:
    """The trial of a time-delay network."""
    shape = (combination, "tdnn", "mean_var", task)
    return next(t for t in plan.trials if (t.combination, t.block.name, t.pooling, t.task) == shape)


def run_of(plan: Plan, cache_: Path, **place: str) -> Trained:
    """A trained run of it."""
    return trained(plan, trial_of(plan, **place), cache_)


def fitted_study(model: str, labels: Labels, classes: tuple[str, ...] = CLASSES) -> Study:
    """The same of a fitted model of utterance statistics."""
    block = part(model, **tiny_survey.STEPS)
    points = [{"corpora": ("ravdess",), "block": model, "pooling": "none", "task": "unified"}]
    return replace(study(labels, classes), blocks=(block,), points=lambda names, _: points, expect=1)


def unrated(manifest: Manifest) -> Manifest:
    """The same without any rating."""
    return replace(manifest, utterances=tuple(replace(u, valence=None, arousal=None) for u in manifest.utterances))


def with_scale(made: dict[str, Manifest], scale: tuple[float, float] | None) -> dict[str, Manifest]:
    """The same, whose ratings are on another scale."""
    return {name: replace(manifest, scale=scale) for name, manifest in made.items()}
