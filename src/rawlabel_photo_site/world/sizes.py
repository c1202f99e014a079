"""The sizes in which Flickr offers a photo (https://www.flickr.com/services/api/misc.urls.html)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """One offered size."""

    name: str
    """Name in the API's extras: `url_<name>`, `width_<name>`, `height_<name>`."""
    suffix: str
    """Ending of the image address; empty for the 500-pixel size."""
    limit: int | None
    """Longer side [pixels], or the side of a square; None for the original."""
    square: bool = False
    """Whether the size is a square cut from the middle."""
    own_secret: bool = False
    """Whether its address has a secret of its own, so that it cannot be built from another one."""

    def dimensions(self, width: int, height: int) -> tuple[int, int] | None:
        """Width and height of a photo of `width` x `height` at this size; None if it would be enlarged."""
        if self.limit is None:
            return width, height
        if self.square:
            return (self.limit, self.limit) if min(width, height) >= self.limit else None
        longer = max(width, height)
        if longer < self.limit:
            return None
        return max(1, round(width * self.limit / longer)), max(1, round(height * self.limit / longer))


ORIGINAL = Size("o", "o", None, own_secret=True)
SIZES: tuple[Size, ...] = (
    Size("sq", "s", 75, square=True),
    Size("t", "t", 100),
    Size("q", "q", 150, square=True),
    Size("s", "m", 240),
    Size("n", "n", 320),
    Size("w", "w", 400),
    Size("m", "", 500),
    Size("z", "z", 640),
    Size("c", "c", 800),
    Size("l", "b", 1024),
    Size("h", "h", 1600, own_secret=True),
    Size("k", "k", 2048, own_secret=True),
    ORIGINAL,
)
BY_NAME = {size.name: size for size in SIZES}
BY_SUFFIX = {size.suffix: size for size in SIZES}
