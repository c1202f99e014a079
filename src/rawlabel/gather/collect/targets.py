"""Which photos a class still needs: a target counts unique, good, licensed photos, not search results.

The photos of a class are walked in the order of finding. One counts when it is fetched, large enough and shows
pixels that none before it showed; one whose bytes have not been asked for is taken to be good. The walk ends
where the target is reached, and what it met on the way without bytes is downloaded. Since a failed download
only ever makes the walk longer, the photos that are asked for in the end do not depend on when a run was
stopped, or on the order in which downloads end. What an earlier run asked for in vain comes last: an address that
binds its host must not keep the others from being fetched, run after run.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Found
from rawlabel.config import CollectConfig
from rawlabel.records import Outcome, Photo, Reason, Status

CHUNK = 500
"""Most photos handed to the downloader at once."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a class needs next."""

    downloads: list[Photo]
    num_good: int
    """Good photos so far."""
    more_results: bool
    """Even if all downloads turn out good, more search results are needed."""


class ClassTarget:
    """The need of one class in one run."""

    def __init__(self, class_id: str, catalogue: Catalogue, config: CollectConfig) -> None:
        self._class_id, self._catalogue, self._config = class_id, catalogue, config
        self._tried: set[tuple[str, str]] = set()
        self._position, self._num_good = 0, 0
        self._brought = False
        self._is_last_round, self._has_more = False, False

    def need(self) -> Need:
        """Look at what is found and fetched by now."""
        return self._need_all() if self._config.per_class == 0 else self._need_for_target()

    def _need_for_target(self) -> Need:
        good, assumed = 0, 0
        first: list[Photo] = []
        last: list[Photo] = []
        identities: set[str] = set()
        pictures: set[str] = set()
        for one in self._catalogue.found(self._class_id):
            if good + assumed >= self._config.per_class:
                break
            if one.photo.identity in identities or not self._is_licensed(one):
                continue
            if one.is_pending and not self._was_tried(one):
                identities.add(one.photo.identity)
                assumed += 1
                some = last if one.was_answered else first
                if len(some) < CHUNK and not self._config.search_only:
                    some.append(one.photo)
            elif self._is_good(one) and one.pixel_sha256 not in pictures:
                identities.add(one.photo.identity)
                pictures.add(one.pixel_sha256 or "")
                good += 1
        return Need(first or last, good, good + assumed < self._config.per_class)

    def _need_all(self) -> Need:
        """The next photos of the class; what lies before them is never looked at again, so memory stays flat."""
        downloads: list[Photo] = []
        identities: set[str] = set()
        for one in self._catalogue.found(self._class_id, self._position):
            if len(downloads) >= CHUNK:
                break
            self._position = one.position
            if self._is_good(one):
                self._num_good += 1
            wanted = one.is_pending and not self._was_tried(one) and self._is_licensed(one)
            wanted = wanted and one.photo.identity not in identities
            if wanted and one.was_answered and not self._is_last_round:
                self._has_more, wanted = True, False
            if wanted and not self._config.search_only and not self._catalogue.is_fetched_elsewhere(one.photo):
                identities.add(one.photo.identity)
                downloads.append(one.photo)
        self._brought = self._brought or bool(downloads)
        return Need(downloads, self._num_good, more_results=not downloads)

    def start_over(self) -> bool:
        """Walk from the start again if all photos are wanted; False when the last walk brought no download.

        A photo may stand in for the same one of another source whose download failed. Then it is also the turn of
        those that earlier runs asked for in vain.
        """
        goes_on = self._brought or self._has_more
        self._is_last_round = self._is_last_round or self._has_more
        self._brought = self._has_more = False
        self._position, self._num_good = 0, 0
        return goes_on and self._config.per_class == 0

    def note_tried(self, photos: Sequence[Photo]) -> None:
        """These photos are being downloaded; what comes of it is final for this run."""
        self._tried |= {(photo.source, photo.photo_id) for photo in photos}

    def _is_licensed(self, one: Found) -> bool:
        return self._config.licenses.allows(one.photo.license_name, one.photo.license_url)

    def _was_tried(self, one: Found) -> bool:
        return (one.photo.source, one.photo.photo_id) in self._tried

    def _is_good(self, one: Found) -> bool:
        return one.status is Status.FETCHED and one.shorter_side >= self._config.min_side


def record_skipped(catalogue: Catalogue, config: CollectConfig) -> None:
    """Note why each photo that was not asked for was not, when all classes have what they need."""
    if config.search_only:
        return
    after = ("", "")
    while photos := catalogue.unasked(after):
        outcomes = []
        for photo in photos:
            reason = Reason.NOT_NEEDED
            if not config.licenses.allows(photo.license_name, photo.license_url):
                reason = Reason.LICENSE
            elif catalogue.is_fetched_elsewhere(photo):
                reason = Reason.SAME_PHOTO
            outcomes.append(Outcome(photo.source, photo.photo_id, Status.SKIPPED, reason))
        catalogue.record_outcomes(outcomes)
        after = (photos[-1].source, photos[-1].photo_id)
