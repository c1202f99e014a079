"""A network of timm that is small enough to be built in a blink, with weights of no training."""

from tests.helpers.backbone import weights

__all__ = ["weights"]
