"""What the site knows about one photo: the picture itself, its caption, its owner and its truth."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from rawlabel_photo_site.world.sizes import BY_NAME, SIZES, Size

if TYPE_CHECKING:
    from PIL import Image

OTHER = "other:"
"""Prefix of a content that is none of the classes."""


class Kind(StrEnum):
    """Why a search returns a photo."""

    TRUE = "true"
    SIBLING = "sibling"
    HOMONYM = "homonym"
    OFF_TOPIC = "off_topic"


class Fault(StrEnum):
    """What is wrong with a photo's file, for good."""

    REMOVED = "removed"
    MISSING = "missing"
    TRUNCATED = "truncated"
    CORRUPT = "corrupt"
    TINY = "tiny"
    PRIVATE = "private"


class Picture(Protocol):
    """Something that can be drawn at any size, with the same result every time."""

    @property
    def width(self) -> int:
        """Width of the original [pixels], as the site tells it of the largest size."""

    @property
    def height(self) -> int:
        """Height of the original [pixels], as the site tells it of the largest size."""

    def draw(self, width: int, height: int) -> Image.Image:
        """The whole picture as RGB, `width` x `height` pixels."""

    def __hash__(self) -> int:
        """Equal pictures draw equal images."""


@dataclass(frozen=True, slots=True)
class SamplePicture:
    """A photo of the clean test set."""

    file_name: str
    """`<class>/<file>`, as in the folder of the test set."""
    content: str
    picture: Picture


@dataclass(frozen=True, slots=True)
class Edit:
    """What a person did to a picture before uploading it."""

    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    """Left, top, right and bottom of the part that is left, as shares of width and height."""
    scale: float = 1.0
    quality: int = 88
    """JPEG quality, 1 to 95."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A member of the photo site."""

    nsid: str
    name: str


@dataclass(frozen=True, slots=True)
class Caption:
    """The texts that the search looks at."""

    title: str
    description: str
    tags: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SitePhoto:
    """One photo of the site."""

    photo_id: str
    owner: Owner
    caption: Caption
    uploaded: int
    """Seconds since 1970 (UTC)."""
    taken: int
    taken_unknown: bool
    license_id: int
    views: int
    picture: Picture
    edit: Edit
    width: int
    """Width of the original [pixels]."""
    height: int
    offered: frozenset[str]
    """Names of the offered sizes."""
    content: str
    kind: Kind
    fault: Fault | None = None
    reupload_of: str | None = None
    copy_of_test: str | None = None
    gone: bool = False
    """Whether the APIs do not know the photo any more."""
    comment: str = ""
    """What its files say about themselves, in a JPEG comment and in EXIF."""

    @property
    def is_withdrawn(self) -> bool:
        """Whether the owner has taken the photo down or made it private."""
        return self.gone or self.fault is Fault.REMOVED

    @property
    def server(self) -> str:
        """Number of the server in the addresses of the image, fixed by the photo's id."""
        return str(int(self._digest("server")[:6], 16) % 8000 + 60)

    def secret(self, size: Size) -> str:
        """Ten hex digits in the image address; sizes up to 1,024 pixels share theirs."""
        return self._digest(size.name if size.own_secret else "common")[:10]

    def image_path(self, size: Size) -> str:
        """Path of the image address on the image host."""
        suffix = f"_{size.suffix}" if size.suffix else ""
        return f"/{self.server}/{self.photo_id}_{self.secret(size)}{suffix}.jpg"

    def sizes(self) -> dict[str, tuple[int, int]]:
        """Width and height of each offered size, by the size's name."""
        fitting = {size.name: size.dimensions(self.width, self.height) for size in SIZES}
        return {name: fit for name, fit in fitting.items() if fit and name in self.offered}

    def offers(self, size: Size) -> bool:
        """Whether this size can be downloaded: the owner offers it and the original is large enough."""
        return size.name in self.offered and size.dimensions(self.width, self.height) is not None

    def thumbnail_path(self) -> str:
        """Path of the smallest offered image that still shows something on a page."""
        offered = self.sizes()
        preferred = ("q", "s", "n", "w", "m", "z", "t", "sq")
        return self.image_path(BY_NAME[next((name for name in preferred if name in offered), "o")])

    def _digest(self, purpose: str) -> str:
        return hashlib.sha256(f"{self.photo_id}/{self.owner.nsid}/{purpose}".encode()).hexdigest()
