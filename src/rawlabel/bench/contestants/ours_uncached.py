"""rawlabel's loader where the images do not fit into memory."""

from __future__ import annotations

from rawlabel.bench.contestants.ours import Ours
from rawlabel.bench.workload import Workload
from rawlabel.train import images


class OursUncached(Ours):
    """`rawlabel train` on class folders, as it is where the decoded images do not fit into memory: every image is
    read and decoded anew in every epoch.
    """

    def __init__(self, workload: Workload) -> None:
        # Each contestant has a process of its own, so this concerns no other one.
        images.CACHE_SHARE = 0.0
        super().__init__(workload)


PLUGIN = OursUncached
