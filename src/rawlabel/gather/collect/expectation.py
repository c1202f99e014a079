"""How many photos a collection will come to, as the searches tell it, not as the settings wish; for progress."""

from __future__ import annotations


class Expectation:
    """Photos wanted and to be had, over all classes."""

    def __init__(self, num_classes: int, per_class: int) -> None:
        """`per_class` 0 wants all there are."""
        self._num_classes, self._per_class = num_classes, per_class
        self._known: dict[str, int] = {}

    def note(self, class_id: str, num_stated: int | None) -> None:
        """Sites state so many results for a class; None while they have not been asked."""
        if num_stated is not None:
            self._known[class_id] = min(num_stated, self._per_class) if self._per_class else num_stated

    def conclude(self, class_id: str, num_good: int) -> None:
        """A class has come to so many photos and will get no more."""
        self._known[class_id] = num_good

    @property
    def total(self) -> int:
        """Classes of which nothing is known yet count as those that are known, on the mean."""
        if not self._known:
            return self._num_classes * self._per_class
        known = sum(self._known.values())
        return known + round((self._num_classes - len(self._known)) * known / len(self._known))
