"""What an engine says of each photo, and to whom."""

from __future__ import annotations

from collections.abc import Callable

from rawlabel.gather.collect.http.answers import Exchange
from rawlabel.records import Outcome

Record = Callable[[Outcome, Exchange | None], None]
"""Takes what became of a photo, and when its host was asked for it; None where no host was."""
