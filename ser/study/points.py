"""From a point of a grid or a search to the trial that it names."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache

from ser.errors import BadInput, unknown
from ser.study.components import completed, with_setting
from ser.study.overrides import override
from ser.study.study import Point, Study
from ser.study.trial import IN_TURN, UNSEEN, Corpus, Trial
from ser.study.values import Part, Value, part

# Axes of a grid that are no paths of settings:
PLACES = ("corpora", "system", "protocol", "block", "pooling", "task", "fold", UNSEEN, "initial_from", "final", "role")


def trial_of(study: Study, point: Point, corpora: Mapping[str, Corpus], seed: int) -> Trial:
    """Returns the statement of one point; a system that needs songs gets those of its corpus as another corpus.

    ``seed`` is added to what ``Study.seed_moves`` names: seed 0 is as the study states it. A seed that is an axis stays
    as the point has it. Raises BadInput for a path that names nothing and for a value that its component refuses.
    """
    paths = sorted((path for path in point if path not in PLACES), key=lambda path: path != "front_end")
    unseen = {UNSEEN: point[UNSEEN]} if UNSEEN in point else {}
    whole, role = study, part("grid", varied=tuple(paths), **unseen)
    network, with_songs = {key: point[key] for key in ("block", "pooling", "task") if key in point}, False
    if "system" in point:
        whole = study.with_system(point["system"])
        system = study.comparison.system(point["system"], f"system of {study.name}")
        network = {"block": system.block.name, "pooling": system.pooling, "task": system.task}
        with_songs = "song" in system.needs
        axes = {key: point.get(key, "") for key in ("system", "protocol", "fold")}
        role = part("system", varied=tuple(paths), **axes, **unseen)
    # A search's last trials have settings of their own; then come the values that are this point's own.
    for path, value in (*(study.search.final if point.get("final") else ()), *((path, point[path]) for path in paths)):
        name, _, setting = path.partition(".")
        if name in corpora:
            corpora = {**corpora, name: _with_axis(whole, corpora[name], setting, value)}
        else:
            whole = override(whole, path, value)
            if path == "front_end" and whole.features.front_end.name != study.features.front_end.name:
                corpora = {name: replace(c, front_end=()) for name, c in corpora.items()}
    split = [split_at(study, point, corpora[name], seed) for name in point["corpora"]]
    features, augmentation = whole.features, whole.features.augmentation
    if "augmentation" in study.seed_moves:
        augmentation = tuple(kind if f"{kind.name}.seed" in paths else _moved(kind, seed) for kind in augmentation)
    if augmentation and {"split", "augmentation"} & set(study.seed_moves):  # the copies are this seed's own
        split = [replace(corpus, seed=seed) for corpus in split]
    split += [corpus.songs() for corpus in split if with_songs and corpus.trains]
    return Trial(
        study=study.name,
        mode=study.mode,
        corpora=tuple(split),
        classes=study.classes_of(split[0]),
        merge=study.labels.merge,
        labels=study.labels.votes,
        dimensions=study.labels.dimensions,
        front_end=features.front_end,
        normalise=features.normalise,
        balance=features.balance,
        augmentation=augmentation,
        block=whole.block(network["block"]),
        pooling=network.get("pooling", "none"),
        task=network.get("task", "unified"),
        training=whole.training,
        seed=seed,
        weights_seed=0 if seed and "weights" not in study.seed_moves else None,
        initial_from=point.get("initial_from", ""),
        role=point.get("role", role),
    )


def split_at(study: Study, point: Point, corpus: Corpus, seed: int) -> Corpus:
    """Returns a corpus as it is split at a point: by its protocol, in its fold and by its seed, or not where unseen."""
    protocol = point.get("protocol", "")
    rule = dict(study.comparison.protocols).get(protocol)
    if corpus.name == point.get(UNSEEN):
        rule = completed("splits", part(UNSEEN), UNSEEN)
    elif (stated := rule or corpus.split).name == IN_TURN:
        rule = _of_training(stated)
    split = replace(corpus.split_by(rule).in_fold(point.get("fold", 0)), protocol=protocol)
    return split.moved(seed) if "split" in study.seed_moves else split


def _of_training(rule: Part) -> Part:
    """Returns the rule of a corpus that trains while another one is left out: nobody of it is tested."""
    train = round(1 - rule["val"], 12)
    speakers = part("speakers", train=train, val=rule["val"], test=0.0, by=rule["by"], seed=rule["seed"])
    return completed("splits", speakers, IN_TURN)


@lru_cache(1000)  # the trials of a seed have the same
def _moved(kind: Part, seed: int) -> Part:
    """Returns an augmentation with ``seed`` added to its own, where it has one."""
    return kind.changed(seed=kind["seed"] + seed) if seed and "seed" in kind.values() else kind


def _with_axis(study: Study, corpus: Corpus, setting: str, value: Value) -> Corpus:
    """Returns a corpus with a point's value of its split or front-end. Raises BadInput for what needs another plan."""
    place, allowed = f"axes of {study.name}: {corpus.name}", [*corpus.split.values(), *dict(corpus.front_end)]
    remedy = f"run the study once for each value, with --set {corpus.name}.{setting}=…"
    if setting in corpus.split.values():
        if study.features.augmentation:  # the copies make the corpora of one split equal in size
            raise BadInput(setting, place, "one split for all trials, where copies are augmented", remedy)
        split = with_setting("splits", corpus.split, setting, value, place)
        return replace(corpus, split=split, axes=(*corpus.axes, (setting, split[setting])))
    if setting in dict(corpus.front_end):
        front_end = with_setting("frontends", corpus.front_end_for(study.features.front_end), setting, value, place)
        settings = tuple((k, front_end[k]) for k, _ in corpus.front_end)
        return replace(corpus, front_end=settings, axes=(*corpus.axes, (setting, front_end[setting])))
    if setting in corpus.loader.values():
        raise BadInput(setting, place, ", ".join(allowed), remedy)
    raise unknown(setting, place, allowed)
