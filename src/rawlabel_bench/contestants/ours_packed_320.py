"""rawlabel's loader on a pack of larger photos."""

from __future__ import annotations

from typing import ClassVar

from rawlabel_bench.contestants.ours_packed import OursPacked


class OursPacked320(OursPacked):
    """`rawlabel train` on a pack at a shorter side of 320, the default for networks that see 224 pixels."""

    short: ClassVar[int] = 320


PLUGIN = OursPacked320
