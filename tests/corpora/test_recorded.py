"""Loaders read out of their miniatures the utterances that are recorded for their VERSION."""

from dataclasses import asdict
from hashlib import sha256

import numpy as np
import pytest
import recorded

from ser.data.scan import scan
from ser.registry import find, names
from ser.study.trial import canonical

OF_THE_AUDIO = ("path", "rate_hz", "seconds", "bytes", "sha", "sound")  # of reading it: see data/test_recorded.py
LATER = {"folds": (), "valence": None, "arousal": None, "dominance": None}  # fields that are newer than these numbers


def cells(utterance):
    """What a loader says of an utterance, without what came later and says nothing of it."""
    values = {k: v for k, v in asdict(utterance).items() if k not in OF_THE_AUDIO}
    return [(k, v) if k in LATER else v for k, v in values.items() if k not in LATER or v != LATER[k]]


@pytest.mark.parametrize("loader", names("corpora"))
def test_gives_the_recorded_utterances(loader, tmp_path):
    module = find("corpora", loader)
    manifest = scan(loader, loader, module.miniature(tmp_path / "data"), {}, tmp_path / "scans")
    assert manifest.utterances
    rows = [cells(u) for u in manifest.utterances]
    digests = np.array([list(sha256(canonical(row).encode()).digest()[:12]) for row in rows])
    recorded.check("corpora", loader, module.VERSION, {"utterances, in their order": digests}, 1e-6)


def test_every_loader_is_recorded_and_nothing_else():
    assert recorded.names("corpora") == set(names("corpora"))
