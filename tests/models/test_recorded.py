"""Models give the numbers that are recorded for their VERSION: answers, gradients and moments; fitted ones, scores."""

from dataclasses import fields, replace

import numpy as np
import pytest
import recorded
import tiny_encoders
import torch

from ser import registry
from ser.models import traits

NETWORKS = [name for name in registry.names("models") if traits(name).is_network]
FITTED = [name for name in registry.names("models") if name not in NETWORKS]
SEED, UTTERANCES, CLASSES = 3, 4, (0, 2, 5)


def without_dropout(settings):
    """Dropout draws from torch's generators, which tests of its own hold to their seeds."""
    return replace(settings, **{f.name: 0.0 for f in fields(settings) if f.name.endswith("dropout")})


@pytest.mark.parametrize("name", NETWORKS)
def test_a_network_gives_the_recorded_numbers(name):
    module = registry.find("models", name)
    width, settings, frames = tiny_encoders.example(name)
    torch.manual_seed(SEED)
    block = module.build(width, without_dropout(settings))
    draw = np.random.default_rng(SEED)
    x = torch.from_numpy(draw.normal(size=(UTTERANCES * frames, width)).astype(np.float32))
    lengths = torch.full((UTTERANCES,), frames)
    if not list(block.parameters()):
        cases = {"answers afterwards": block.eval()(x, lengths).numpy()}
        return recorded.check("models", name, module.VERSION, cases, tolerance=1e-3)
    answers = block(x, lengths)
    (answers * torch.from_numpy(draw.normal(size=answers.shape).astype(np.float32))).sum().backward()
    parameters = [p for p in block.parameters() if p.requires_grad]
    gradients = torch.cat([p.grad.flatten() for p in parameters])
    sizes = torch.tensor([p.grad.norm() for p in parameters])
    moments = [b.flatten() for b in block.buffers() if b.is_floating_point()]
    cases = {
        "answers while it learns": answers.detach().numpy(),
        "gradients": gradients.numpy(),
        "norms of gradients": sizes[:, None].numpy(),
        "answers afterwards": block.eval()(x, lengths).detach().numpy(),
    }
    cases |= {"buffers": torch.cat(moments).numpy()} if moments else {}
    recorded.check("models", name, module.VERSION, cases, tolerance=1e-3)


@pytest.mark.parametrize("name", FITTED)
def test_a_fitted_model_gives_the_recorded_scores(name):
    module, draw = registry.find("models", name), np.random.default_rng(SEED)
    width, settings, frames = module.example()
    y = draw.permutation(np.repeat(np.array(CLASSES, np.int64), 12))
    place = np.searchsorted(CLASSES, y)
    if traits(name).takes == "vectors":
        x = draw.normal(size=(len(y), width * len(settings.statistics)))
        x += 2 * (np.arange(x.shape[1]) % 20 == place[:, None])
    else:
        x = [draw.normal(size=(n, width)).astype(np.float32) for n in draw.integers(frames - 3, frames + 4, len(y))]
        for utterance, band in zip(x, place, strict=True):
            utterance[:, band] += 2
    tasks = {"tasks": draw.integers(2, size=len(y))} if traits(name).tasks else {}
    model = module.build(settings, SEED, "cpu").fit(x, y, **tasks)
    scores = (getattr(model, "decision_function", None) or model.predict_proba)(x, **tasks)
    recorded.check("models", name, module.VERSION, {"scores": scores}, tolerance=1e-2 if name in NOISY else 1e-3)


NOISY = ("perceptron", "recurrent_autoencoder", "semi_cnn")  # many steps of a descent


def test_every_model_is_recorded_and_nothing_else():
    assert recorded.names("models") == set(registry.names("models"))
