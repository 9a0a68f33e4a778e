"""A run's model as one file: read with safetensors and numpy alone, or by onnxruntime, it answers as the run."""

import json
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file
from trained_runs import of_kind

from experiments.interaffection import study
from ser.data.functionals import functionals
from ser.errors import BadInput
from ser.models import traits
from ser.models.projection import Projection
from ser.prediction import Predictor, export, load, onnx
from ser.prediction.systems import FittedSystem, NetworkSystem
from ser.registry import find, names
from ser.study import Corpus, Part, part, settings_of, trial_of
from ser.study.settings import values_of
from ser.training.fitted import Fitted
from ser.training.network import Network

CLASSES, WIDTH = 4, 257
NETWORKS = [n for n in names("models") if traits(n).is_network]


def trial_with(block, pooling="none", task="unified", **changed):
    corpora = {n: Corpus(n, n.upper(), Part("none"), part("named", test=("x",))) for n in "ab"}
    point = {"corpora": ("a", "b"), "block": "lstm", "pooling": "mean", "task": task}
    return replace(trial_of(study, point, corpora, seed=0), block=block, pooling=pooling, **changed)


def predictor_with(name, pooling="mean_var", task="unified", **settings):
    """An untrained network of that block, its normalisation and all its weights drawn."""
    torch.manual_seed(0)
    block = part(name, **{**values_of(find("models", name).example()[1]), **settings})
    pooling = pooling if traits(name).gives == "frames" else "none"
    heads = ("a", "b") if task == "multi" else ()
    network = Network(WIDTH, block, pooling, CLASSES, "float32", heads).eval()
    network.mean, network.scale = torch.randn(WIDTH), torch.rand(WIDTH) + 0.5
    return Predictor(trial_with(block, pooling, task), NetworkSystem(network))


def header_of(path):
    content = path.read_bytes()
    return json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"]


# ONNX


def answers_of(path, items, name="frames"):
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return dict(zip([o.name for o in session.get_outputs()], session.run(None, {name: items}), strict=True))


HEADS = [
    *[("lstm", p, {}) for p in ("mean", "mean_var")],
    *[("blstm", "mean_var", {}), ("tdnn", "mean_var", {}), ("tdnn", "mean", {"context": (-2, 0, 2)})],
    *[("projection", "mean_var", {}), ("linear", "none", {}), ("dense", "none", {})],
]


@pytest.mark.parametrize("task", ["unified", "multi"])
@pytest.mark.parametrize(("name", "pooling", "settings"), HEADS)
def test_a_network_of_frames_answers_as_torch_at_lengths_that_it_was_not_traced_at(
    name, pooling, settings, task, tmp_path
):
    predictor, path = predictor_with(name, pooling, task, **settings), tmp_path / "a.onnx"
    lines = export.export(predictor, path)
    assert any("onnxruntime and torch differ by" in line for line in lines)
    for length in (1, 2, 11, 300):
        frames = torch.randn(length, WIDTH, generator=torch.Generator().manual_seed(length))
        found = answers_of(path, frames.numpy())
        for head in predictor.heads:
            sign = f"_{head}" if head else ""
            with torch.no_grad():
                logits = predictor.system.network(frames, torch.tensor([length]), head or "a")
            np.testing.assert_allclose(found[f"logits{sign}"], logits, atol=1e-4)
            np.testing.assert_allclose(found[f"probabilities{sign}"], logits.softmax(1), atol=1e-5)


def test_the_sum_of_an_encoders_layers_is_part_of_the_graph(tmp_path):
    predictor = predictor_with("projection")
    torch.manual_seed(0)
    network = Network(WIDTH - 1, predictor.trial.block, "mean", CLASSES, "float32", stack=4).eval()
    with torch.no_grad():
        network.layer_sum.logits.copy_(torch.tensor([1.0, 0, -1, 2]))
    export.export(replace(predictor, system=NetworkSystem(network)), tmp_path / "a.onnx")
    frames = torch.randn(21, WIDTH - 1)
    with torch.no_grad():
        expected = network(frames, torch.tensor([21]), "").softmax(1)
    np.testing.assert_allclose(answers_of(tmp_path / "a.onnx", frames.numpy())["probabilities"], expected, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in NETWORKS if n != "finetuned"])
def test_every_network_is_written_and_right_or_refused_with_a_reason(name, tmp_path, monkeypatch):
    """With as many frames as its example has."""
    width, settings, frames = find("models", name).example()
    torch.manual_seed(0)
    pooling = "mean" if traits(name).gives == "frames" else "none"
    block = part(name, **values_of(settings))
    network = Network(width, block, pooling, CLASSES, "float32").eval()
    monkeypatch.setattr(onnx, "front_end_frames", lambda front_end, seconds: frames)
    predictor = Predictor(trial_with(block, pooling), NetworkSystem(network))
    if name in ("mdre", "time_distributed"):
        with pytest.raises(BadInput, match=r"\.safetensors"):
            export.export(predictor, tmp_path / "a.onnx")
        assert not (tmp_path / "a.onnx").exists()
        return
    export.export(predictor, tmp_path / "a.onnx")
    item = torch.randn(frames, width)
    with torch.no_grad():
        expected = network(item, torch.tensor([frames]), "").softmax(1)
    np.testing.assert_allclose(answers_of(tmp_path / "a.onnx", item.numpy())["probabilities"], expected, atol=1e-5)


@pytest.mark.parametrize("wrong", ["length", "value"])
def test_a_graph_that_is_right_at_one_length_only_is_refused(wrong, tmp_path, monkeypatch):
    def unrolled(self, frames, lengths):
        """As code that counts frames in Python, which tracing takes for constant."""
        hidden = self.layers(frames)
        return torch.stack([hidden[i] for i in range(len(hidden))]) if wrong == "length" else hidden * len(hidden)

    predictor = predictor_with("projection")
    monkeypatch.setattr(Projection, "forward", unrolled)
    with pytest.raises(BadInput, match="projection as ONNX"):
        export.export(predictor, tmp_path / "a.onnx")
    assert list(tmp_path.iterdir()) == []


def test_a_network_that_learned_in_bfloat16_is_written_in_float32(tmp_path):
    predictor = predictor_with("tdnn")
    predictor.system.network.reduced = True
    assert "in float32" in export.export(predictor, tmp_path / "a.onnx")[-1]
    assert predictor.system.network.reduced


# Files of arrays


def test_a_linear_head_is_read_and_computed_with_numpy_alone(tmp_path):
    predictor, path = predictor_with("linear", task="multi", statistics=("mean", "std")), tmp_path / "a.safetensors"
    export.export(predictor, path)
    arrays, header = load_file(path), header_of(path)
    x = np.random.default_rng(0).normal(size=(30, WIDTH)).astype(np.float32)
    normal = (x - arrays["mean"]) * arrays["scale"]
    vector = np.concatenate([normal.mean(0), normal.std(0)])
    logits = arrays["heads.b.weight"] @ vector + arrays["heads.b.bias"]
    with torch.no_grad():
        expected = predictor.system.network(torch.from_numpy(x), torch.tensor([30]), "b")[0]
    np.testing.assert_allclose(logits, expected, atol=1e-4)
    assert json.loads(header["classes"]) == list(predictor.classes)
    assert header["answer"] == "softmax of the scores"
    assert json.loads(header["heads"]) == ["a", "b"]
    assert json.loads(header["model"])["block"]["name"] == "linear"
    front_end = json.loads(header["front_end"])["a"]
    assert (front_end["name"], front_end["version"]) == ("log_stft", 1)
    assert front_end["settings"]["rate_hz"] == 8000
    assert json.loads(header["statement"])["classes"] == list(predictor.classes)


def test_all_weights_of_a_network_are_there(tmp_path):
    predictor, path = predictor_with("blstm"), tmp_path / "a.safetensors"
    export.export(predictor, path)
    state, arrays = predictor.system.network.state_dict(), load_file(path)
    assert arrays.keys() == state.keys()
    assert all(np.array_equal(arrays[name], tensor.numpy()) for name, tensor in state.items())


def computed(arrays, model, frames):
    """The scores of a fitted model [classes of scores], by what its file says and numpy."""
    x = frames
    for step in model["steps"]:
        a, v = {name: arrays[key] for name, key in step["arrays"].items()}, step["values"]
        if step["kind"] in ("frames", "standard"):
            x = (x - a["mean"]) * a["factor"]
        elif step["kind"] == "statistics":
            x = functionals(x.astype(np.float32), v["names"].split(", "))
        elif step["kind"] == "select":
            x = x[a["columns"]]
        elif step["kind"] == "affine":
            x = a["weight"] @ x + a["bias"]
        elif step["kind"] == "layers":
            for n in range(v["layers"]):
                x = (np.maximum(x, 0) if n else x) @ a[f"weight{n}"] + a[f"bias{n}"]
            x = np.log(np.exp(x - x.max()) / np.exp(x - x.max()).sum())
        elif step["kind"] == "neighbours":
            x = neighbours(a, v, x, len(model["classes_of_scores"]))
        elif step["kind"] == "machine":
            x = machine(a, v, x)
        else:
            assert step["kind"] == "same"
    return x


def neighbours(a, v, x, classes):
    distances = np.linalg.norm(a["points"] - x, axis=1)
    order = np.argsort(distances, kind="stable")[: v["count"]]
    votes = 1 / np.maximum(distances[order], 1e-12) if v["weights"] == "distance" else np.ones(v["count"])
    shares = np.bincount(a["labels"][order], votes, minlength=classes)
    with np.errstate(divide="ignore"):
        return np.log(shares / shares.sum())


def machine(a, v, x):
    products, squares = a["vectors"] @ x, np.square(a["vectors"] - x).sum(1)
    kernel = {
        "linear": products,
        "poly": (v["gamma"] * products + v["coef0"]) ** v["degree"],
        "rbf": np.exp(-v["gamma"] * squares),
    }[v["kernel"]]
    ends = np.cumsum(a["counts"])
    if len(ends) == 2:
        d = a["bias"][0] + a["coefficients"][0] @ kernel
        return np.array([-d, d])
    rows = [slice(e - n, e) for e, n in zip(ends, a["counts"], strict=True)]
    votes, sums = np.zeros(len(ends)), np.zeros(len(ends))
    for pair, (i, j) in enumerate(combinations(range(len(ends)), 2)):
        d = a["bias"][pair] + a["coefficients"][j - 1, rows[i]] @ kernel[rows[i]]
        d += a["coefficients"][i, rows[j]] @ kernel[rows[j]]
        votes[i if d > 0 else j] += 1
        sums[i], sums[j] = sums[i] + d, sums[j] - d
    return votes + sums / (3 * (np.abs(sums) + 1))


FITTED = [
    *[("svm", {"kernel": kernel, "gamma": 0.05, "coef0": 0.5}) for kernel in ("linear", "poly", "rbf")],
    *[("lda", {}), ("logistic", {}), ("knn", {}), ("knn", {"weights": "distance"}), ("perceptron", {"epochs": 20})],
    *[("svm", {"select": 5, "gamma": 0.0}), ("logistic", {"scaling": "none"})],
]


@pytest.mark.parametrize("learned", [(0, 1, 3), (1, 2)])
@pytest.mark.parametrize(("name", "settings"), FITTED)
def test_fitted_models_are_read_and_computed_with_numpy_alone(name, settings, learned, tmp_path, monkeypatch):
    draw = np.random.default_rng(0)
    y = np.repeat(np.array(learned, np.int64), 15)
    block = part(name, statistics=("mean", "std"), **settings)
    trial = trial_with(block, normalise="train")
    fitted = Fitted(
        find("models", name).build(settings_of("models", block), 0, "cpu"),
        (draw.normal(size=4), draw.uniform(0.5, 2, size=4)),
    )
    frames = [(draw.normal(size=(9, 4)) + np.eye(4)[c]).astype(np.float32) for c in y]
    fitted.model.fit(fitted.inputs(trial, frames), y)
    predictor = Predictor(trial, FittedSystem(fitted, traits(name).logits, False))
    export.export(predictor, tmp_path / "a.safetensors")
    arrays, header = load_file(tmp_path / "a.safetensors"), header_of(tmp_path / "a.safetensors")
    model = json.loads(header["model"])
    assert model["classes_of_scores"] == [trial.classes[i] for i in learned]
    others = [(draw.normal(size=(9, 4)) + np.eye(4)[c]).astype(np.float32) for c in y]
    expected = fitted.logits(trial, fitted.inputs(trial, others), None)[:, list(learned)]
    found = [computed(arrays, model, x.astype(np.float64)) for x in others]
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert header["answer"] == ("softmax of the scores" if name == "logistic" else "the largest score")
    if name == "knn":
        with pytest.raises(BadInput, match="a step neighbours"):
            export.export(predictor, tmp_path / "a.onnx")
        return
    monkeypatch.setattr(onnx, "front_end_width", lambda front_end: 4)
    export.export(predictor, tmp_path / "a.onnx")
    vectors = np.asarray(fitted.inputs(trial, others), np.float32)
    answers = answers_of(tmp_path / "a.onnx", vectors, "vectors")
    np.testing.assert_allclose(answers["scores"][:, list(learned)], expected, rtol=1e-4, atol=1e-4)
    assert np.isneginf(np.delete(answers["scores"], learned, axis=1)).all()
    assert ("probabilities" in answers) == (name in ("logistic", "perceptron"))
    if "probabilities" in answers:
        np.testing.assert_allclose(answers["probabilities"].sum(1), 1, rtol=1e-5)


def test_what_is_no_plain_arrays_is_refused_with_what_to_use():
    block = part("gmtfs", **values_of(find("models", "gmtfs").example()[1]))
    model = find("models", "gmtfs").build(settings_of("models", block), 0, "cpu")
    predictor = Predictor(trial_with(block, normalise="none"), FittedSystem(Fitted(model), True, True))
    with pytest.raises(BadInput, match=r"model\.skops"):
        export.tensors(predictor)


def test_a_suffix_says_the_format_and_what_cannot_be_written_is_said(tmp_path):
    with pytest.raises(BadInput, match=r"ends in \.safetensors or \.onnx"):
        export.export(predictor_with("linear"), tmp_path / "a.pt")
    with pytest.raises(BadInput, match="a file that can be written"):
        export.export(predictor_with("linear"), tmp_path / "nowhere" / "a.safetensors")


# Real runs


@pytest.mark.parametrize("kind", ["segments", "heads"])
def test_files_of_finished_runs_are_written(kind, data, tmp_path):
    run = of_kind(kind, data, tmp_path)
    predictor = load(run.files)
    export.export(predictor, tmp_path / "a.safetensors")
    assert json.loads(header_of(tmp_path / "a.safetensors")["statement"])["block"]["name"] == run.trial.block.name
    assert "differ by" in " ".join(export.export(predictor, tmp_path / "a.onnx"))
