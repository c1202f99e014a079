"""Methods: each loss equals its equation, and each method trains, is saved and is restored."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from rawlabel.base import families
from rawlabel.base.families import Family
from rawlabel.config import load_options
from rawlabel.errors import ConfigError
from rawlabel.models.loss_division import clean_probabilities
from rawlabel.models.method import Batch, Method
from rawlabel.models.methods.coteaching import CoteachingOptions, forgotten
from rawlabel.models.methods.gjs import GeneralizedJensenShannon, GeneralizedJensenShannonOptions
from tests.helpers.method_batches import BATCH, CLASSES, SAMPLES, batch, build


def probabilities(method: Method, one: Batch, view: int | None = None) -> np.ndarray:
    """Predictions for the plain view, or for a strong one."""
    images = one.images if view is None else one.strong_images[view]
    logits = method.predict(images).detach().double().numpy()
    shares = np.exp(logits)
    return shares / shares.sum(axis=1, keepdims=True)


def own(p: np.ndarray, one: Batch) -> np.ndarray:
    return p[np.arange(BATCH), one.labels.numpy()]


def test_cross_entropy_equals_its_equation() -> None:
    one, method = batch(), build("cross_entropy", "label_smoothing=0.2")
    p = probabilities(method, one)
    expected = np.mean(-0.8 * np.log(own(p, one)) - 0.2 * np.log(p).mean(axis=1))
    assert method(one).loss.item() == pytest.approx(expected, rel=1e-5)


def test_generalized_cross_entropy_equals_its_equation_and_its_limits() -> None:
    one = batch()
    p = own(probabilities(build("gce"), one), one)
    for q in (0.7, 0.3, 1.0):
        expected = np.mean((1 - p**q) / q)
        assert build("gce", f"q={q}")(one).loss.item() == pytest.approx(expected, rel=1e-5)
    near_zero = build("gce", "q=0.0001")(one).loss.item()
    assert near_zero == pytest.approx(build("cross_entropy")(one).loss.item(), rel=1e-2)


def test_symmetric_cross_entropy_equals_its_equation() -> None:
    one, method = batch(), build("sce", "alpha=0.3", "beta=0.9")
    p = probabilities(method, one)
    labels = np.full((BATCH, CLASSES), 1e-4)
    labels[np.arange(BATCH), one.labels.numpy()] = 1
    reverse = -(p * np.log(labels)).sum(axis=1)
    expected = np.mean(-0.3 * np.log(own(p, one)) + 0.9 * reverse)
    assert method(one).loss.item() == pytest.approx(expected, rel=1e-5)


def test_early_learning_regularization_equals_its_equations_over_two_visits() -> None:
    one, method = batch(), build("elr", "beta=0.6", "strength=2")
    targets = np.zeros((BATCH, CLASSES))
    for _ in range(2):
        p = probabilities(method, one)
        targets = 0.6 * targets + 0.4 * p
        expected = np.mean(-np.log(own(p, one)) + 2 * np.log(1 - (targets * p).sum(axis=1)))
        assert method(one).loss.item() == pytest.approx(expected, rel=1e-4)
    unseen = sorted(set(range(SAMPLES)) - set(one.sample_ids.tolist()))
    assert not method.state_dict()["targets"][unseen].any()


def test_mixup_equals_its_equation() -> None:
    one, method = batch(), build("cross_entropy", "mixup=0.7", "label_smoothing=0.1")
    torch.manual_seed(5)
    loss = method(one).loss.item()
    torch.manual_seed(5)
    share = torch.distributions.Beta(torch.tensor(0.7), torch.tensor(0.7)).sample()
    share = torch.maximum(share, 1 - share)
    order = torch.randperm(BATCH)
    mixed = Batch(share * one.images + (1 - share) * one.images[order], one.labels, one.sample_ids)
    p = probabilities(method, mixed)
    targets = np.eye(CLASSES)[one.labels] * share.item() + np.eye(CLASSES)[one.labels[order]] * (1 - share.item())
    targets = 0.9 * targets + 0.1 / CLASSES
    assert loss == pytest.approx(-(targets * np.log(p)).sum(axis=1).mean(), rel=1e-5)
    torch.manual_seed(6)
    assert method(one).loss.item() != pytest.approx(loss, rel=1e-5)


@pytest.mark.parametrize("weight", [0.1, 0.5, 0.9])
def test_generalized_jensen_shannon_equals_its_equation(weight: float) -> None:
    one, method = batch(), build("gjs", f"label_weight={weight}")
    parts = [np.eye(CLASSES)[one.labels], *(probabilities(method, one, view) for view in (0, 1))]
    shares = [weight, (1 - weight) / 2, (1 - weight) / 2]
    entropy = [-(p * np.log(np.where(p > 0, p, 1))).sum(axis=1) for p in parts]
    middle = sum(share * p for share, p in zip(shares, parts, strict=True))
    divergence = -(middle * np.log(middle)).sum(axis=1)
    divergence -= sum(share * own for share, own in zip(shares, entropy, strict=True))
    scale = -(1 - weight) * np.log(1 - weight)
    output = method(one)
    assert output.loss.item() == pytest.approx(divergence.mean() / scale, rel=1e-4)
    assert torch.allclose(output.logits, method.predict(one.strong_images[0]), atol=1e-6)


def sop_terms(method: Method, one: Batch) -> tuple[float, float, np.ndarray]:
    """Cross-entropy, squared error and normalized predictions of SOP."""
    state = {key: value.double().numpy() for key, value in method.state_dict().items()}
    label = np.eye(CLASSES)[one.labels]
    s = state["u"][one.sample_ids] ** 2 * label
    t = state["v"][one.sample_ids] ** 2 * (1 - label)
    p = probabilities(method, one)
    shifted = np.maximum(p + s - t, 1e-4)
    prediction = np.clip(shifted / shifted.sum(axis=1, keepdims=True), 1e-4, 1)
    hard = np.eye(CLASSES)[p.argmax(axis=1)]
    squares = ((hard + s - t - label) ** 2).sum(axis=1).mean()
    return float(-np.log(own(prediction, one)).mean()), float(squares), prediction


def with_noise_terms(method: Method) -> Method:
    """Values of u and v as they may be after a while."""
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        for name in ("u", "v"):
            values = method.get_parameter(name)
            values.copy_(torch.rand(values.shape, generator=generator) * 0.6)
    return method


def test_sparse_overparametrization_equals_its_equation() -> None:
    one, method = batch(), with_noise_terms(build("sop"))
    cross_entropy, squares, _ = sop_terms(method, one)
    assert method(one).loss.item() == pytest.approx(cross_entropy + squares, rel=1e-5)
    fresh = build("sop")
    p = probabilities(fresh, one)
    wrong = (p.argmax(axis=1) != one.labels.numpy()).mean()
    expected = np.mean(-np.log(own(p, one))) + 2 * wrong
    assert fresh(one).loss.item() == pytest.approx(expected, rel=1e-5)


def test_sop_moves_u_by_both_terms_and_v_by_its_second_each_at_its_own_rate() -> None:
    one, method = batch(), with_noise_terms(build("sop", "lr_u=0.5", "lr_v=2"))
    optimizer = torch.optim.SGD(method.parameter_groups(), 0.1, momentum=0.9, weight_decay=0.01)
    before = {name: method.get_parameter(name).detach().clone() for name in ("u", "v")}
    label = torch.nn.functional.one_hot(one.labels, CLASSES).float()
    u, v = (before[name].clone().requires_grad_() for name in ("u", "v"))
    logits = method.predict(one.images).detach()
    s, t = u[one.sample_ids] ** 2 * label, v[one.sample_ids] ** 2 * (1 - label)
    # As the authors' code has it: t is a constant of the first term, and s of none.
    shifted = (logits.softmax(1) + s - t.detach()).clamp(min=1e-4)
    normalized = shifted / shifted.sum(1, keepdim=True)
    first = -(label * normalized.clamp(1e-4, 1).log()).sum(1).mean()
    hard = torch.nn.functional.one_hot(logits.argmax(1), CLASSES)
    second = ((hard + s - t - label) ** 2).sum(1).mean()
    u_gradient, v_gradient = torch.autograd.grad(first + second, (u, v))
    method(one).loss.backward()
    optimizer.step()
    assert torch.allclose(method.get_parameter("u"), before["u"] - 0.5 * u_gradient, atol=1e-6)
    assert torch.allclose(method.get_parameter("v"), before["v"] - 2 * v_gradient, atol=1e-6)
    assert not torch.equal(method.get_parameter("u"), before["u"])
    assert not torch.equal(method.get_parameter("v"), before["v"])


def test_sop_plus_adds_consistency_and_balance() -> None:
    one, method = batch(views=1), with_noise_terms(build("sop_plus", "consistency=0.7", "balance=0.3"))
    cross_entropy, squares, prediction = sop_terms(method, one)
    plain, strong = probabilities(method, one), probabilities(method, one, 0)
    consistency = (plain * np.log(plain / strong)).sum(axis=1).mean()
    balance = -np.log(prediction.mean(axis=0)).mean()
    expected = cross_entropy + squares + 0.7 * consistency + 0.3 * balance
    assert method(one).loss.item() == pytest.approx(expected, rel=1e-5)


def test_coteaching_learns_from_what_the_other_network_finds_easy() -> None:
    one, method = batch(), build("coteaching", "forget_rate=0.5", "gradual_epochs=4", "exponent=2")
    p = probabilities(method, one)
    peer = method.get_submodule("peer")(one.images).softmax(dim=1).detach().double().numpy()
    losses = [-np.log(own(each, one)) for each in (p, peer)]
    assert not np.allclose(losses[0], losses[1])
    for epoch, left_out in ((0, 0), (1, 1), (2, 4), (9, 4)):  # 0.5 * min(epoch^2 / 4, 1) of 8 samples
        method.epoch = epoch
        method.on_epoch_start()
        easy = [np.argsort(each)[: BATCH - left_out] for each in losses]
        expected = losses[0][easy[1]].mean() + losses[1][easy[0]].mean()
        assert method(one).loss.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(
    ("options", "left_out"),
    [
        # tau = 0.4 and T_k = 5: 0.4 min(T / 5, 1), and linspace(0, 0.4, 5) from its second value on.
        ((), [0, 0.08, 0.16, 0.24, 0.32, 0.4, 0.4]),
        (("schedule=released",), [0.1, 0.2, 0.3, 0.4, 0.4, 0.4, 0.4]),
        # c = 2: 0.4 min(T^2 / 5, 1), and linspace(0, 0.16, 5), which is followed by 0.4.
        (("exponent=2",), [0, 0.08, 0.32, 0.4, 0.4, 0.4, 0.4]),
        (("exponent=2", "schedule=released"), [0.04, 0.08, 0.12, 0.16, 0.4, 0.4, 0.4]),
        (("gradual_epochs=1", "schedule=released"), [0.4, 0.4]),
    ],
)
def test_coteaching_forgets_as_the_paper_or_as_the_released_code(
    options: tuple[str, ...], left_out: list[float]
) -> None:
    given = ("forget_rate=0.4", "gradual_epochs=5", *options)
    loaded = load_options(CoteachingOptions, given, "--method-option")
    assert [forgotten(epoch, loaded) for epoch in range(len(left_out))] == pytest.approx(left_out)


def test_generalized_jensen_shannon_feeds_its_views_in_one_pass_or_in_two() -> None:
    """Batch norm of features 1 and 3 in one view, 5 and 7 in the other: by (4, 5), or by (2, 1) and (6, 1)."""
    views = tuple(torch.tensor(one).reshape(2, 1, 1, 1) for one in ([1.0, 3.0], [5.0, 7.0]))
    one = Batch(views[0], torch.tensor([0, 1]), torch.tensor([0, 1]), views)
    losses = []
    for passes, features in ((1, np.array([-3, -1, 1, 3]) / np.sqrt(5)), (2, np.array([-1, 1, -1, 1]))):
        options = load_options(GeneralizedJensenShannonOptions, (f"passes={passes}",), "--method-option")

        def network() -> nn.Module:
            normalized = nn.BatchNorm1d(1, eps=1e-12, affine=False)
            head = nn.Linear(1, 2, bias=False)
            nn.init.constant_(head.weight[:1], 0)
            nn.init.constant_(head.weight[1:], 1)
            return nn.Sequential(nn.Flatten(), normalized, head)

        # Logits (0, x), so the second class has the probability 1 / (1 + e^-x).
        sure = 1 / (1 + np.exp(-features))
        p = np.stack([1 - sure, sure], axis=1)
        expected = np.mean([_divergence_of_two(np.eye(2)[row], p[row], p[row + 2]) for row in (0, 1)])
        losses.append(GeneralizedJensenShannon(network, 2, 2, options).train()(one).loss.item())
        assert losses[-1] == pytest.approx(expected, rel=1e-5)
    assert losses[0] != pytest.approx(losses[1], rel=1e-2)


def _divergence_of_two(label: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """H(m) - H(first) / 4 - H(second) / 4 over -log(1/2) / 2, for the weights 1/2, 1/4, 1/4."""

    def entropy(p: np.ndarray) -> float:
        return float(-(p * np.log(p)).sum())

    middle = label / 2 + first / 4 + second / 4
    return (entropy(middle) - entropy(first) / 4 - entropy(second) / 4) / (np.log(2) / 2)


def dividemix_networks(method: Method) -> list[nn.Module]:
    return [method.network, method.get_submodule("peer")]


def softmaxes(networks: list[nn.Module], images: Tensor) -> list[np.ndarray]:
    logits = [network(images).detach().double().numpy() for network in networks]
    return [np.exp(each) / np.exp(each).sum(axis=1, keepdims=True) for each in logits]


def dividemix_loss(method: Method, one: Batch, clean: np.ndarray, temperature: float, weight: float) -> float:
    """Algorithm 1 of arXiv 2002.07394, its lines 9 to 27, for both networks, with the images in two sets."""
    networks, total = dividemix_networks(method), 0.0
    first, second = (softmaxes(networks, views) for views in (one.images, one.strong_images[0]))
    images = torch.cat((one.images, one.strong_images[0]))
    for k, network in enumerate(networks):
        w = clean[1 - k][one.sample_ids]
        believed = w > 0.5
        q = np.zeros((BATCH, CLASSES))
        for i in range(BATCH):
            if believed[i]:
                q[i] = w[i] * np.eye(CLASSES)[one.labels[i]] + (1 - w[i]) * (first[k][i] + second[k][i]) / 2
            else:
                q[i] = (first[0][i] + first[1][i] + second[0][i] + second[1][i]) / 4
            q[i] = q[i] ** (1 / temperature) / (q[i] ** (1 / temperature)).sum()
        share = torch.distributions.Beta(torch.tensor(4.0), torch.tensor(4.0)).sample().item()
        share = max(share, 1 - share)
        order = torch.randperm(2 * BATCH)
        target = np.concatenate([q, q])
        target = share * target + (1 - share) * target[order]
        [p] = softmaxes([network], share * images + (1 - share) * images[order])
        rows = np.concatenate([believed, believed])
        if rows.any():
            total += -(target * np.log(p))[rows].sum(axis=1).mean()
        if not rows.all():
            total += weight * ((p - target) ** 2)[~rows].mean()
        total += (np.log(1 / CLASSES / p.mean(axis=0)) / CLASSES).sum()
    return float(total)


@pytest.mark.parametrize("believed", ["some", "all", "none"])
def test_dividemix_equals_its_equations_whichever_labels_it_believes(believed: str) -> None:
    one, method = batch(views=1), build("dividemix", "temperature=0.4", "unlabeled_weight=25", "warm_up_epochs=3")
    method.epoch = 5
    method.on_epoch_start()
    clean = torch.rand(2, SAMPLES, generator=torch.Generator().manual_seed(2))
    method.get_buffer("clean").copy_({"some": clean, "all": clean / 2 + 0.5, "none": clean / 2}[believed])
    clean = method.get_buffer("clean").numpy().astype(np.float64)
    for step in range(2):
        torch.manual_seed(5)
        output = method(one)
        torch.manual_seed(5)
        # The weight rises over 16 epochs: two are over, and of the third so many images were seen.
        weight = 25 * (2 + step * BATCH / SAMPLES) / 16
        assert output.loss.item() == pytest.approx(dividemix_loss(method, one, clean, 0.4, weight), rel=1e-4)
    assert torch.allclose(output.logits, method.predict(one.images), atol=1e-6)
    output.loss.backward()
    assert all(torch.isfinite(each.grad).all() for each in method.parameters())


def test_dividemix_warms_up_and_then_divides_by_what_each_network_lost_last() -> None:
    one, method = batch(views=1), build("dividemix", "warm_up_epochs=2", "confidence_penalty=0.3")
    method.epoch = 1
    method.on_epoch_start()
    both = softmaxes(dividemix_networks(method), one.images)
    expected = sum(np.mean(-np.log(own(p, one))) + 0.3 * (p * np.log(p)).sum(axis=1).mean() for p in both)
    assert method(one).loss.item() == pytest.approx(expected, rel=1e-5)
    losses = method.get_buffer("losses").numpy()
    for row, p in zip(losses, both, strict=True):
        assert row[one.sample_ids] == pytest.approx(-np.log(own(p, one)), rel=1e-4)
    unseen = sorted(set(range(SAMPLES)) - set(one.sample_ids.tolist()))
    method.epoch = 2
    method.on_epoch_start()
    clean = method.get_buffer("clean").numpy()
    assert (clean[:, unseen] == 0).all()
    for row, p in zip(clean, both, strict=True):
        assert row[one.sample_ids[own(p, one).argmax()]] > 0.5
        assert row[one.sample_ids[own(p, one).argmin()]] < 0.5
    views = [softmaxes(dividemix_networks(method), images) for images in (one.images, one.strong_images[0])]
    method(one)
    for number, row in enumerate(method.get_buffer("losses").numpy()):
        expected = sum(-np.log(own(view[number], one)) for view in views) / 2
        assert row[one.sample_ids] == pytest.approx(expected, rel=1e-4)


def test_images_are_divided_by_planted_losses() -> None:
    rng = np.random.default_rng(0)
    is_wrong = rng.random(4000) < 0.4
    losses = np.where(is_wrong, rng.normal(6, 1, 4000), rng.gamma(1, 0.4, 4000)).clip(0).astype(np.float32)
    clean = clean_probabilities(losses)
    assert ((clean > 0.5) == ~is_wrong).mean() > 0.98
    assert (clean_probabilities(losses) == clean).all()
    losses[:3] = -1
    assert (clean_probabilities(losses)[:3] == 0).all()
    assert clean_probabilities(np.array([2, 2, -1], dtype=np.float32)).tolist() == [1, 1, 0]
    assert clean_probabilities(np.array([-1, -1], dtype=np.float32)).tolist() == [1, 1]


def test_dividemix_predicts_with_the_averages_of_both_networks() -> None:
    one, method = batch(views=1), build("dividemix")
    method.keep_average(0.5)
    with torch.no_grad():
        for number, network in enumerate(dividemix_networks(method), 1):
            network.get_parameter("layer.bias").fill_(number)
        method.on_step_end()
        for network in dividemix_networks(method):
            network.get_parameter("layer.bias").fill_(8)
        method.on_step_end()  # biases 4.5 and 5
    method.eval()
    predicted = method.predict(one.images)
    plain = [network(one.images) for network in dividemix_networks(method)]
    assert torch.allclose(predicted, (plain[0] + plain[1]) / 2 - 3.25, atol=1e-5)


def test_the_average_of_the_weights_predicts_and_the_weights_learn() -> None:
    one, method = batch(), build("cross_entropy")
    method.keep_average(0.9)
    [group] = method.parameter_groups()
    assert len(group["params"]) == 2
    optimizer = torch.optim.SGD(method.parameter_groups(), 0.5)
    expected = None
    for _ in range(3):
        optimizer.zero_grad()
        method(one).loss.backward()
        optimizer.step()
        method.on_step_end()
        now = method.network.get_parameter("layer.weight").detach().clone()
        expected = now if expected is None else 0.9 * expected + 0.1 * now
    trained = method.predict(one.images)
    method.eval()
    predicted = method.predict(one.images)
    assert not torch.allclose(trained, predicted)
    method.network.get_parameter("layer.weight").data.copy_(expected)
    bias = [value for key, value in method.state_dict().items() if key == "averaged.module.layer.bias"]
    method.network.get_parameter("layer.bias").data.copy_(bias[0])
    assert torch.allclose(method.network(one.images), predicted, atol=1e-6)


@pytest.mark.parametrize("name", families.names(Family.METHOD))
def test_every_method_learns_and_goes_on_from_what_it_saved(name: str) -> None:
    method = build(name)
    optimizer = torch.optim.SGD(method.parameter_groups(), 0.05)
    views = method.strong_augmentation.views if method.strong_augmentation else 0
    losses = []
    for step in range(30):
        method.epoch = step // 3
        method.on_epoch_start()
        output = method(batch(step % 3, views))
        assert output.logits.shape == (BATCH, CLASSES)
        optimizer.zero_grad()
        output.loss.backward()
        optimizer.step()
        losses.append(output.loss.item())
    assert all(math.isfinite(loss) for loss in losses)
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    other = build(name)
    other.load_state_dict(copy.deepcopy(method.state_dict()))
    other.epoch = method.epoch
    assert other(batch(5, views)).loss.item() == method(batch(5, views)).loss.item()


@pytest.mark.parametrize(
    ("name", "option", "named"),
    [
        (
            "gce",
            "q=2",
            "--method-option q: input should be less than or equal to 1, got '2'",
        ),
        ("dividemix", "threshold=1", "--method-option threshold: input should be less than 1, got '1'"),
        ("dividemix", "lambda_u=25", "--method-option lambda_u: unknown option; known: alpha, "),
        ("gce", "q", "--method-option q: should have the form KEY=VALUE"),
        ("elr", "betta=1", "unknown option; did you mean 'beta'?"),
    ],
)
def test_a_wrong_option_is_named(name: str, option: str, named: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(name, option)
    assert named in str(caught.value)
