"""The subsets of a corpus as MLflow shows them: fingerprint, counts of speakers, hours and classes, use."""

import json
from collections import Counter
from collections.abc import Sequence
from zlib import crc32

from ser.data.manifest import Utterance
from ser.planning.sources import Source
from ser.runs.folder import Dataset

_USES = {"train": "training", "val": "validation", "test": "testing"}


def datasets_of(source: Source) -> tuple[Dataset, ...]:
    """Returns the subsets of a corpus as it is split that have utterances, each with its use.

    Their digests are the corpus's fingerprint and a sum of eight digits over the names of the utterances.
    """
    fingerprint, datasets = source.corpus.fingerprint or source.manifest.fingerprint, []
    for subset, use in _USES.items():
        if utterances := getattr(source.split, subset):
            names = crc32("\n".join(u.uid for u in utterances).encode())
            profile = _profile(source, utterances)
            if subset == "train" and (copies := len(source.copies)):
                profile["augmented_copies"] = copies
            name, root = source.corpus.name, source.manifest.root
            datasets.append(Dataset(name, f"{fingerprint}-{names:08x}", use, root, json.dumps(profile)))
    return tuple(datasets)


def _profile(source: Source, utterances: Sequence[Utterance]) -> dict[str, object]:
    classes = Counter(name for u in utterances for name in source.labels.get(u.uid, (u.label,)) if name)
    return {
        "utterances": len(utterances),
        "speakers": len({u.speaker for u in utterances}),
        "hours": round(sum(u.seconds for u in utterances) / 3600, 3),
        "classes": dict(sorted(classes.items())),
    }
