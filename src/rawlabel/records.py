"""The spine: what the stages say to each other about one photo. No input or output here.

A *photo* is one object of one photo site. A *label event* says that a search for one keyword of one class
returned that photo at one rank; the same photo found under two keywords or two classes has two label
events, and these are never merged. An *outcome* is what became of its download. A *decision* is what one
curation made of one label event.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TypedDict


class Status(StrEnum):
    """State of a photo's bytes in the catalogue."""

    FOUND = "found"
    """A search returned it; its bytes have not been asked for, or a passing fault stopped the last try."""
    FETCHED = "fetched"
    """Its bytes are in the image store."""
    FAILED = "failed"
    """Its bytes cannot be had; the reason says why."""
    SKIPPED = "skipped"
    """Its bytes were not asked for, because of what the user asked for; another wish may change that."""


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
    FORBIDDEN = "forbidden"
    HTTP_ERROR = "http_error"
    UNREACHABLE = "unreachable"
    THROTTLED = "throttled"
    TIMEOUT = "timeout"
    SOFT_BLOCK = "soft_block"
    REDIRECTS = "redirects"
    REFUSED_ADDRESS = "refused_address"
    OPT_OUT = "opt_out"
    NO_URL = "no_url"
    NOT_FETCHED = "not_fetched"
    NOT_NEEDED = "not_needed"
    LICENSE = "license"
    TAKEN_DOWN = "taken_down"
    CHANGED = "changed"
    PLACEHOLDER = "placeholder"
    NOT_AN_IMAGE = "not_an_image"
    TRUNCATED = "truncated"
    TOO_SMALL = "too_small"
    TOO_LARGE = "too_large"
    FLAT = "flat"
    DECODE_LIMIT = "decode_limit"
    SAME_PHOTO = "same_photo"
    EXACT_DUPLICATE = "exact_duplicate"
    NEAR_DUPLICATE = "near_duplicate"
    CROSS_CLASS = "cross_class"
    REVIEWED = "reviewed"
    TEST_COPY = "test_copy"
    REPLACED = "replaced"

    def describe(self) -> str:
        """One phrase for people, as reports print it."""
        return _REASON_TEXT[self]

    @property
    def may_pass(self) -> bool:
        """Whether a later run asks again; all other failures are final."""
        return self in _PASSING

    @property
    def is_choice(self) -> bool:
        """Whether the bytes were not asked for, or not taken, though they could have been had."""
        return self in _CHOSEN

    @property
    def verdict(self) -> Verdict:
        """What a candidate is whose bytes are absent for this reason: failed, or rejected by choice."""
        return Verdict.REJECTED if self.is_choice or self is Reason.SAME_PHOTO else Verdict.FAILED


_REASON_TEXT = {
    Reason.HTTP_GONE: "the photo is gone (HTTP 404 or 410)",
    Reason.FORBIDDEN: "the image host refuses to hand it out (HTTP 401, 403 or another refusal)",
    Reason.HTTP_ERROR: "the image host kept answering with an error",
    Reason.UNREACHABLE: "the image host could not be reached",
    Reason.THROTTLED: "the image host kept asking to slow down (HTTP 429)",
    Reason.TIMEOUT: "the image host did not answer in time, or too slowly",
    Reason.SOFT_BLOCK: "the image host sent a web page in place of the image",
    Reason.REDIRECTS: "the address redirects too often or to where it must not",
    Reason.REFUSED_ADDRESS: "the address is not asked here (its scheme, a private or special network, or this "
    "machine itself without --allow-loopback)",
    Reason.OPT_OUT: "the host asks that the image is not used for machine learning (X-Robots-Tag)",
    Reason.NO_URL: "the photo site gave no image address (folders: the file is gone, too large, a link out of it)",
    Reason.NOT_FETCHED: "not downloaded yet; run `rawlabel collect` again",
    Reason.NOT_NEEDED: "not downloaded: the class already had as many good photos as asked for",
    Reason.LICENSE: "its license is not among those asked for",
    Reason.TAKEN_DOWN: "the photo was taken down or made private after it was collected",
    Reason.CHANGED: "the address now serves another picture than the manifest promises",
    Reason.PLACEHOLDER: "a 'photo unavailable' picture stands in for the photo",
    Reason.NOT_AN_IMAGE: "the bytes are no image of a format that is read",
    Reason.TRUNCATED: "the image file is cut short or damaged",
    Reason.TOO_SMALL: "the image is smaller than the smallest side asked for",
    Reason.TOO_LARGE: "the image has more pixels or bytes than allowed",
    Reason.FLAT: "the picture has one color all over, so that there is nothing to see",
    Reason.DECODE_LIMIT: "decoding the image takes more memory or time than allowed",
    Reason.SAME_PHOTO: "the same photo was already counted for this class under another keyword or source",
    Reason.EXACT_DUPLICATE: "another photo of this class has the same pixels",
    Reason.NEAR_DUPLICATE: "another photo of this class shows the same picture, or nearly so",
    Reason.CROSS_CLASS: "photos of another class show the same picture, so at least one label is wrong",
    Reason.REVIEWED: "a person who looked at it took it out (`rawlabel curate --drop`)",
    Reason.TEST_COPY: "it shows the picture of a test image, or was taken by the same owner in the same minutes",
    Reason.REPLACED: "another photo was put in its place on purpose, by `rawlabel noise`",
}
# What was refused here says nothing of the photo: another network or another flag may have it.
_PASSING = frozenset(
    {Reason.HTTP_ERROR, Reason.UNREACHABLE, Reason.THROTTLED, Reason.TIMEOUT, Reason.SOFT_BLOCK,
     Reason.REFUSED_ADDRESS}
)  # fmt: skip
_CHOSEN = frozenset({Reason.NOT_NEEDED, Reason.LICENSE, Reason.OPT_OUT, Reason.REFUSED_ADDRESS, Reason.REPLACED})


@dataclass(frozen=True, slots=True)
class ClassSpec:
    """One class to learn: its id (a safe folder name), its display name and its search keywords."""

    class_id: str
    name: str
    keywords: tuple[str, ...]
    definition: str = ""
    """What is meant by the name, in words; empty when nobody has said it."""


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
    author_url: str | None = None
    license_id: str = ""
    """The site's own id of the license; kept even when it is not known here."""
    license_name: str = ""
    license_url: str = ""
    uploaded_at: int | None = None
    """Upload time in seconds since 1970 (UTC)."""
    taken_at: str | None = None
    """Time taken as the site states it; None when the site says that it is unknown."""
    width: int | None = None
    """Stated width of the chosen size, in pixels."""
    height: int | None = None
    size_label: str = ""
    """The site's name of the chosen size."""
    origin: str = ""
    """Identity of the photo across sources: `<source>:<photo id>` on the site where it was first uploaded, as far
    as this site states it (an aggregator names the site it found the photo on); empty: this site itself."""
    stated_sha1: str | None = None
    """SHA-1 (hex) that the site states for the original file, which may be larger than the chosen size."""

    @property
    def identity(self) -> str:
        """What tells two photos apart across sources."""
        return self.origin or f"{self.source}:{self.photo_id}"


@dataclass(frozen=True, slots=True)
class LabelEvent:
    """A search for `keyword` of class `class_id` returned a photo at `rank` (counted from 0)."""

    source: str
    photo_id: str
    class_id: str
    keyword: str
    rank: int
    part: str = ""
    """Name of the part of the search (a slice of upload dates, say) in which `rank` counts; its bounds as JSON
    where another collection made the search."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one download."""

    source: str
    photo_id: str
    status: Status
    reason: Reason | None = None
    http_status: int | None = None
    final_url: str | None = None
    """Address after redirects, without its query."""
    sha256: str | None = None
    """Hex digest of the bytes that the host sent."""
    num_bytes: int | None = None
    media_type: str | None = None
    stored_sha256: str | None = None
    """Hex digest of the bytes in the image store, which is also their name there; other than `sha256` when the
    photo was resized on arrival."""
    pixel_sha256: str | None = None
    """Hex digest of the size and the upright RGB pixels of the bytes that the host sent."""
    perceptual_hash: str | None = None
    """64 hex digits; near copies differ in few bits (`rawlabel.artifacts.image_check`)."""
    width: int | None = None
    """Upright width of the picture that the host sent, in pixels."""
    height: int | None = None
    etag: str | None = None
    last_modified: str | None = None
    detail: str | None = None
    """The rule or the answer behind the reason, in a few words of ours (an opt-out directive, say)."""
    attempts: int = 0
    """Requests made for it in all runs together."""


class Accuracies(TypedDict):
    """Accuracies [percent] as entries of `log.json` have them."""

    acc1: float
    acc5: float | None
    """None where there are no more than five classes, of which it would say nothing."""


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """What a stopping rule may know about one epoch: label-free or raw-label signals only.

    There is no field for a clean or test label, so a rule that peeks cannot be written.
    Accuracies are in percent, losses in nats; epochs count from 0. A signal is None where it was not measured.
    """

    epoch: int
    learning_rate: float | None
    train_loss: float | None
    train_accuracy: float | None
    """Running top-1 accuracy on the labels trained on, under augmentation, while the weights move."""
    holdout_loss: float | None
    """None when nothing is held out."""
    holdout_accuracy: float | None
    """Top-1 accuracy on the held-out raw labels."""
    decays_left: int | None = None
    """Learning-rate decays that the schedule makes in later epochs of the run."""
    changed_predictions: float | None = None
    """Share [percent] of the training images whose running prediction differs from that of the epoch before;
    None in the first epoch."""
    alignment_mean: float | None = None
    """Mean over the training images of the cosine between the last layer's weights and the descent direction of
    the image's cross-entropy in them, from -1 to 1; None for a network whose last layer is not linear."""
    alignment_kurtosis: float | None = None
    """Excess kurtosis of these cosines (0 for a normal distribution)."""
    holdout_balanced_accuracy: float | None = None
    """Mean over the held-out classes of the top-1 accuracy on the raw labels of each."""
    class_size_ratio: float | None = None
    """Training images of the largest class over those of the smallest, by raw label; the same in all epochs."""
    holdout_images: int | None = None
    """Images that are held out."""
    epochs_left: int | None = None
    """Epochs that the run was asked for beyond this one."""
