"""DivideMix: two networks, each of which says which labels the other may believe."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Beta
from torch.optim.swa_utils import AveragedModel

from rawlabel.base import distributed
from rawlabel.config.declaring import Section, setting
from rawlabel.images.strong_augmentation import StrongAugmentation
from rawlabel.models.loss_division import clean_probabilities
from rawlabel.models.method import Batch, Method, StepOutput

_UNSEEN = -1.0
"""What stands for the loss of an image that no step has seen: no cross-entropy is below 0."""
_VIEWS = 2
_SMALLEST = 1e-12
"""Probabilities are raised to this before a logarithm."""


class DivideMixOptions(Section):
    """Options of DivideMix."""

    warm_up_epochs: int = setting(
        10, "Epochs of plain cross-entropy at the start; 10 and 30 as published for CIFAR-10 and 100.", ge=1
    )
    confidence_penalty: float = setting(
        0.0, "Weight of the negative entropy in the warm-up; 1 as published for asymmetric noise.", ge=0
    )
    threshold: float = setting(
        0.5, "Probability of being clean above which a label is believed; 0.5 as published.", gt=0, lt=1
    )
    temperature: float = setting(0.5, "Temperature T that sharpens targets; 0.5 as published.", gt=0, le=1)
    alpha: float = setting(4.0, "Parameter of mixup's beta distribution; 4 as published.", gt=0)
    unlabeled_weight: float = setting(
        0.0,
        "Weight lambda_u of the images whose labels are not believed; published: 0, 25, 50 or 150, more with more "
        "noise.",
        ge=0,
    )
    ramp_up_epochs: float = setting(
        16.0, "Epochs after the warm-up in which that weight rises from 0, in a line; 16 as published.", gt=0
    )


class DivideMix(Method[DivideMixOptions]):
    """DivideMix: believe the labels with small losses, guess the others, and train on mixtures of both.

    Before each epoch after the warm-up, two Gaussians are fitted to each network's losses; w_i is the probability
    that image i belongs to the one with the smaller mean. In a batch, network k believes the labels that the other
    network's w puts above `threshold`. Their targets are w y + (1 - w) p, with p the mean of network k over two
    views; those of the rest are the mean of both networks over both views. Targets are sharpened, q^(1/T) / sum,
    and both views of all images are mixed with a random other one: l x + (1 - l) x', l = max(b, 1 - b), b drawn
    from Beta(alpha, alpha). Network k descends the cross-entropy of the mixtures whose first image is believed,
    plus lambda_u times the mean square of p - q over images and classes of the others, as in the authors' code,
    plus sum_c (1 / C) log((1 / C) / mean p_c) over all. The networks' mean logits predict. Li, Socher and Hoi,
    ICLR 2020, arXiv 2002.07394, algorithm 1 and equations 3 to 12.

    Published for CIFAR: `preact_resnet18`, 300 epochs at a rate of 0.02 that falls to a tenth at 150 (`--decay-at
    150`), weight decay 5e-4, batches of 64 believed and 64 other images (here: `--batch-size 128`, divided as they
    come); the authors of CIFAR-10N used lambda_u 0. It is here as a ceiling: four passes of two views a step.

    Unlike the published code, which looks at all images once more before each epoch, the losses are those of the
    steps themselves, on the unmixed views, before the network learned from them: this costs no pass, and stopping,
    going on and several processes need nothing more. They are up to an epoch old and on random views, which
    scatters them a little. Both networks move in the same step, and guess in training mode.
    """

    Options = DivideMixOptions
    is_repeatable = False
    losses: Tensor
    clean: Tensor
    seen: Tensor

    def __init__(
        self, build_network: Callable[[], nn.Module], num_samples: int, num_classes: int, options: DivideMixOptions
    ) -> None:
        super().__init__(build_network, num_samples, num_classes, options)
        self.peer = build_network()
        self.averaged_peer: AveragedModel | None = None
        # Rows are the networks: what each lost on an image last, and the probability that its label is right.
        self.register_buffer("losses", torch.full((2, num_samples), _UNSEEN))
        self.register_buffer("clean", torch.zeros(2, num_samples))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))

    @property
    def strong_augmentation(self) -> StrongAugmentation:
        """Plain views beside the first one (M = 2 in the paper), with neither operations nor squares cut out."""
        return StrongAugmentation(_VIEWS - 1, 0, 0, cutout=False)

    def keep_average(self, decay: float) -> None:
        """Keep moving averages of both networks, of which prediction then takes the mean.

        `decay` is the share of the old average that each step keeps [0 to 1].
        """
        super().keep_average(decay)
        assert self.averaged is not None
        move = self.averaged.multi_avg_fn
        self.averaged_peer = AveragedModel(self.peer, multi_avg_fn=move, use_buffers=True).requires_grad_(False)

    def on_step_end(self) -> None:
        """Move the averages of both networks by one step, where `keep_average` began them."""
        super().on_step_end()
        if self.averaged_peer is not None:
            self.averaged_peer.update_parameters(self.peer)

    def on_epoch_start(self) -> None:
        """Divide the images anew after the warm-up, by what each network lost on them."""
        self.seen.zero_()
        if self._is_warm_up():
            return
        # One division for all processes, whatever their machines make of a logarithm.
        divided = distributed.from_first(lambda: [clean_probabilities(one.cpu().numpy()) for one in self.losses])
        for row, one in zip(self.clean, divided, strict=True):
            row.copy_(torch.from_numpy(one))

    def forward(self, batch: Batch) -> StepOutput:
        """Return the sum of both networks' losses, and their mean logits for the first view."""
        networks = (self.network, self.peer)
        if self._is_warm_up():
            first, second = (self.logits_of(network, batch.images) for network in networks)
            self._remember(batch, [first, second])
            losses = [self._warm_up_loss(logits, batch.labels) for logits in (first, second)]
            return StepOutput(losses[0] + losses[1], (first + second) / 2)
        views, size = torch.cat((batch.images, *batch.strong_images)), len(batch.labels)
        with torch.no_grad():
            plain = [self.logits_of(network, views) for network in networks]
            self._remember(batch, plain)
            guesses = [logits.float().softmax(dim=1).view(_VIEWS, size, -1).mean(dim=0) for logits in plain]
            targets = [self._targets(number, batch, guesses) for number in (0, 1)]
            weight = self._unlabeled_weight(size)
        mixed = [
            self._mixed_loss(network, batch, views, *target, weight)
            for network, target in zip(networks, targets, strict=True)
        ]
        return StepOutput(mixed[0] + mixed[1], (plain[0][:size] + plain[1][:size]) / 2)

    def predict(self, images: Tensor) -> Tensor:
        """Mean logits of both networks; outside training of their averages, if they are kept."""
        first, second = (self.network, self.peer) if self.training else self.predicting_networks
        return (self.logits_of(first, images) + self.logits_of(second, images)) / 2

    @property
    def predicting_networks(self) -> tuple[nn.Module, ...]:
        """Both networks, or the averages of both where they are kept."""
        if self.averaged is None or self.averaged_peer is None:
            return self.network, self.peer
        return self.averaged, self.averaged_peer

    def _is_warm_up(self) -> bool:
        return self.epoch < self.options.warm_up_epochs

    def _warm_up_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        loss = F.cross_entropy(logits, labels)
        if self.options.confidence_penalty:
            logarithms = logits.float().log_softmax(dim=1)
            loss = loss + self.options.confidence_penalty * (logarithms.exp() * logarithms).sum(dim=1).mean()
        return loss

    @torch.no_grad()
    def _remember(self, batch: Batch, both: list[Tensor]) -> None:
        """Keep each network's loss on each image: the mean over the views that `both` has logits for."""
        for row, logits in zip(self.losses, both, strict=True):
            labels = batch.labels.repeat(len(logits) // len(batch.labels))
            losses = F.cross_entropy(logits.float(), labels, reduction="none")
            row[batch.sample_ids] = losses.view(-1, len(batch.labels)).mean(dim=0)

    def _targets(self, number: int, batch: Batch, guesses: list[Tensor]) -> tuple[Tensor, Tensor]:
        """Network `number`'s target for each image [batch, classes], and whether its label is believed [batch]."""
        clean = self.clean[1 - number][batch.sample_ids]
        is_believed, share = clean > self.options.threshold, clean[:, None]
        label = F.one_hot(batch.labels, self.num_classes).to(share.dtype)
        refined = share * label + (1 - share) * guesses[number]
        target = torch.where(is_believed[:, None], refined, (guesses[0] + guesses[1]) / 2)
        # As a softmax of logarithms, which no temperature makes 0 / 0.
        return (target.clamp(min=_SMALLEST).log() / self.options.temperature).softmax(dim=1), is_believed

    def _mixed_loss(
        self, network: nn.Module, batch: Batch, views: Tensor, target: Tensor, is_believed: Tensor, weight: Tensor
    ) -> Tensor:
        """`network`'s loss on mixtures of the views [views * share, ...]."""
        drawn = Beta(self.options.alpha, self.options.alpha).sample().item()
        share = max(drawn, 1 - drawn)
        order = torch.randperm(_VIEWS * len(batch.labels))
        logits = self.logits_of(network, share * views + (1 - share) * batch.images_at(order, views)).float()
        both = target.repeat(_VIEWS, 1)
        wanted = share * both + (1 - share) * both[order.to(both.device)]
        logarithms = logits.log_softmax(dim=1)
        probabilities = logarithms.exp()
        believed = is_believed.repeat(_VIEWS)
        labeled = _mean_over(believed, -(wanted * logarithms).sum(dim=1))
        unlabeled = _mean_over(~believed, (probabilities - wanted).square().mean(dim=1))
        mean = probabilities.mean(dim=0).clamp(min=_SMALLEST)
        penalty = -(mean * self.num_classes).log().mean()
        return labeled + weight * unlabeled + penalty

    def _unlabeled_weight(self, size: int) -> Tensor:
        """lambda_u in this step, by how many of the images the epoch has seen so far."""
        way = self.epoch - self.options.warm_up_epochs + self.seen / self.num_samples
        self.seen += size
        return self.options.unlabeled_weight * (way / self.options.ramp_up_epochs).clamp(0, 1)


def _mean_over(rows: Tensor, values: Tensor) -> Tensor:
    """Mean of `values` where `rows` is true; 0 where none is."""
    return (values * rows).sum() / rows.sum().clamp(min=1)


PLUGIN = DivideMix
