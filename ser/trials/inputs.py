"""The inputs of a trial: items of the feature store, split and balanced, and the state that it starts from."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import compress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from ser import registry
from ser.data.manifest import SPLITS
from ser.errors import BadInput
from ser.features.entry import Features
from ser.features.recipe import segment_frames
from ser.features.store import Store
from ser.files import Damaged
from ser.planning.sources import takes_copies
from ser.runs.folder import RunFolder
from ser.runs.tracker import Tracker
from ser.study import Corpus, Trial, settings_of
from ser.training import checkpoint, normalise, seeds
from ser.training.batches import Frames, Items
from ser.training.start import CorpusData
from ser.trials.job import UNCOPIED, Job, Subset

_KEPT = 128  # subsets: five corpora in five folds have 75, and 25 more without copies for references
_SHARE_OF_FREE = 0.1  # of a GPU's free memory, for one subset of a corpus in one of several processes on the GPU


def load(job: Job, trial: Trial, corpus: Corpus, key: str = "") -> CorpusData:
    """Returns a corpus's items as the trial's front-end, split, balance and ``normalise`` make them.

    ``key`` is the name of its source, where that is not the corpus's own. Raises BadInput where every utterance of a
    subset was refused, Damaged where the store lacks an entry.
    """
    front_end, key = corpus.front_end_for(trial.front_end), key or corpus.source
    keys, subsets = job.keys[key][str(front_end)], job.subsets[key]
    columns = job.columns.get(key, {}).get(str(front_end))
    frames = segment_frames(front_end)

    def items(subset: Subset) -> Items:
        return _items(job.store, job.work, corpus.name, keys, subset, frames, job.device, columns)

    if not corpus.copies:
        subsets = {**subsets, "train": subsets.get(UNCOPIED, subsets["train"])}
    each = [items(subsets[name]) for name in SPLITS]
    # Copies of a source may be of other trials: this one's front-end has none where its balance takes none.
    copies = items(job.spare[key]) if key in job.spare and takes_copies(trial.balance) else None
    if by := normalise.frames_by(trial):
        clean = [items(subsets.get(UNCOPIED, subsets["train"])), *each[1:]]
        each = normalise.normalised(each, clean, by)
        copies = copies and normalise.normalised([copies], clean, by)[0]
    data = CorpusData(*each)
    if trial.balance.name == "none" or not corpus.trains:
        return data
    balanced = registry.find("balance", trial.balance.name).balanced
    seed = seeds.for_balance((trial.training_seed, trial.repeat))
    train = balanced(data.train, copies, len(trial.classes), settings_of("balance", trial.balance), seed, job.device)
    return replace(data, train=train)


@lru_cache(maxsize=_KEPT)
def _items(
    store: str,
    work: str,
    corpus: str,
    keys: tuple[str, ...],
    subset: Subset,
    frames: int,
    device: str,
    columns: tuple[int, int] | None = None,
) -> Items:
    """Mapped where they lie; copied to a GPU once, as one block, if they take no more than their share of it.

    ``frames`` is the length of a segment where an utterance is several items, else 0; ``columns`` are those of the
    entries' vectors, None for all.
    """
    names = tuple(subset.names)
    entries = (_entry(store, work, key) for key in keys)
    features, is_usable = Frames.of_entries(entries, names, slice(*columns) if columns else None)
    if names and not is_usable.any():
        raise BadInput(f"all {len(names)} utterances refused", f"store of {corpus}", "usable audio", "ser prepare")
    # Without what was refused when the features were computed, and listed there.
    names = tuple(compress(names, is_usable.tolist()))
    voices = subset.voices[is_usable] if len(subset.voices) else subset.voices
    labels = torch.from_numpy(subset.labels[is_usable])
    ratings = torch.from_numpy(subset.ratings[is_usable] if subset.ratings.shape[1] else subset.ratings)
    items = Items(corpus, names, features, labels, voices, ratings, subset.shares)
    if frames:
        items = items.segments(frames)
    items = replace(items, labels=items.labels.to(device), ratings=items.ratings.to(device))
    if device == "cpu" or not isinstance(items.features, Frames):
        return items
    is_small = 0 < items.features.nbytes < _SHARE_OF_FREE * torch.cuda.mem_get_info()[0]
    return replace(items, features=items.features.on(device)) if is_small else items


@lru_cache(maxsize=256)
def _entry(store: str, work: str, key: str) -> Features:
    try:
        return open_store(store, work).open(key)
    except FileNotFoundError as error:
        raise Damaged(f"store entry {key} is gone ({error})") from None


def open_store(store: str, work: str) -> Store:
    """Returns the store as this node sees it; a remote one is cached in the work folder."""
    return Store(store, Path(work) / "cache")


def initial_state(job: Job, trial: Trial) -> Mapping[str, Any] | None:
    """Returns the end state of the trial that this one starts from, None where it starts from none.

    Raises Away while the tracking store does not answer, BadInput where the state's file is not whole.
    """
    if not trial.initial_from:
        return None
    undelivered = RunFolder(job.work, trial.initial_from).files / "state.pt"  # trained, and MLflow is away
    with TemporaryDirectory() as copy:
        path = undelivered
        if not path.exists():
            path = Tracker.of(job.where, trial.study).fetch(trial.initial_from, "state.pt", Path(copy))
        state = checkpoint.load(path)
    if state is None:
        raise BadInput(f"state.pt of trial {trial.initial_from}", "its run", "a file that is whole", "delete that run")
    return state
