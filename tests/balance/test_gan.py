"""Made images: of the class they were drawn for, no copies, in the scale of the originals; codes as they were seen."""

from functools import cache

import numpy as np
import pytest
import torch
from component_settings import with_values

from ser.balance import _bagan, gan
from ser.balance._gaussians import Gaussians
from ser.balance._images import Images
from ser.errors import BadInput
from ser.training.batches import Frames, Items

FRAMES, WIDTH = 18, 14  # neither is a multiple of 4
LONG = with_values(gan.example(), autoencoder_epochs=40, epochs=15)
COUNTS = (40, 15, 1)


def items(images, labels):
    count, frames, width = images.shape
    features = Frames(
        (images.reshape(-1, width),), np.zeros(count, int), np.arange(count) * frames, np.full(count, frames)
    )
    return Items("c", tuple(f"u{i}" for i in range(count)), features, torch.tensor(labels))


@cache
def bands():
    """A band of each class's own, which begins, ends and swells as it likes, in noise around -50; bin 0 is constant."""
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat(range(3), COUNTS))
    images = rng.normal(-50, 3, (len(labels), FRAMES, WIDTH))
    for image, label in zip(images, labels, strict=True):
        start, length = rng.integers(0, 6), rng.integers(7, 12)
        image[start : start + length, 1 + 4 * label : 4 + 4 * label] += rng.uniform(40, 80)
    images[..., 0] = -7.3
    return items(torch.tensor(images, dtype=torch.float32), labels.tolist())


@cache
def made():
    """Training images and labels, and the made ones."""
    train = bands()
    found = gan.balanced(train, None, 3, LONG, (1, 2), "cpu")
    every, n = torch.stack(list(found.features)), len(train)
    return every[:n], train.labels, every[n:], found.labels[n:]


def distances(a, b):
    return torch.cdist(a.flatten(1), b.flatten(1))


def test_made_images_are_of_the_class_that_they_were_made_for():
    images, labels, new, wanted = made()
    assert torch.bincount(wanted).tolist() == [0, 25, 39]
    means = torch.stack([images[labels == c].mean(0) for c in range(3)])
    assert (distances(new, means).argmin(1) == wanted).float().mean() > 0.9


def test_made_images_are_neither_copies_of_training_items_nor_of_each_other():
    images, _, new, wanted = made()
    between_originals = distances(images, images).fill_diagonal_(torch.inf).min()
    assert distances(new, images).min() > between_originals / 2
    for c in (1, 2):  # and 2 had a single item
        own = new[wanted == c]
        assert distances(own, own).fill_diagonal_(torch.inf).min() > between_originals / 20


def test_made_values_are_of_the_bins_range_and_a_constant_bin_stays_so():
    images, _, new, _ = made()
    assert (new[..., 0] == images[0, 0, 0]).all()
    slack = 1e-3
    assert (new.amin((0, 1)) >= images.amin((0, 1)) - slack).all()
    assert (new.amax((0, 1)) <= images.amax((0, 1)) + slack).all()
    assert new.amax() > -30  # the bands are there
    assert -60 < new.median() < -40


def test_images_are_scaled_padded_and_scaled_back():
    train = bands()
    images = Images(train, 2, 16, "cpu")
    (first, *_) = images.in_order()
    assert first.shape == (16, 1, 20, 16)
    assert (first.amin(), first.amax()) >= (-1, 0.5)
    assert first.amax() <= 1
    assert first[:, 0, 18:].equal(first[:, 0, 17:18].expand(-1, 2, -1))  # the last frame again
    assert first[..., 14:].equal(first[..., 13:14].expand(-1, -1, -1, 2))
    torch.testing.assert_close(images.features(first), torch.stack(train.features[:16]), rtol=0, atol=1e-4)
    every = torch.cat(list(images.in_order()))[:, 0, :18, 1:14].flatten(0, 1)
    assert every.amin(0).tolist() == [-1] * 13
    torch.testing.assert_close(every.amax(0), torch.ones(13))


def test_an_epoch_has_every_image_once_with_its_label():
    train = bands()
    images = Images(train, 2, 16, "cpu")
    several = [list(images.epoch(k, (3,))) for k in (0, 1)]
    for batches in several:
        assert [len(x) for x, _ in batches] == [16, 16, 16, 8]
        found = images.features(torch.cat([x for x, _ in batches]))
        at = distances(found, torch.stack(list(train.features))).argmin(1)
        assert sorted(at.tolist()) == list(range(len(train)))
        assert torch.cat([y for _, y in batches]).equal(train.labels[at])
    assert not several[0][0][0].equal(several[1][0][0])


def codes():
    rng = np.random.default_rng(0)
    labels = torch.tensor([0] * 300 + [2] * 400 + [3])
    centres = torch.tensor([[0.0, 5, -5], [0, 0, 0], [9, 9, 9], [-4, 0, 4]])
    mixing = torch.tensor(rng.normal(size=(4, 3, 3)))
    noise = torch.tensor(rng.normal(size=(len(labels), 3)))
    return centres[labels].double() + torch.einsum("nij,nj->ni", mixing[labels], noise), labels


def drawn(gaussians, c):
    torch.manual_seed(0)
    some = gaussians.draw(torch.full((100_000,), c))
    assert some.dtype == torch.float32
    return some.mean(0).double(), torch.cov(some.T.double())


@pytest.mark.parametrize("prior", [1e-9, 200.0])
def test_codes_are_drawn_with_the_mean_and_the_mixed_covariance_of_their_class(prior):
    seen, labels = codes()
    gaussians = Gaussians(seen, labels, 5, prior)
    assert gaussians.kinds.tolist() == [0, 2, 3]
    common = (299 * torch.cov(seen[labels == 0].T) + 399 * torch.cov(seen[labels == 2].T)) / 698
    for c, n in ((0, 300), (2, 400)):
        own = seen[labels == c]
        mean, covariance = drawn(gaussians, c)
        expected = ((n - 1) * torch.cov(own.T) + prior * common) / (n - 1 + prior)
        torch.testing.assert_close(mean, own.mean(0), atol=0.05, rtol=0)
        torch.testing.assert_close(covariance, expected, atol=0.05, rtol=0.03)


@pytest.mark.parametrize("prior", [1e-9, 0.0])
def test_a_single_code_takes_the_common_covariance(prior):
    seen, labels = codes()
    mean, covariance = drawn(Gaussians(seen, labels, 5, prior), 3)
    common = (299 * torch.cov(seen[labels == 0].T) + 399 * torch.cov(seen[labels == 2].T)) / 698
    torch.testing.assert_close(mean, seen[-1], atol=0.05, rtol=0)
    torch.testing.assert_close(covariance, common, atol=0.05, rtol=0.03)


def test_fewer_items_than_dimensions_give_codes_too():
    few = torch.randn(4, 50, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    some = Gaussians(few, torch.tensor([0, 0, 0, 1]), 2, 0.0).draw(torch.tensor([0] * 30 + [1] * 30))
    assert some.isfinite().all()
    spanned = torch.linalg.matrix_rank((some[:30] - some[:30].mean(0)).double(), rtol=1e-4)
    assert spanned == 2  # three items differ in two directions


def test_networks_halve_and_double_exactly():
    settings = gan.Settings(filters=(3, 5, 7), kernel=6, latent=4)
    assert _bagan.contracting(settings)(torch.randn(2, 1, 24, 16)).shape == (2, 7 * 3 * 2)
    images = _bagan.expanding(24, 16, settings)(torch.randn(2, 4))
    assert images.shape == (2, 1, 24, 16)
    assert images.abs().max() <= 1


def small(frames=(8, 8, 8), broken=False):
    features = [torch.randn(n, 8) for n in frames]
    if broken:
        features[1][0, 0] = torch.nan
    return Items("c", ("a", "b", "c"), features, torch.tensor([0, 0, 1]))


def test_items_of_several_lengths_are_refused():
    with pytest.raises(BadInput, match=r"6 to 9 frames.* one length.*pads and crops"):
        gan.balanced(small((9, 6, 8)), None, 2, gan.example(), (1,), "cpu")


def test_an_odd_kernel_is_refused():
    with pytest.raises(BadInput, match=r"gan\.kernel: 5; allowed: an even number"):
        gan.balanced(small(), None, 2, with_values(gan.example(), kernel=5), (1,), "cpu")


@pytest.mark.parametrize(
    ("rate", "stage"), [("autoencoder_learning_rate", "autoencoder's"), ("learning_rate", "adversaries'")]
)
def test_divergence_is_told_with_the_stage_and_the_remedy(rate, stage):
    with pytest.raises(BadInput, match=rf"{stage} epoch \d+: loss (nan|inf).*lower balance\.gan\.{rate}"):
        gan.balanced(small(), None, 2, with_values(gan.example(), **{rate: 1e38}), (1,), "cpu")


def test_features_that_are_not_finite_make_no_images():
    with pytest.raises(BadInput, match="loss nan"):
        gan.balanced(small(broken=True), None, 2, gan.example(), (1,), "cpu")
