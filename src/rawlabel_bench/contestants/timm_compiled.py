"""timm's loop with torch.compile."""

from __future__ import annotations

from rawlabel_bench.contestants.timm import Timm


class TimmCompiled(Timm):
    """As timm, with the network compiled by torch.compile (its flag --torchcompile)."""

    compiles = True


PLUGIN = TimmCompiled
