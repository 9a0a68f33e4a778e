"""The semi-supervised CNN: its filters against patches one by one, its penalties by hand, what it refuses."""

import numpy as np
import pytest
import torch
from component_settings import with_values

from ser.errors import BadInput
from ser.models import _patches, _salient, semi_cnn

WIDTH, SMALL, FRAMES = semi_cnn.example()


def images(lengths=(9, 14, 3), width=WIDTH, seed=0):
    make = torch.Generator().manual_seed(seed)
    return [torch.randn(n, width, generator=make) * 2 + 1 for n in lengths]


def utterances(count=30, seed=0):
    """Two classes with the same bands: ones whose ridges rise in time, and ones whose ridges fall."""
    draw, y = np.random.default_rng(seed), np.arange(count) % 2
    x = []
    for c in y:
        n = draw.integers(18, 30)
        slope = np.arange(n)[:, None] * (1 if c else -1) + np.arange(WIDTH) + draw.integers(8)
        x.append((2 * np.cos(2 * np.pi * slope / 8) + draw.normal(size=slope.shape)).astype(np.float32))
    return x, y


def test_filters_answer_as_if_each_patch_were_normalised_and_whitened_by_itself():
    kernel, contrast, whitening = (3, 4), 0.1, 0.2
    patches = _patches.draw(images((40,)), kernel, 300, seed=0)
    filters = _patches.learn(patches, kernel, 5, 4, contrast, whitening, seed=0)
    image = images()[0]

    def normalised(p):
        p = p.numpy().astype(np.float64)
        p = p - p.mean(1, keepdims=True)
        return p / np.sqrt(p.var(1, keepdims=True) + contrast)

    seen = normalised(patches)
    values, axes = np.linalg.eigh(np.cov(seen.T, bias=True))
    white = axes @ np.diag(1 / np.sqrt(values + whitening)) @ axes.T
    centroids = _patches._centroids(torch.from_numpy((seen - seen.mean(0)) @ white), 5, 4, 0).numpy()
    own = image.unfold(0, 3, 1).unfold(1, 4, 1)
    expected = (normalised(own.reshape(-1, 12)) - seen.mean(0)) @ white @ centroids.T
    found = filters.answers(image)
    assert found.shape == (5, 7, 5)
    np.testing.assert_allclose(found.numpy(), expected.T.reshape(5, 7, 5), atol=1e-4)


def test_centroids_have_length_one_and_find_directions_whatever_their_sign():
    draw = torch.Generator().manual_seed(0)
    axes = torch.linalg.qr(torch.randn(6, 6, generator=draw, dtype=torch.float64))[0][:3]
    which = torch.randint(3, (400,), generator=draw)
    sizes = torch.randn(400, 1, generator=draw, dtype=torch.float64) * 3
    patches = axes[which] * sizes + 0.05 * torch.randn(400, 6, generator=draw, dtype=torch.float64)
    found = _patches._centroids(patches, 12, 20, seed=0)
    torch.testing.assert_close(found.norm(dim=1), torch.ones(12, dtype=torch.float64))
    assert ((found @ axes.T).abs().amax(0) > 0.99).all()


def test_patches_are_of_the_images_and_every_place_is_as_likely():
    some = images((5, 25), width=6)
    patches = _patches.draw(some, (2, 3), 4000, seed=1)
    places = torch.cat([image.unfold(0, 2, 1).unfold(1, 3, 1).reshape(-1, 6) for image in some])
    counts = (patches[:, None] == places).all(2).sum(0)
    assert counts.sum() == 4000
    assert len(counts) == (4 + 24) * 4
    assert 15 < counts.min() <= counts.max() < 60  # about 36 each


def test_an_image_shorter_than_a_patch_is_continued_by_its_last_frame():
    (image,) = images((2,))
    longer = torch.cat([image, image[1:], image[1:]])
    assert torch.equal(_patches.lengthened(image, 4), longer)
    filters = _patches.learn(_patches.draw(images(), (4, 3), 50, seed=0), (4, 3), 2, 2, 0.1, 0.1, seed=0)
    assert torch.equal(filters.answers(image), filters.answers(longer))


def test_patches_of_silence_leave_answers_finite():
    flat = [torch.full((12, WIDTH), -80.0)]
    filters = _patches.learn(_patches.draw(flat, (3, 3), 50, seed=0), (3, 3), 4, 3, 0.1, 0.1, seed=0)
    assert filters.answers(flat[0]).isfinite().all()


def test_the_scatter_within_classes_by_hand():
    h, hot = torch.tensor([[0.0], [2.0], [5.0], [5.0]]), torch.tensor([[1.0, 0], [1, 0], [0, 1], [0, 1]])
    # About the classes' means 1 and 5: 1 + 1; about the common mean 3: 9 + 1 + 4 + 4.
    assert _salient.scatter(h, hot).item() == pytest.approx(2 / 18)
    assert _salient.scatter(torch.ones(4, 1), hot).item() == 0


def test_the_overlap_of_directions_by_hand():
    some, others = torch.tensor([[1.0, 0], [0, 3]]), torch.tensor([[2.0, 2]])
    assert _salient.overlap(some, others).item() == pytest.approx(0.5)
    assert _salient.overlap(some[:1], some[1:]).item() == 0
    assert _salient.overlap(some, others[:0]).item() == 0


@pytest.fixture(scope="module")
def mixed():
    """Features where one says the class, and four that go together say nothing."""
    make = torch.Generator().manual_seed(0)
    y = torch.arange(80) % 2
    strong = torch.randn(80, 1, generator=make) * torch.ones(4) + 0.3 * torch.randn(80, 4, generator=make)
    return torch.cat([strong, 4.0 * (y[:, None] - 0.5) + torch.randn(80, 1, generator=make)], 1), y


def hot(y):
    return torch.nn.functional.one_hot(y).float()


def train(mixed, discrimination, orthogonality, epochs=120):
    return _salient.learn(*mixed, (3, 3), discrimination, orthogonality, epochs, 0.05, seed=0)


def test_discrimination_brings_classes_apart_in_the_salient_units(mixed):
    shares = [_salient.scatter(train(mixed, d, 0.0)[0].answers(mixed[0]), hot(mixed[1])).item() for d in (0.0, 0.1, 1)]
    assert shares[0] > shares[1] > shares[2]
    assert shares[2] < 0.2


def test_without_labels_the_layer_is_an_autoencoder(mixed):
    x, y = mixed
    layer, losses = train(mixed, 0.0, 0.0)
    assert losses[-1] < 0.05 * losses[0]
    torch.testing.assert_close(train((x, y.flip(0)), 0.0, 0.0)[0].weights, layer.weights, rtol=0, atol=0)


def test_orthogonality_turns_the_rest_away_from_the_salient_units(mixed, monkeypatch):
    found = []
    overlap = _salient.overlap
    monkeypatch.setattr(_salient, "overlap", lambda a, b: found.append(overlap(a, b)) or found[-1])
    ends = []
    for weight in (0.0, 5.0):
        train(mixed, 1.0, weight)
        ends.append(found[-1].item())
    assert ends[1] < 0.01 * ends[0]


def test_it_tells_ridges_that_rise_from_ridges_that_fall():
    x, y = utterances()
    new, answers = utterances(seed=1)
    model = semi_cnn.build(SMALL, 0, "cpu").fit(x, y)
    assert (model.decision_function(new).argmax(1) == answers).mean() > 0.9
    assert model.losses_[-1] < model.losses_[0]


@pytest.mark.parametrize("pooling", ["mean", "max"])
def test_answers_are_pooled_to_the_grid(pooling):
    x, y = utterances()
    model = semi_cnn.build(with_values(SMALL, pooling=pooling, threshold=0.3, scaling="none"), 0, "cpu").fit(x, y)
    image = torch.tensor(x[0][:18])
    answers = (model.filters_.answers(image) - 0.3).clamp(min=0)
    assert answers.shape == (6, 16, 5)
    pieces = [answers[:, t : t + 8, b : b + n] for t in (0, 8) for b, n in ((0, 2), (1, 3), (3, 2))]
    pooled = torch.stack([p.mean((1, 2)) if pooling == "mean" else p.amax((1, 2)) for p in pieces], 1)
    np.testing.assert_allclose(model._pooled([image])[0], pooled.flatten(), atol=1e-6)
    assert (answers > 0).any()
    assert (answers == 0).any()


def test_a_patch_wider_than_the_images_is_refused():
    x, y = utterances(6)
    with pytest.raises(BadInput, match="3 × 9; allowed: 1 or more frames × 1 to 8 bands"):
        semi_cnn.build(with_values(SMALL, kernel=(3, 9)), 0, "cpu").fit(x, y)


def test_all_units_may_be_salient():
    x, y = utterances()
    model = semi_cnn.build(with_values(SMALL, rest=0), 0, "cpu").fit(x, y)
    assert np.isfinite(model.decision_function(x)).all()
