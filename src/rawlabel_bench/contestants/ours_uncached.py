"""rawlabel's loader where the images do not fit into memory."""

from __future__ import annotations

from rawlabel.config import TrainConfig
from rawlabel_bench.contestants.ours import Ours


class OursUncached(Ours):
    """`rawlabel train` on class folders, as it is where the decoded images do not fit into memory: every image is
    read and decoded anew in every epoch.
    """

    def settings(self) -> TrainConfig:
        """The product's settings with `--cache none`: each image is decoded again in each epoch."""
        return super().settings().model_copy(update={"cache": "none"})


PLUGIN = OursUncached
