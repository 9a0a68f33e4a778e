"""The loss and its class weights, against the formulas written out in float64."""

import numpy as np
import pytest
import torch

from experiments.multilabel import study
from ser.errors import BadInput
from ser.metrics import regression
from ser.study import override
from ser.training.batches import Items
from ser.training.loss import Loss, Objective, rating_losses

CLASSES = ("a", "b", "c")
LABELS = torch.tensor([0, 0, 0, 0, 1, 1, 2, 0])  # five a, two b, one c
HOT = torch.tensor([[1, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1], [1, 0, 0], [0, 1, 0]]).float()  # 4 a, 3 b, 1 c
LOGITS = torch.tensor([[0.2, -1.0, 0.7], [1.5, 0.3, -0.4], [-2.0, 0.0, 0.1], [0.4, 3.0, -1.2]])
SOME = torch.tensor([0, 1, 1, 2])
SOME_HOT = torch.tensor([[1, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 1]]).float()


def training(**changed):
    made = study
    for name, value in changed.items():
        made = override(made, f"training.{name}", value)
    return made.training


def objective(loss, weights, labels=LABELS):
    items = Items("x", tuple(map(str, range(len(labels)))), [torch.zeros(1, 1)] * len(labels), labels)
    return Loss(training(loss=loss, class_weights=weights), CLASSES, items)


def softmax_losses(logits, labels):
    x = logits.double().numpy()
    return -(x - np.log(np.exp(x).sum(1, keepdims=True)))[range(len(x)), labels]


def sigmoid_losses(logits, hot):
    p = 1 / (1 + np.exp(-logits.double().numpy()))
    hot = np.asarray(hot, float)
    return -(hot * np.log(p) + (1 - hot) * np.log(1 - p))


def test_cross_entropy_is_the_mean_over_items():
    found = objective("cross_entropy", "none")(LOGITS, SOME).item()
    assert found == pytest.approx(softmax_losses(LOGITS, SOME).mean(), rel=1e-6)


def test_inverse_weights_have_mean_one_and_the_mean_is_over_weights():
    own = objective("cross_entropy", "inverse")
    inverse = np.array([1 / 5, 1 / 2, 1 / 1])
    weights = inverse / inverse.mean()
    np.testing.assert_allclose(own.weight, weights, rtol=1e-6)
    assert own.weight.mean().item() == pytest.approx(1)
    mass = weights[SOME]
    expected = (mass * softmax_losses(LOGITS, SOME)).sum() / mass.sum()
    assert own(LOGITS, SOME).item() == pytest.approx(expected, rel=1e-6)
    np.testing.assert_allclose(own.mass(SOME), mass, rtol=1e-6)


def test_binary_cross_entropy_is_the_mean_over_classes_and_items():
    found = objective("binary_cross_entropy", "none", HOT)(LOGITS, SOME_HOT).item()
    assert found == pytest.approx(sigmoid_losses(LOGITS, SOME_HOT).mean(), rel=1e-6)


def test_one_label_counts_as_a_k_hot_of_one():
    own = objective("binary_cross_entropy", "none")
    assert own(LOGITS, SOME).item() == pytest.approx(own(LOGITS, torch.eye(3)[SOME]).item(), rel=1e-7)
    expected = sigmoid_losses(LOGITS, np.eye(3)[SOME]).mean()
    assert own(LOGITS, SOME).item() == pytest.approx(expected, rel=1e-6)


# Eight positives of three classes: weights (8/3)/4, (8/3)/3, (8/3)/1.
KERAS = np.array([2 / 3, 8 / 9, 8 / 3])


def test_first_positive_weighs_an_item_by_its_first_class_and_divides_by_items():
    own = objective("binary_cross_entropy", "first_positive", HOT)
    np.testing.assert_allclose(own.weight, KERAS, rtol=1e-6)
    first = np.array([0, 1, 0, 2])  # of SOME_HOT
    expected = (KERAS[first] * sigmoid_losses(LOGITS, SOME_HOT).mean(1)).mean()
    assert own(LOGITS, SOME_HOT).item() == pytest.approx(expected, rel=1e-6)
    np.testing.assert_array_equal(own.mass(SOME_HOT), np.ones(4))


def test_per_label_weighs_each_class_of_each_item():
    own = objective("binary_cross_entropy", "per_label", HOT)
    expected = (KERAS * sigmoid_losses(LOGITS, SOME_HOT)).mean()
    assert own(LOGITS, SOME_HOT).item() == pytest.approx(expected, rel=1e-6)


def test_weights_of_single_labels_are_counted_the_same_way():
    own = objective("binary_cross_entropy", "per_label")
    np.testing.assert_allclose(own.weight, 8 / 3 / np.array([5, 2, 1]), rtol=1e-6)


@pytest.mark.parametrize(
    ("loss", "weights"),
    [("cross_entropy", "none"), ("cross_entropy", "inverse"), ("binary_cross_entropy", "first_positive")],
)
def test_parts_put_together_by_their_mass_are_the_whole(loss, weights):
    binary = loss.startswith("binary")
    own = objective(loss, weights, HOT if binary else LABELS)
    labels = SOME_HOT if binary else SOME
    mass = own.mass(labels)
    parts = [own(LOGITS[a:z], labels[a:z]) * mass[a:z].sum() / mass.sum() for a, z in ((0, 1), (1, 4))]
    assert sum(parts).item() == pytest.approx(own(LOGITS, labels).item(), rel=1e-6)


def test_gradients_are_those_of_the_formula():
    logits = LOGITS.clone().requires_grad_()
    objective("binary_cross_entropy", "first_positive", HOT)(logits, SOME_HOT).backward()
    p = 1 / (1 + np.exp(-LOGITS.double().numpy()))
    expected = KERAS[[0, 1, 0, 2]][:, None] * (p - SOME_HOT.numpy()) / 12
    np.testing.assert_allclose(logits.grad, expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize(
    ("loss", "weights", "allowed"),
    [
        ("cross_entropy", "first_positive", "inverse, none"),
        ("cross_entropy", "per_label", "inverse, none"),
        ("binary_cross_entropy", "inverse", "first_positive, per_label, none"),
    ],
)
def test_weights_that_do_not_suit_the_loss_are_refused(loss, weights, allowed):
    with pytest.raises(BadInput, match=allowed):
        objective(loss, weights)


@pytest.mark.parametrize("labels", [torch.tensor([0, 0, 1]), HOT[[0, 2]]])
@pytest.mark.parametrize("weights", ["first_positive", "per_label"])
def test_a_class_without_items_cannot_be_weighed(labels, weights):
    with pytest.raises(BadInput, match=r"no c to train on"):
        objective("binary_cross_entropy", weights, labels)
    objective("binary_cross_entropy", "none", labels)


# shares of votes


SHARES = torch.tensor([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0], [0.0, 2 / 3, 1 / 3], [0.25, 0.25, 0.5]])


def of_shares(loss, weights="none"):
    items = Items("x", tuple("abcd"), [torch.zeros(1, 1)] * 4, SHARES, shares=True)
    return Loss(training(loss=loss, class_weights=weights), CLASSES, items)


def log_softmax(logits):
    x = logits.double().numpy()
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def test_losses_of_shares_are_those_of_the_formulae():
    shares, logs = SHARES.double().numpy(), log_softmax(LOGITS)
    crossed = -(shares * logs).sum(1).mean()
    assert of_shares("cross_entropy")(LOGITS, SHARES).item() == pytest.approx(crossed, rel=1e-6)
    entropy = -(shares * np.log(np.where(shares > 0, shares, 1))).sum(1).mean()
    found = of_shares("kl_divergence")(LOGITS, SHARES).item()
    assert found == pytest.approx(crossed - entropy, rel=1e-6)
    reference = torch.nn.functional.kl_div(LOGITS.log_softmax(1), SHARES, reduction="batchmean")
    assert found == pytest.approx(reference.item(), rel=1e-6)


@pytest.mark.parametrize("weights", ["none", "inverse"])
def test_of_agreeing_raters_they_are_the_cross_entropy_of_one_label(weights):
    hot = torch.eye(3)[LABELS]
    items = Items("x", tuple("abcdefgh"), [torch.zeros(1, 1)] * 8, hot, shares=True)
    for loss in ("cross_entropy", "kl_divergence"):
        own = Loss(training(loss=loss, class_weights=weights), CLASSES, items)
        expected = objective("cross_entropy", weights)(LOGITS, SOME).item()
        assert own(LOGITS, torch.eye(3)[SOME]).item() == pytest.approx(expected, rel=1e-6)


def test_divergence_and_cross_entropy_of_shares_have_the_same_gradients():
    gradients = []
    for loss in ("cross_entropy", "kl_divergence"):
        logits = LOGITS.clone().requires_grad_()
        of_shares(loss, "inverse")(logits, SHARES).backward()
        gradients.append(logits.grad)
    torch.testing.assert_close(*gradients)


def test_losses_that_do_not_suit_labels_are_refused():
    with pytest.raises(BadInput, match=r"shares of votes.*allowed: cross_entropy, kl_divergence"):
        of_shares("binary_cross_entropy")
    with pytest.raises(BadInput, match="several labels of an utterance"):
        objective("kl_divergence", "none", HOT)


# ratings


NAN = float("nan")
RATINGS = torch.tensor([[0.5, NAN], [-0.5, 0.25], [1.0, -1.0], [NAN, 0.75]])
ANSWERS = torch.tensor([[0.2, 9.0], [0.1, -0.5], [0.8, 0.0], [9.0, 0.5]])


def test_losses_of_ratings_are_those_of_the_metrics_and_holes_do_not_count():
    found = rating_losses("ccc", ANSWERS, RATINGS)
    expected = [1 - regression.ccc(RATINGS[:, i], ANSWERS[:, i]) for i in range(2)]
    assert found.tolist() == pytest.approx(expected, rel=1e-6)
    found = rating_losses("mse", ANSWERS, RATINGS)
    assert found.tolist() == pytest.approx([regression.rmse(RATINGS[:, i], ANSWERS[:, i]) ** 2 for i in range(2)])


def test_holes_have_no_gradient_and_what_nobody_rated_no_loss():
    answers = ANSWERS.clone().requires_grad_()
    for kind in ("ccc", "mse"):
        answers.grad = None
        rating_losses(kind, answers, RATINGS).sum().backward()
        assert (answers.grad == 0).tolist() == RATINGS.isnan().tolist()
        assert rating_losses(kind, ANSWERS, RATINGS.where(RATINGS > 9, NAN)).tolist() == [0, 0]
    constant = torch.zeros(4, 2, requires_grad=True)
    rating_losses("ccc", constant, torch.zeros(4, 2)).sum().backward()
    assert constant.grad.isfinite().all()


def rated_objective(classes=CLASSES, **settings):
    items = Items("x", tuple("abcd"), [torch.zeros(1, 1)] * 4, SOME, ratings=RATINGS)
    settings = {"loss": "cross_entropy", "class_weights": "none"} | settings
    return Objective(training(**settings), classes, items)


def test_the_objective_is_the_loss_of_classes_and_the_weighted_mean_over_dimensions():
    answers = torch.cat([LOGITS, ANSWERS], 1)
    rated = rating_losses("ccc", ANSWERS, RATINGS).mean().item()
    whole = rated_objective(dimension_weight=0.5)(answers, SOME, RATINGS).item()
    assert whole == pytest.approx(softmax_losses(LOGITS, SOME).mean() + 0.5 * rated, rel=1e-6)
    alone = rated_objective((), dimension_weight=0.5)(ANSWERS, SOME, RATINGS).item()
    assert alone == pytest.approx(rated, rel=1e-6)  # the weight is beside a loss of classes
    one = RATINGS.clone()
    one[:, 1] = NAN
    assert rated_objective(())(ANSWERS, SOME, one).item() == pytest.approx(
        rating_losses("ccc", ANSWERS, one)[0].item(), rel=1e-6
    )


def test_parts_of_squared_errors_add_up_to_the_whole():
    answers, own = torch.cat([LOGITS, ANSWERS], 1), rated_objective(dimension_loss="mse", class_weights="inverse")
    cuts = [slice(0, 1), slice(1, 4)]
    parts = [own.part(answers[s], SOME[s], RATINGS[s], (SOME, RATINGS)) for s in cuts]
    assert sum(parts).item() == pytest.approx(own(answers, SOME, RATINGS).item(), rel=1e-6)
