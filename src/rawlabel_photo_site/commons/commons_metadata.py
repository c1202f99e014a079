"""The `extmetadata` of Wikimedia Commons: what description pages say of author, source and licence.

The fields are those of https://www.mediawiki.org/wiki/Extension:CommonsMetadata. People write them, as HTML, so
that one licence has many spellings.
"""

from __future__ import annotations

import html
import random
import urllib.parse

from rawlabel_photo_site.world.holdings import CommonsFile
from rawlabel_photo_site.world.licenses import LICENSES, creative_commons

_FULL_NAMES = {"by": "Attribution", "by-sa": "Attribution-Share Alike"}


def described(file: CommonsFile, seed: int) -> dict[str, dict[str, str]]:
    """What the description page says, with its HTML and its many spellings."""
    spelling = random.Random(f"spelling/{seed}/{file.page_id}")
    author = html.escape(file.user.name)
    if file.origin is not None:
        people = f"https://www.flickr.com/people/{file.origin.owner.nsid}"
        page = f"https://www.flickr.com/photos/{file.origin.owner.nsid}/{file.origin.photo_id}"
        artist = f'<a rel="nofollow" class="external text" href="{people}">{author}</a>'
        name = html.escape(file.caption.title[:80]) or "Flickr"
        credit = f'<a rel="nofollow" class="external text" href="{page}">{name}</a>'
    else:
        user = urllib.parse.quote(file.user.name.replace(" ", "_"))
        artist = f'<a href="//commons.wikimedia.org/wiki/User:{user}" title="User:{author}">{author}</a>'
        credit = spelling.choice(('<span class="int-own-work" lang="en">Own work</span>', "Own work"))
    values = {
        "ObjectName": html.escape(file.title.removeprefix("File:").rpartition(".")[0]),
        "ImageDescription": html.escape(file.caption.description),
        "Artist": artist,
        "Credit": credit,
        **_license_fields(file.license_id, spelling),
    }
    return {name: {"value": value, "source": "commons-desc-page"} for name, value in values.items()}


def _license_fields(license_id: int, spelling: random.Random) -> dict[str, str]:
    known = creative_commons(license_id)
    if known is None or known.slug == "pdm":
        named = {7: ("No restrictions", LICENSES[7][0])}.get(license_id, ("Public domain", "Public domain"))
        fields = {"LicenseShortName": named[0], "UsageTerms": named[1], "AttributionRequired": "false"}
    elif known.slug == "cc0":
        address = "http://creativecommons.org/publicdomain/zero/1.0/deed.en"
        terms = "Creative Commons Zero, Public Domain Dedication"
        short = spelling.choice(("CC0", "CC0 1.0", "CC-Zero"))
        fields = {
            "LicenseShortName": short,
            "UsageTerms": terms,
            "LicenseUrl": address,
            "AttributionRequired": "false",
        }
    else:
        dashed = f"CC-{known.slug.upper()}-{known.version}"
        long = f"Creative Commons {_FULL_NAMES[known.slug]} {known.version}"
        stem = f"creativecommons.org/licenses/{known.slug}/{known.version}"
        address = spelling.choice((f"https://{stem}", f"https://{stem}/", f"http://{stem}/deed.en"))
        short = spelling.choice((known.name, known.name, dashed, dashed.lower(), long))
        fields = {
            "LicenseShortName": short,
            "UsageTerms": long,
            "LicenseUrl": address,
            "AttributionRequired": "true",
        }
    return fields | {"Copyrighted": "False" if fields["AttributionRequired"] == "false" else "True"}
