"""A trial that starts from a person's file of VGGish weights, from the command's words to its run."""

import shutil
from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from component_settings import stated

from ser.errors import BadInput
from ser.features.store import Store
from ser.models import vggish
from ser.planning import request as requests
from ser.planning.request import CorpusRequest, Request
from ser.runs.location import Location
from ser.runs.outcomes import Finished
from ser.runs.tracker import Tracker
from ser.trials import run as one
from ser.trials.job import job_of

SMALL = {"filters": (3, 4, 5, 5, 6, 6), "fc": (8, 8), "embedding": 7}
STAY = (("training.learning_rate", 1e-30), ("training.max_epochs", 1), ("training.patience_epochs", 1), ("seeds", 1))


def bar(title):
    return nullcontext(lambda done, of: None)


@pytest.fixture(scope="module")
def public(tmp_path_factory):
    """A narrow VGGish as torchvggish would have saved it, and our names for its weights."""
    torch.manual_seed(7)
    embedding = vggish.build(64, stated(vggish, **SMALL, units=5)).vggish
    ours = embedding.state_dict()
    places = [f"features.{n}" for n in (0, 3, 6, 8, 11, 13)] + [f"embeddings.{n}" for n in (0, 2, 4)]
    layers = [f"convolutions.{n}" for n in range(6)] + [f"dense.{n}" for n in range(3)]
    kinds = ("weight", "bias")
    state = {f"{p}.{k}": ours[f"{o}.{k}"] for p, o in zip(places, layers, strict=True) for k in kinds}
    path = tmp_path_factory.mktemp("weights") / "vggish.pth"
    torch.save(state, path)
    return path, ours


@pytest.fixture
def request_of(data, tmp_path):
    narrow = tuple((f"vggish.{k}", v) for k, v in SMALL.items())

    def make(weights):
        wanted = (CorpusRequest("iemocap", data / "IEMOCAP_full_release"),)
        return Request("segments", tmp_path, corpora=wanted, settings=(*narrow, *STAY), weights=weights)

    return make


def test_training_starts_from_the_file_that_is_named(request_of, public, empty_ledger, tmp_path):
    path, ours = public
    plan = requests.plan_of(request_of(path), bar)
    store = Store(tmp_path / "store")
    requests.prepare(plan, store, {}, bar)
    shutil.copy(empty_ledger, tmp_path / "mlflow.db")
    where = Location.of(tmp_path, None)
    job = job_of(plan, where, tmp_path, str(store.local), "cpu", 1, "test", [])
    trial = next(t for t in plan.trials if t.block.name == "vggish")
    assert isinstance(one.run(replace(job, weights=str(path)), trial), Finished)
    tracker = Tracker(where, "segments")
    run = tracker.finished()[trial.id]
    assert run.data.params["block.weights"].startswith("file:")
    kept = torch.load(tracker.artifact(run, "best.pt"), weights_only=True)
    for name, value in ours.items():  # steps of 1e-30 change nothing that is seen
        torch.testing.assert_close(kept[f"block.vggish.{name}"], value, rtol=0, atol=1e-20)


def test_other_weights_are_another_trial_and_their_place_is_none(request_of, public, tmp_path):
    path, _ = public
    elsewhere = tmp_path / "copy.pth"
    shutil.copy(path, elsewhere)
    random, here, there = (requests.plan_of(request_of(p), bar).trials for p in (None, path, elsewhere))
    assert [t.id for t in here] == [t.id for t in there]
    changed = [t.block.name for t, other in zip(here, random, strict=True) if t.id != other.id]
    assert set(changed) == {"vggish"}


def test_weights_for_a_study_without_such_a_network_are_refused(data, public, tmp_path):
    request = Request("interaffection", tmp_path, data=(data,), weights=public[0])
    with pytest.raises(BadInput, match="--weights"):
        requests.plan_of(request, bar)
