"""Which photos the other sites hold: Wikimedia Commons and iNaturalist beside Flickr.

Flickr has all photos of the population. People carry some of the openly licensed ones over to Commons, in a
larger file, and have put some on iNaturalist too. Both also have photos of their own that Flickr lacks: a second,
smaller population of the built-in collection. A folder of photos has no second set of photos.
"""

from __future__ import annotations

import dataclasses
import hashlib
import random
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rawlabel_photo_site.world import rates
from rawlabel_photo_site.world.collection import Collection
from rawlabel_photo_site.world.keywords import keyword_of
from rawlabel_photo_site.world.licenses import FREE, creative_commons
from rawlabel_photo_site.world.photos import Caption, Owner, Picture, SitePhoto

if TYPE_CHECKING:
    from rawlabel.config import PhotoSiteConfig

SOURCES = ("flickr", "commons", "inaturalist", "openverse")
"""The sites, by the names under which `PhotoSite.truth` lists their photos."""

_FIRST_PAGE_ID, _FIRST_OBSERVATION, _FIRST_INATURALIST_PHOTO = 20_000_003, 60_000_011, 90_000_007
_FIRST_TAXON = 40_151
_LONGEST_TITLE = 200
"""Bytes of a file name of Commons that come from the title of the photo."""
_NOT_IN_TITLES = re.compile(r"[#<>\[\]|{}_/\\:\x00-\x1f\x7f\u200b-\u200f\u202a-\u202e\s]+")
_LARGER = 1.25
"""How many times wider and higher than on Flickr the original on Commons is."""
_LICENSES_ON_INATURALIST = {
    "cc0": 9,
    "by": 11,
    "by-sa": 12,
    "by-nd": 13,
    "by-nc": 14,
    "by-nc-sa": 15,
    "by-nc-nd": 16,
}


@dataclass(frozen=True, slots=True)
class CommonsFile:
    """A file of Wikimedia Commons: a photo, or a document that turns up in searches too."""

    page_id: int
    title: str
    """With the `File:` in front."""
    caption: Caption
    user: Owner
    uploaded: int
    """Seconds since 1970 (UTC)."""
    license_id: int
    """As Flickr counts licences."""
    width: int
    height: int
    photo: SitePhoto | None
    """None for a document."""
    origin: SitePhoto | None = None
    """The photo of Flickr that was carried over."""
    mime: str = "image/jpeg"
    document: bytes = b""

    @property
    def photo_id(self) -> str:
        """The page id as text, by which the search index and Commons' interface name the file."""
        return str(self.page_id)


@dataclass(frozen=True, slots=True)
class Taxon:
    """A kind of thing that people observe; here a class."""

    taxon_id: int
    name: str
    common_name: str


@dataclass(frozen=True, slots=True)
class Observation:
    """An observation of iNaturalist with its photos, and what people say that it shows."""

    observation_id: int
    taxon: Taxon
    user: Owner
    created: int
    """Seconds since 1970 (UTC)."""
    quality: str
    """`research`, `needs_id` or `casual`."""
    photos: tuple[SitePhoto, ...]


@dataclass(frozen=True, slots=True)
class Holdings:
    """What Commons and iNaturalist hold."""

    commons: tuple[CommonsFile, ...]
    observations: tuple[Observation, ...]

    def commons_photos(self) -> Iterator[SitePhoto]:
        """The photos of Commons, without the documents."""
        return (file.photo for file in self.commons if file.photo is not None)

    def inaturalist_photos(self) -> Iterator[SitePhoto]:
        """The photos of all observations, in their order; an observation has one or several."""
        return (photo for observation in self.observations for photo in observation.photos)


def distribute(photos: Sequence[SitePhoto], collection: Collection, config: PhotoSiteConfig) -> Holdings:
    """Decide from the seed which photos the other sites hold."""
    names = collection.classes
    taxa = {
        name: Taxon(_FIRST_TAXON + number, keyword_of(name).capitalize(), keyword_of(name))
        for number, name in enumerate(names)
    }
    own = _second_population(config)
    here = [(photo, True) for photo in photos if photo.fault is None] + [(photo, False) for photo in own]
    commons, observed = [], []
    for photo, is_flickrs in here:
        chance = random.Random(f"holdings/{config.seed}/{is_flickrs}/{photo.photo_id}")
        to_commons, to_inaturalist = chance.random(), chance.random()
        if is_flickrs:
            if photo.license_id in FREE and to_commons < rates.CARRIED_TO_COMMONS:
                commons.append((photo, True))
            if photo.license_id in _ON_INATURALIST and to_inaturalist < rates.ALSO_ON_INATURALIST:
                observed.append((photo, True))
        elif photo.content in taxa and photo.fault is None and to_inaturalist < rates.OWN_OF_INATURALIST:
            observed.append((photo, False))
        else:
            commons.append((photo, False))
    files = [
        _carried(photo, config.seed) if carried else _own_file(photo, config.seed) for photo, carried in commons
    ]
    files += _documents(names, len(files), config.seed)
    files.sort(key=lambda file: (file.uploaded, file.title))
    numbered = tuple(_numbered(file, _FIRST_PAGE_ID + 17 * number) for number, file in enumerate(files))
    return Holdings(numbered, _observations(observed, taxa, collection, config.seed))


_ON_INATURALIST = frozenset(
    number
    for number in range(17)
    if (known := creative_commons(number)) is not None and known.slug in _LICENSES_ON_INATURALIST
)


def _second_population(config: PhotoSiteConfig) -> tuple[SitePhoto, ...]:
    if config.photos is not None:
        return ()
    from rawlabel_photo_site.pictures.digits import DigitCollection
    from rawlabel_photo_site.world.population import BUILT_IN_RESULTS, compose

    seed = config.seed + rates.SEED_OF_SECOND_POPULATION
    count = max(1, round(rates.SECOND_POPULATION * (config.per_class or BUILT_IN_RESULTS)))
    return compose(DigitCollection(seed), config.model_copy(update={"seed": seed, "per_class": count}))


def _carried(photo: SitePhoto, seed: int) -> CommonsFile:
    chance = random.Random(f"commons/{seed}/{photo.photo_id}")
    larger = dataclasses.replace(
        photo,
        width=round(photo.width * _LARGER),
        height=round(photo.height * _LARGER),
        edit=dataclasses.replace(photo.edit, quality=93),
    )
    uploaded = photo.uploaded + int(chance.expovariate(1 / 30_000_000)) + 600
    return _file(f"{_for_title(photo.caption.title)} ({photo.photo_id}).jpg", larger, uploaded, photo)


def _own_file(photo: SitePhoto, seed: int) -> CommonsFile:
    chance = random.Random(f"commons/own/{seed}/{photo.photo_id}")
    free = dataclasses.replace(photo, license_id=chance.choices((4, 5, 9, 10, 11, 12), (1, 2, 2, 1, 3, 6))[0])
    return _file(f"{_for_title(photo.caption.title)} {photo.photo_id}.jpg", free, photo.uploaded, None)


def _file(name: str, photo: SitePhoto, uploaded: int, origin: SitePhoto | None) -> CommonsFile:
    return CommonsFile(
        page_id=0,
        title=f"File:{name[:1].upper()}{name[1:]}",
        caption=photo.caption,
        user=photo.owner,
        uploaded=uploaded,
        license_id=photo.license_id,
        width=photo.width,
        height=photo.height,
        photo=photo,
        origin=origin,
    )


def _numbered(file: CommonsFile, page_id: int) -> CommonsFile:
    photo = dataclasses.replace(file.photo, photo_id=str(page_id)) if file.photo is not None else None
    return dataclasses.replace(file, page_id=page_id, photo=photo)


def _for_title(text: str) -> str:
    """A title as a file name of Commons can have it."""
    short = _NOT_IN_TITLES.sub(" ", text).encode()[:_LONGEST_TITLE].decode(errors="ignore").strip(" .")
    return short or "Untitled"


_DOCUMENTS = (
    ("{word} (encyclopedia page, 1911).pdf", "application/pdf", b"%PDF-1.4\n% "),
    (
        "{word} diagram.svg",
        "image/svg+xml",
        b'<svg xmlns="http://www.w3.org/2000/svg" width="64" height="64"/><!-- ',
    ),
    ("Pronunciation of {word}.oga", "audio/ogg", b"OggS\x00\x02"),
    ("{word} - scanned book.djvu", "image/vnd.djvu", b"AT&TFORM"),
)


def _documents(names: Sequence[str], count: int, seed: int) -> list[CommonsFile]:
    """Scans, drawings and sounds about the classes: a share of what a search finds."""
    each = max(1, round(rates.DOCUMENTS_ON_COMMONS * count / max(1, len(names))))
    files = []
    for name in names:
        for number in range(each):
            chance = random.Random(f"document/{seed}/{name}/{number}")
            pattern, mime, start = _DOCUMENTS[number % len(_DOCUMENTS)]
            stem, _, ending = pattern.format(word=keyword_of(name)).rpartition(".")
            title = f"{stem[:1].upper()}{stem[1:]} {number}.{ending}"
            has_size = mime.startswith("image/")
            files.append(
                CommonsFile(
                    page_id=0,
                    title=f"File:{title}",
                    caption=Caption(stem, f"About {keyword_of(name)}.", ()),
                    user=Owner("", chance.choice(("Book scanner", "Lexicographer", "Archive upload"))),
                    uploaded=chance.randint(1_200_000_000, 1_700_000_000),
                    license_id=10,
                    width=64 if has_size else 0,
                    height=64 if has_size else 0,
                    photo=None,
                    mime=mime,
                    document=start + hashlib.sha256(title.encode()).hexdigest().encode() + b" -->",
                )
            )
    return files


def _observations(
    observed: list[tuple[SitePhoto, bool]], taxa: dict[str, Taxon], collection: Collection, seed: int
) -> tuple[Observation, ...]:
    """Observations: photos of one person and one thing belong together, up to three."""
    groups: defaultdict[tuple[str, str, bool], list[SitePhoto]] = defaultdict(list)
    for photo, is_flickrs in observed:
        if photo.content in taxa:
            groups[photo.owner.nsid, photo.content, is_flickrs].append(photo)
    pieces = [
        (group[start : start + 3], is_flickrs)
        for (_, _, is_flickrs), group in groups.items()
        for start in range(0, len(group), 3)
    ]
    pieces.sort(key=lambda piece: (piece[0][0].uploaded, piece[0][0].photo_id))
    observations, photo_number = [], _FIRST_INATURALIST_PHOTO
    for number, (group, is_flickrs) in enumerate(pieces):
        first = group[0]
        chance = random.Random(f"observation/{seed}/{is_flickrs}/{first.photo_id}")
        quality = chance.choices(("research", "needs_id", "casual"), (60, 30, 10))[0]
        siblings = collection.siblings(first.content)
        is_mistaken = quality != "research" and siblings and chance.random() < rates.MISTAKEN_OBSERVATIONS
        license_id = (
            0 if chance.random() < rates.CLOSED_ON_INATURALIST else chance.choice((9, 11, 12, 14, 14, 14, 16))
        )
        photos = []
        for photo in group:
            known = creative_commons(photo.license_id) if is_flickrs else None
            kept = _LICENSES_ON_INATURALIST[known.slug] if known is not None else license_id
            photos.append(dataclasses.replace(photo, photo_id=str(photo_number), license_id=kept))
            photo_number += 13
        taxon = taxa[siblings[0]] if is_mistaken else taxa[first.content]
        created = max(photo.uploaded for photo in group)
        observations.append(
            Observation(_FIRST_OBSERVATION + 19 * number, taxon, first.owner, created, quality, tuple(photos))
        )
    return tuple(observations)


def name_pictures(photos: Sequence[SitePhoto], holdings: Holdings) -> dict[Picture, str]:
    """An identity for each picture: the source and the id of the first photo that shows it.

    Copies, re-uploads and crops of one picture have one identity, on whichever sites they are.
    """
    names: dict[Picture, str] = {}
    # Flickr comes first, and originals before their re-uploads, so that identities are named after them.
    for photo in sorted(photos, key=lambda photo: photo.reupload_of is not None):
        names.setdefault(photo.picture, f"flickr:{photo.photo_id}")
    for photo in holdings.commons_photos():
        names.setdefault(photo.picture, f"commons:{photo.photo_id}")
    for photo in holdings.inaturalist_photos():
        names.setdefault(photo.picture, f"inaturalist:{photo.photo_id}")
    return names
