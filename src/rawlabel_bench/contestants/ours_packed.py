"""rawlabel's loader on a pack whose photos are shrunk once."""

from __future__ import annotations

from typing import ClassVar

from rawlabel.config import PackConfig
from rawlabel.images.packing import pack
from rawlabel_bench.contestants.ours_uncached import OursUncached
from rawlabel_bench.workload import Workload


class OursPacked(OursUncached):
    """`rawlabel train` on what `rawlabel pack --mode jpeg --short 256` made of the class folders; packing is off
    the clock, and nothing stays decoded in memory.
    """

    short: ClassVar[int] = 256
    """Shorter side of the packed photos [pixels]."""

    def __init__(self, workload: Workload) -> None:
        self.main = f"packed-{self.short}"
        pack(PackConfig(source=workload.root / "train", out=workload.root / self.main, mode="jpeg",
                        short=self.short, workers=workload.workers))  # fmt: skip
        super().__init__(workload)


PLUGIN = OursPacked
