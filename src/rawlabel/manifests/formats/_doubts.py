"""What the newest evidence about labels says of the exported photos, and what an export with it was made from."""

from __future__ import annotations

import hashlib
from pathlib import Path

from rawlabel.artifacts.decision import Decision
from rawlabel.artifacts.review.suspicion import SUSPICION, Doubt, newest_of_runs, read_doubts


class Doubts:
    """The doubts about a project's labels; none where no run has evidence about them."""

    def __init__(self, project: Path) -> None:
        """Raises `DataError` for evidence that is damaged."""
        path = newest_of_runs(project, SUSPICION)
        self.digest = "" if path is None else hashlib.sha256(path.read_bytes()).hexdigest()
        """Of the evidence (SHA-256, hex); empty without any."""
        self._known = {} if path is None else {(one.photo, one.label): one for one in read_doubts(path)}

    def of(self, photo: Decision) -> Doubt | None:
        """What is said of a photo's label; None where nothing is."""
        return self._known.get((photo.path or "", photo.class_id))
