"""The spine: what the stages say to each other about one photo. No input or output here.

A *photo* is one object of one photo site. A *label event* says that a search for one keyword of one class
returned that photo at one rank; the same photo found under two keywords or two classes has two label
events, and these are never merged. An *outcome* is what became of its download. A *decision* is what one
curation made of one label event.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """State of a photo's bytes in the catalogue."""

    FOUND = "found"
    """A search returned it; its bytes have not been asked for, or a passing fault stopped the last try."""
    FETCHED = "fetched"
    """Its bytes are in the image store."""
    FAILED = "failed"
    """Its bytes cannot be had; the reason says why."""


class Verdict(StrEnum):
    """What a curation decided about one label event."""

    KEPT = "kept"
    REJECTED = "rejected"
    FAILED = "failed"


class Split(StrEnum):
    """Part of the kept photos. There is no test split: test data is the user's own and lives elsewhere."""

    TRAIN = "train"
    HOLDOUT = "holdout"
    """Raw labels held out from training, on which the stopping rules look."""


class Reason(StrEnum):
    """The closed list of reasons for which a candidate is not kept; `describe` puts each into words."""

    HTTP_GONE = "http_gone"
    HTTP_ERROR = "http_error"
    TIMEOUT = "timeout"
    NO_URL = "no_url"
    NOT_FETCHED = "not_fetched"
    PLACEHOLDER = "placeholder"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    SAME_PHOTO = "same_photo"
    EXACT_DUPLICATE = "exact_duplicate"
    CROSS_CLASS = "cross_class"

    def describe(self) -> str:
        """One phrase for people, as reports print it."""
        return _REASON_TEXT[self]


_REASON_TEXT = {
    Reason.HTTP_GONE: "the photo is gone (HTTP 404 or 410)",
    Reason.HTTP_ERROR: "the image host kept answering with an error",
    Reason.TIMEOUT: "the image host did not answer in time",
    Reason.NO_URL: "the photo site gave no image address",
    Reason.NOT_FETCHED: "not downloaded yet; run `rawlabel collect` again",
    Reason.PLACEHOLDER: "a 'photo unavailable' picture stands in for the photo",
    Reason.NOT_AN_IMAGE: "the bytes are not a JPEG, PNG, GIF or WebP image",
    Reason.TRUNCATED: "the image file is cut short or damaged",
    Reason.TOO_SMALL: "the image is smaller than the smallest side asked for",
    Reason.TOO_LARGE: "the image has more pixels or bytes than allowed",
    Reason.SAME_PHOTO: "the same photo was already counted for this class under another keyword",
    Reason.EXACT_DUPLICATE: "another photo of this class has the same pixels",
    Reason.CROSS_CLASS: "photos of another class have the same pixels, so at least one label is wrong",
}


@dataclass(frozen=True, slots=True)
class ClassSpec:
    """One class to learn: its id (a safe folder name), its display name and its search keywords."""

    class_id: str
    name: str
    keywords: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Photo:
    """Facts about one photo as a photo site states them. Text fields are untrusted."""

    source: str
    photo_id: str
    url: str | None
    """Address of the best-fitting size; None when the site offers none."""
    page_url: str | None = None
    title: str = ""
    tags: str = ""
    author: str = ""
    author_id: str = ""
    license_id: str = ""
    license_name: str = ""
    license_url: str = ""
    uploaded_at: int | None = None
    """Upload time in seconds since 1970 (UTC)."""
    taken_at: str | None = None
    """Time taken as the site states it; None when the site says that it is unknown."""
    width: int | None = None
    """Stated width of the chosen size, in pixels."""
    height: int | None = None


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """A search for `keyword` of class `class_id` returned a photo at `rank` (counted from 0)."""

    source: str
    photo_id: str
    class_id: str
    keyword: str
    rank: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one download."""

    source: str
    photo_id: str
    status: Status
    reason: Reason | None = None
    http_status: int | None = None
    final_url: str | None = None
    """Address after redirects."""
    sha256: str | None = None
    """Hex digest of the stored bytes, which is also their name in the image store."""
    num_bytes: int | None = None
    media_type: str | None = None


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What a stopping rule may know about one epoch: label-free or raw-label signals only.

    There is no field for a clean or test label, so a rule that peeks cannot be written.
    Accuracies are in percent, losses in nats; epochs count from 0.
    """

    epoch: int
    learning_rate: float
    train_loss: float
    train_accuracy: float
    """Running top-1 accuracy on the raw training labels, under augmentation, while the weights move."""
    holdout_loss: float | None
    """None when nothing is held out."""
    holdout_accuracy: float | None
    """Top-1 accuracy on the held-out raw labels."""
