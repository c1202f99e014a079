"""A finished run as something that formats can write: one network, its classes, and what a reader must know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from scipy.special import softmax

from rawlabel.artifacts.run_directory import RunDirectory, source_commit
from rawlabel.base.version import __version__
from rawlabel.config.recipe import MIRROR
from rawlabel.images.decoding import Pixels
from rawlabel.models.calibration import Calibration
from rawlabel.models.classifier import selected_weights
from rawlabel.models.encoders._mirror import BothSides
from rawlabel.models.networks.building import load_network_options
from rawlabel.models.networks.normalization import Normalizer
from rawlabel.models.portable.network import PortableNetwork, divided, portable_network
from rawlabel.models.portable.preprocessing import of_encoder, of_pixels
from rawlabel.models.portable.records import Architecture, HeadRecord, ModelRecord, Origin, Preprocessing
from rawlabel.models.portable.timm_twin import TimmTwin, find_twin, timm_name
from rawlabel.models.predictor import Predictor, load_predictor
from rawlabel.models.transfer.encoded_views import EncodedViews
from rawlabel.models.transfer.encoding import Encoding
from rawlabel.models.transfer.head import SCALE, FeatureHead
from rawlabel.models.transfer.whole import WholeTransform

Images = npt.NDArray[np.float32]
"""[batch, 3, side, side], normalised."""
Probabilities = npt.NDArray[np.float64]
"""[batch, classes]."""


@dataclass(frozen=True, eq=False)
class PortableModel:
    """A finished run, ready to be written in any format."""

    run: RunDirectory
    predictor: Predictor
    """The run itself, computing in float32 on the processor: what exports are compared with."""
    own: Predictor | None
    """The run in the arithmetic that it predicts in; None where that is float32."""
    network: PortableNetwork
    record: ModelRecord
    twin: TimmTwin | None
    """The network as timm builds it; None where timm has none."""
    temperature: float
    make_card: Callable[[ModelRecord], Mapping[str, str]]
    """Writes the model card, where a format wants one: texts by the names of their files."""

    @cached_property
    def class_ids(self) -> tuple[str, ...]:
        """The ids of the classes, in the order of the logits."""
        return self.record.classes

    def probabilities(self, pixels: list[Pixels], predictor: Predictor | None = None) -> Probabilities:
        """What the run says of decoded images, at its temperature; in float32 unless a `predictor` is given."""
        logits = (predictor or self.predictor).logits(pixels, 64)
        scaled: Probabilities = softmax(logits.astype(np.float64) / self.temperature, axis=1)
        return scaled


def portable_model(
    run: RunDirectory, labels: Mapping[str, str], make_card: Callable[[ModelRecord], Mapping[str, str]]
) -> PortableModel:
    """Load the weights that the rule of `run` selected as one network.

    `labels` are names of classes by id. Raises `ConfigError` for a run without a finished epoch, and
    `CheckpointError`.
    """
    weights = selected_weights(run)
    loaded, class_ids, epoch = load_predictor(weights, device="cpu", precision="fp32")
    predictor = _in_float32(loaded)
    calibration = Calibration.read(run.path)
    temperature = 1.0 if calibration is None else calibration.temperature
    views = predictor.normalizer
    trunk = views.encoding.encoder.network if isinstance(views, EncodedViews) else None
    network = divided(portable_network(predictor.method, trunk, temperature))
    config = run.read().config
    twin = find_twin(network, config, len(class_ids))
    noted = run.read()
    encoder = noted.encoder
    origin = Origin(
        run=run.path.resolve().name,
        epoch=epoch,
        is_finished=noted.is_finished,
        rawlabel=__version__,
        commit=noted.last_start.commit or source_commit(),
        data=noted.data_fingerprint,
        encoder="" if encoder is None else encoder.describe(),
        temperature=temperature,
    )
    record = ModelRecord(
        format=1,
        classes=tuple(class_ids),
        labels={one: labels[one] for one in class_ids if labels.get(one, one) != one},
        preprocessing=_preprocessing(predictor),
        architecture=_architecture(predictor, network, twin, run),
        origin=origin,
        output="logits [batch, classes]; their softmax are probabilities",
    )
    own = None if predictor is loaded else loaded
    return PortableModel(run, predictor, own, network, record, twin, temperature, make_card)


def _in_float32(loaded: Predictor) -> Predictor:
    """A predictor whose encoder, too, computes in float32, whatever its head was trained on."""
    if not isinstance(loaded.normalizer, EncodedViews) or loaded.normalizer.encoding.precision == torch.float32:
        return loaded
    encoding = Encoding(loaded.normalizer.encoding.encoder, torch.device("cpu"), torch.float32)
    return replace(loaded, normalizer=EncodedViews(encoding))


def _preprocessing(predictor: Predictor) -> Preprocessing:
    if isinstance(predictor.normalizer, EncodedViews):
        return of_encoder(predictor.normalizer.encoding.encoder)
    assert isinstance(predictor.normalizer, Normalizer)
    if isinstance(predictor.transform, WholeTransform) and predictor.transform.encoder is not None:
        return of_encoder(predictor.transform.encoder)
    said, transform = predictor.normalizer.normalization, predictor.transform
    return of_pixels(transform.image_size, said.mean, said.std, is_cropped=transform.is_resized_crop)


def _architecture(
    predictor: Predictor, network: PortableNetwork, twin: TimmTwin | None, run: RunDirectory
) -> Architecture:
    config, count = run.read().config, len(network.heads)
    augment = None if network.trunk is not None else predictor.transform.augment
    if twin is not None:
        return Architecture(library="timm", name=twin.name, options=twin.options, augment=augment)
    if network.trunk is None:
        options = load_network_options(config)
        return Architecture(
            library="rawlabel", name=config.model, options=options, networks=count, augment=augment
        )
    head = network.heads[0]
    assert isinstance(head, FeatureHead) and config.encoder is not None
    trunk = network.trunk.network if isinstance(network.trunk, BothSides) else network.trunk
    name = timm_name(trunk)
    mirror = "" if trunk is network.trunk else MIRROR
    return Architecture(
        library="rawlabel",
        name=config.encoder if name is None else name + mirror,
        is_timm_trunk=name is not None,
        head=HeadRecord(
            features=len(head.mean),
            hidden=config.hidden,
            by_deviation=head.by_deviation,
            formula=_formula(config.hidden, head)
            + (", means of those of image and mirror image" if mirror else ""),
        ),
        networks=count,
    )


def _formula(hidden: int, head: FeatureHead) -> str:
    seen = "rate * (f - mean)" if head.by_deviation else "(f - mean) / |f - mean|"
    if hidden:
        return f"layers.2(relu(layers.0({SCALE:g} * {seen}))) of features f"
    return f"layers.0({SCALE:g} * {seen}) of features f"
