"""What the address of a photo says, whichever site gave it.

A photo has one name, whoever speaks of it: `<source>:<photo id>` on the site where it was uploaded. The names
follow from the addresses of photo pages and image files, whose forms the sites document: the photo id of Flickr
(https://www.flickr.com/services/api/misc.urls.html), the page id of a file on Wikimedia Commons, and the photo id
of iNaturalist.
"""

from __future__ import annotations

import re

_PAGES = (
    ("flickr", re.compile(r"//(?:www\.|m\.)?flickr\.com/photos/[^/?#]+/([0-9]{1,20})(?![^/?#])")),
    ("commons", re.compile(r"//commons\.(?:m\.)?wikimedia\.org/[^?#]*\?(?:[^#]*&)?curid=([0-9]{1,20})(?![^&#])")),
    ("inaturalist", re.compile(r"//(?:[a-z]+\.)?inaturalist\.[a-z.]+/photos/([0-9]{1,20})(?![^/?#])")),
)
_FILES = (
    ("flickr", re.compile(r"//[a-z0-9.]+\.static\.?flickr\.com/(?:[0-9]+/)?[0-9]+/([0-9]{1,20})_[0-9a-f]+[_.]")),
    ("inaturalist", re.compile(r"//inaturalist-open-data\.s3\.amazonaws\.com/photos/([0-9]{1,20})/")),
    ("inaturalist", re.compile(r"//static\.inaturalist\.org/photos/([0-9]{1,20})/")),
)
_SITES = ("flickr", "wikimedia", "inaturalist")
"""Some word of these is in every address that shows an identity; most addresses have none."""
_FLICKR_FILE = re.compile(r"([0-9]{4,20})_[0-9a-f]{6,20}(?:_[a-z0-9]{1,2})?\.(?i:jpe?g|png|gif|webp)")


def identity_of_address(address: str) -> str:
    """The identity of the photo behind the address of its page or its image file; empty if it shows none."""
    if not any(name in address for name in _SITES):
        return ""
    for source, form in (*_PAGES, *_FILES):
        found = form.search(address)
        if found:
            return f"{source}:{found[1]}"
    return ""


def is_known_placeholder(address: str) -> bool:
    """Whether a picture that says 'photo unavailable' is served here.

    Flickr's removed photos redirect to `.../photo_unavailable*.png`, in several languages' folders; indexes and
    lists of addresses lead there too.
    """
    return "photo_unavailable" in address


def flickr_photo_of_file(name: str) -> str | None:
    """The photo id in a file name as Flickr gives it (`<id>_<secret>[_<size>].jpg`); None for another name."""
    found = _FLICKR_FILE.fullmatch(name)
    return found[1] if found else None
