"""The settings of `rawlabel probe`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import DEVICE_HELP, Device, Section, setting


class ProbeConfig(Section):
    """Measure a peer of a finished run: simple classifiers on the features of a frozen network.

    A linear one and k nearest neighbors are fitted to the run's raw labels, and chosen on its raw holdout. The
    features are the run's own, those of its selected epoch, or those of an encoder that was trained elsewhere.
    """

    run: Path | None = setting(None, "Finished run directory.", positional=True)
    backbone: str | None = setting(
        None,
        "Encoder: efficientnet_lite0, which comes with the install, any network of timm, such as resnet50 or "
        "vit_small_patch14_dinov2, or another that `rawlabel methods` lists; by default the run's own network.",
    )
    weights: Path | None = setting(
        None,
        "File with the weights of --backbone (.safetensors or .pth, in the layout of its library); by default the "
        "pretrained ones, from the cache of its hub or the network.",
    )
    test: Path | None = setting(
        None,
        "Test set with clean labels, which no choice sees; by default what the run was evaluated on, or logged.",
    )
    confidence: float = setting(0.95, "Confidence of the intervals [0 to 1].", gt=0, lt=1)
    batch_size: int = setting(128, "Images in a step.", ge=1)
    workers: int = setting(2, "Threads that decode images.", ge=1)
    device: Device = setting("auto", DEVICE_HELP)
