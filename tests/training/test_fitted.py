"""Files of fitted models: what is read back gives the same bits, no more than needed, and no code of a file is run."""

import io
import json
import os
import zipfile
from contextlib import suppress

import numpy as np
import pytest
from component_settings import with_values
from skops import io as skops

from ser import registry
from ser.errors import BadInput
from ser.models import traits
from ser.training import fitted
from ser.training.fitted import Fitted

FITTED = [name for name in registry.names("models") if registry.is_fitted(name)]
VARIANTS = {
    "svm": ({"kernel": "poly"}, {"select": 2}, {"clusters": 3}, {"clusters": 3, "classifier_input": "memberships"}),
    "lda": ({"solver": "svd", "shrinkage": "none"},),
    "knn": ({"weights": "distance"}, {"clusters": 3, "neighbours": 2}),
    "perceptron": ({"held_out": 0.2},),
    "logistic": ({"several": True},),
}
CASES = [(name, {}) for name in FITTED] + [(name, each) for name, some in VARIANTS.items() for each in some]


def toy(name, seed=0):
    """Inputs and labels of three classes, one of which the trial's list has and training lacks."""
    draw, module = np.random.default_rng(seed), registry.find("models", name)
    width, settings, frames = module.example()
    y = draw.permutation(np.repeat(np.array((0, 2, 3), np.int64), 12))
    if traits(name).takes == "vectors":
        x = draw.normal(size=(len(y), width * len(settings.statistics)))
        x[:, :4] += 3 * (np.arange(4) == y[:, None])
    else:
        x = [draw.normal(size=(frames + n % 3, width)).astype(np.float32) for n in range(len(y))]
        for each, label in zip(x, y, strict=True):
            each[:, label] += 3
    return x, y, draw.integers(2, size=len(y))


def scores(model, x, tasks, name):
    extra = {"tasks": tasks} if traits(name).tasks else {}
    return (getattr(model, "decision_function", None) or model.predict_proba)(x, **extra)


@pytest.mark.parametrize(("name", "settings"), CASES, ids=lambda case: case if isinstance(case, str) else str(case))
def test_a_model_read_back_gives_the_same_bits(name, settings, tmp_path):
    (x, y, tasks), module = toy(name), registry.find("models", name)
    several = settings.get("several", False)
    labels = np.eye(4, dtype=np.float32)[y] if several else y
    stated = {k: v for k, v in settings.items() if k != "several"}
    model = module.build(with_values(module.example()[1], **stated), 0, "cpu")
    model.fit(x, labels, **({"tasks": tasks} if traits(name).tasks else {}))
    scaling = np.arange(3.0), np.ones(3)
    fitted.save(Fitted(model, scaling), tmp_path / "model.skops")
    again = fitted.load(tmp_path / "model.skops", name)
    new, _, of_new = toy(name, seed=1)
    assert again.model.classes_.tolist() == ([0, 1, 2, 3] if several else [0, 2, 3])
    assert scores(again.model, new, of_new, name).tobytes() == scores(model, new, of_new, name).tobytes()
    assert [a.tolist() for a in again.scaling] == [a.tolist() for a in scaling]
    assert again.size == Fitted(model).size
    # What it was fitted with is still there, and the file has no more than the numbers and some kilobytes beside them.
    assert scores(model, x, tasks, name).shape[1] == len(model.classes_)
    entries = zipfile.ZipFile(tmp_path / "model.skops").infolist()
    arrays = sum(e.file_size for e in entries if e.filename.endswith(".npy"))
    assert arrays < 20 * again.size + 200 * len(entries) + 20_000


class Evil:
    """Would write a file where it is made by a reader that trusts it."""

    def __reduce__(self):
        return os.system, ("touch evil",)


def test_a_file_that_names_other_classes_is_refused_and_runs_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    skops.dump({"model": Evil(), "scaling": None}, "evil.skops")
    with pytest.raises(BadInput, match="Evil; allowed: those of models and scikit-learn"):
        fitted.load(tmp_path / "evil.skops", "svm")
    content = {"model": [os.system], "scaling": None}
    skops.dump(content, "function.skops")
    with pytest.raises(BadInput, match="system"):
        fitted.load(tmp_path / "function.skops", "svm")
    assert not (tmp_path / "evil").exists()


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("numpy.testing._private.utils", "measure"),  # compiles and runs what it is called with
        ("sklearn.utils.validation", "check_array"),  # a function, whatever it does
        ("sklearn.utils.validation", "np"),
        ("ser.models._estimators", "classes_of"),
        ("ser.models._estimators", "BaseEstimator"),  # of another module
    ],
)
def test_a_file_whose_arrays_are_to_be_given_to_functions_is_refused_and_calls_none(module, name, tmp_path):
    evil = tmp_path / "evil"
    code = np.frombuffer(f"open({str(evil)!r}, 'w')".encode(), np.uint8).copy()
    skops.dump({"model": code, "scaling": None}, tmp_path / "array.skops")
    with zipfile.ZipFile(tmp_path / "array.skops") as archive:
        content = {entry: archive.read(entry) for entry in archive.namelist()}
    schema = content["schema.json"].decode()
    for was, now in (
        ('"__class__": "ndarray"', f'"__class__": "{name}"'),
        ('"__module__": "numpy"', f'"__module__": "{module}"'),
    ):
        assert was in schema
        schema = schema.replace(was, now)
    with zipfile.ZipFile(tmp_path / "function.skops", "w") as archive:
        for entry, data in (content | {"schema.json": schema.encode()}).items():
            archive.writestr(entry, data)
    with pytest.raises(BadInput, match=f"classes {module}.{name}; allowed"):
        fitted.load(tmp_path / "function.skops", "logistic")
    assert not evil.exists()


def test_a_damaged_file_is_refused_wherever_it_is_damaged(tmp_path):
    (x, y, _), module = toy("logistic"), registry.find("models", "logistic")
    model = module.build(module.example()[1], 0, "cpu")
    model.fit(x, y)
    fitted.save(Fitted(model), tmp_path / "model.skops")
    whole, draw = (tmp_path / "model.skops").read_bytes(), np.random.default_rng(0)
    for _ in range(150):
        damaged = bytearray(whole)
        damaged[draw.integers(len(whole))] ^= 1 << draw.integers(8)
        (tmp_path / "model.skops").write_bytes(damaged)
        with suppress(BadInput):
            fitted.load(tmp_path / "model.skops", "logistic")


def test_a_file_that_would_fill_the_memory_is_refused_unread(tmp_path, monkeypatch):
    monkeypatch.setattr(fitted, "_LARGE_BYTES", 100_000)
    content = {"model": np.zeros(1 << 20), "scaling": None}
    skops.dump(content, tmp_path / "model.skops", compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(BadInput, match="bytes unpacked of"):
        fitted.load(tmp_path / "model.skops", "svm")


def _bytes_of(schema):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("schema.json", schema)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"PK nothing", _bytes_of("{}"), _bytes_of("["), _bytes_of(json.dumps({"__loader__": "ObjectNode"}))],
)
def test_a_file_that_is_none_is_refused(content, tmp_path):
    (tmp_path / "model.skops").write_bytes(content)
    with pytest.raises(BadInput, match=r"model\.skops: .*bring it back, or train it again"):
        fitted.load(tmp_path / "model.skops", "lda")
