"""The inputs of a trial: items of the feature store, split and balanced, and the state that it starts from."""

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import torch

from ser import registry
from ser.data.manifest import SPLITS
from ser.errors import BadInput
from ser.features.entry import Features
from ser.features.store import Store
from ser.files import Damaged
from ser.runs.folder import RunFolder
from ser.runs.tracker import Tracker
from ser.study import Corpus, Trial, settings_of
from ser.training import checkpoint, seeds
from ser.training.batches import Frames, Items
from ser.training.train import CorpusData
from ser.trials.job import Job, Subset
from ser.trials.outputs import segment_frames

_SHARE_OF_FREE = 0.1  # of a GPU's free memory, for one subset of a corpus in one of several processes on the GPU


def load(job: Job, trial: Trial, corpus: Corpus) -> CorpusData:
    """Returns a corpus's items as the trial's front-end, split and balance make them; kept for later trials.

    Raises BadInput where every utterance of a subset was refused, Damaged where the store lacks an entry.
    """
    front_end = corpus.front_end_for(trial.front_end)
    keys, subsets = job.keys[corpus.source][str(front_end)], job.subsets[corpus.source]

    def items(subset: Subset) -> Items:
        return _items(job.store, job.work, corpus.name, keys, subset, segment_frames(front_end), job.device)

    data = CorpusData(*(items(subsets[name]) for name in SPLITS))
    if trial.balance.name == "none":
        return data
    copies = items(job.spare[corpus.source]) if corpus.source in job.spare else None
    balanced = registry.find("balance", trial.balance.name).balanced
    seed = seeds.for_balance((trial.seed, trial.repeat))
    train = balanced(data.train, copies, len(trial.classes), settings_of("balance", trial.balance), seed, job.device)
    return replace(data, train=train)


@lru_cache(maxsize=64)
def _items(
    store: str, work: str, corpus: str, keys: tuple[str, ...], subset: Subset, frames: int, device: str
) -> Items:
    """Mapped where they lie; copied to a GPU once, as one block, if they take no more than their share of it.

    ``frames`` is the length of a segment where an utterance is several items, else 0.
    """
    names = tuple(subset.names)
    blocks: list[torch.Tensor] = []
    places = np.full((3, len(names)), -1)  # block, start and length of each item
    for entry in (_entry(store, work, key) for key in keys):
        rows = entry.rows(names)
        present = rows >= 0
        rows = rows[present]
        places[:, present] = entry.block[rows] + len(blocks), entry.start[rows], entry.length[rows]
        blocks += map(torch.from_numpy, entry.blocks)
    # Items in no entry were refused when the features were computed, and listed there.
    usable = places[0] >= 0
    if names and not usable.any():
        raise BadInput(f"all {len(names)} utterances refused", f"store of {corpus}", "usable audio", "ser prepare")
    features, labels = Frames(blocks, *places[:, usable]), subset.labels[usable]
    voices = subset.voices[usable] if len(subset.voices) else subset.voices
    if not usable.all():
        names = tuple(name for name, is_usable in zip(names, usable.tolist(), strict=True) if is_usable)
    if frames:
        counts = features.length // frames
        names = tuple(f"{name}#{k}" for name, n in zip(names, counts.tolist(), strict=True) for k in range(n))
        features, labels = features.cut(frames), np.repeat(labels, counts, axis=0)
        voices = np.repeat(voices, counts, axis=0) if len(voices) else voices
    if device != "cpu" and 0 < features.nbytes < _SHARE_OF_FREE * torch.cuda.mem_get_info()[0]:
        features = features.on(device)
    return Items(corpus, names, features, torch.from_numpy(labels).to(device), voices)


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
