"""Compose the photos of the site from the plan: pictures, owners, dates, captions and faults."""

from __future__ import annotations

import dataclasses
import random
from collections import defaultdict
from dataclasses import dataclass

from rawlabel.config import PhotoSiteConfig
from rawlabel_photo_site.pictures.drawings import DrawingPicture
from rawlabel_photo_site.world import rates
from rawlabel_photo_site.world.captions import CaptionWriter
from rawlabel_photo_site.world.collection import Collection, keyword_of
from rawlabel_photo_site.world.people import FIRST_UPLOAD, People
from rawlabel_photo_site.world.photos import OTHER, Edit, Fault, Kind, Owner, Picture, SitePhoto
from rawlabel_photo_site.world.planted import read_planted
from rawlabel_photo_site.world.search_noise import Result, plan_results
from rawlabel_photo_site.world.sizes import SIZES

BUILT_IN_RESULTS = 300
"""Search results of a class of the built-in collection."""

_DRAWING_SIZES = ((640, 480), (800, 600), (1024, 683), (480, 640), (500, 500))
_FAULT_RATES = {
    Fault.REMOVED: rates.REMOVED,
    Fault.MISSING: rates.MISSING,
    Fault.TRUNCATED: rates.TRUNCATED,
    Fault.CORRUPT: rates.CORRUPT,
    Fault.TINY: rates.TINY,
}


@dataclass(frozen=True, slots=True)
class _Draft:
    result: Result
    owner: Owner
    uploaded: int
    picture: Picture
    edit: Edit
    photo_id: str


def compose(collection: Collection, config: PhotoSiteConfig) -> tuple[SitePhoto, ...]:
    """All photos of the site, in order of upload. Raises `ConfigError` when a planted class is none of its."""
    planted = read_planted(config, collection.classes)
    plan = plan_results(collection, config.noise, config.per_class, BUILT_IN_RESULTS, config.seed, planted)
    drafts = _Drafting(collection, config.seed).drafts(plan)
    faults = _faults(drafts, config.seed)
    writer = CaptionWriter(map(keyword_of, collection.classes), config.seed)
    ids = {draft.result: draft.photo_id for draft in drafts}
    photos = [_finished(draft, faults.get(draft.result), ids, writer, config.seed) for draft in drafts]
    chance = random.Random(f"hostile/{config.seed}")
    hostile = chance.sample(range(len(photos)), round(rates.HOSTILE_TITLES * len(photos)))
    for index, position in enumerate(hostile):
        caption = photos[position].caption
        title = writer.hostile_title(index, keyword_of(drafts[position].result.keyword))
        photos[position] = dataclasses.replace(photos[position], caption=dataclasses.replace(caption, title=title))
    return tuple(sorted(photos, key=lambda photo: (photo.uploaded, photo.photo_id)))


class _Drafting:
    """Gives each planned result a picture, an owner and a time."""

    def __init__(self, collection: Collection, seed: int) -> None:
        self.collection = collection
        self.seed = seed
        self.people = People(seed)
        self.chance = random.Random(f"drafts/{seed}")
        self.used: defaultdict[str, int] = defaultdict(int)
        self.ids: set[str] = set()

    def drafts(self, plan: list[Result]) -> list[_Draft]:
        groups: defaultdict[tuple[str, Kind, str], list[Result]] = defaultdict(list)
        for result in plan:
            if result.original is None and result.test is None:
                groups[result.keyword, result.kind, result.content].append(result)
        drafts: dict[Result, _Draft] = {}
        for group in groups.values():
            for number, series in enumerate(self.people.series(group)):
                self._add_series(series, number, drafts)
        for result in plan:
            if result.test is not None:
                edit = Edit(scale=self.chance.uniform(0.6, 0.95), quality=self.chance.randint(55, 85))
                owner, uploaded = self.people.owner(), self.people.first_upload()
                drafts[result] = self._draft(result, owner, uploaded, result.test.picture, edit)
            elif result.original is not None:
                drafts[result] = self._reupload(result, drafts[result.original])
        return [drafts[result] for result in plan]

    def _add_series(self, series: list[Result], number: int, drafts: dict[Result, _Draft]) -> None:
        owner, uploaded = self.people.owner(), self.people.first_upload()
        first = series[0]
        key = f"{first.keyword}/{first.kind}/{first.content}/{number}"
        for result in series:
            picture = self._picture(result.content, key)
            drafts[result] = self._draft(result, owner, uploaded, picture, Edit())
            uploaded = self.people.next_upload(uploaded)

    def _picture(self, content: str, series: str) -> Picture:
        index = self.used[content]
        self.used[content] += 1
        if content.startswith(OTHER):
            width, height = self.chance.choice(_DRAWING_SIZES)
            subject = content.removeprefix(OTHER)
            return DrawingPicture(subject, f"{self.seed}/{subject}/{index}", width, height)
        return self.collection.picture(content, index, series)

    def _reupload(self, result: Result, original: _Draft) -> _Draft:
        if self.chance.random() < rates.IDENTICAL_REUPLOADS:
            edit = original.edit
        else:
            edit = self.chance.choice(
                (
                    Edit(scale=self.chance.uniform(0.5, 0.85)),
                    Edit(quality=self.chance.randint(45, 75)),
                    Edit(crop=_crop(self.chance)),
                )
            )
        owner = self.people.owner(other_than=original.owner)
        uploaded = self.people.later_upload(original.uploaded)
        return self._draft(result, owner, uploaded, original.picture, edit)

    def _draft(self, result: Result, owner: Owner, uploaded: int, picture: Picture, edit: Edit) -> _Draft:
        # Flickr's ids grow with time; a retry keeps two uploads of one second apart.
        while True:
            photo_id = str(3_000_000 + (uploaded - FIRST_UPLOAD) * 85 + self.chance.randrange(85))
            if photo_id not in self.ids:
                break
        self.ids.add(photo_id)
        return _Draft(result, owner, uploaded, picture, edit, photo_id)


def _crop(chance: random.Random) -> tuple[float, float, float, float]:
    return (
        chance.uniform(0.02, 0.1),
        chance.uniform(0.02, 0.1),
        chance.uniform(0.9, 0.98),
        chance.uniform(0.9, 0.98),
    )


def _faults(drafts: list[_Draft], seed: int) -> dict[Result, Fault]:
    """Lasting faults. Re-uploads, their originals and test copies are spared: they stand for themselves."""
    reuploaded = {draft.result.original for draft in drafts}
    eligible = [
        draft.result
        for draft in drafts
        if draft.result.original is None and draft.result.test is None and draft.result not in reuploaded
    ]
    random.Random(f"faults/{seed}").shuffle(eligible)
    faults: dict[Result, Fault] = {}
    for fault, rate in _FAULT_RATES.items():
        for _ in range(min(round(rate * len(drafts)), len(eligible))):
            faults[eligible.pop()] = fault
    return faults


def _finished(
    draft: _Draft, fault: Fault | None, ids: dict[Result, str], writer: CaptionWriter, seed: int
) -> SitePhoto:
    result, picture, edit = draft.result, draft.picture, draft.edit
    chance = random.Random(f"photo/{seed}/{draft.photo_id}")
    left, top, right, bottom = edit.crop
    scale = edit.scale
    if fault is Fault.TINY:
        scale = chance.uniform(18, 31) / max(picture.width, picture.height)
    subject = result.content.removeprefix(OTHER) if result.content.startswith(OTHER) else None
    unknown = chance.random() < rates.UNKNOWN_DATE_TAKEN
    caption = writer.write(
        draft.photo_id,
        keyword_of(result.keyword),
        result.kind,
        other=keyword_of(result.content) if result.shared else None,
        subject=subject,
    )
    # Two files are the same only if they are offered in the same sizes, so a re-upload follows its original.
    sizes_key = ids[result.original] if result.original is not None else draft.photo_id
    return SitePhoto(
        photo_id=draft.photo_id,
        owner=draft.owner,
        caption=caption,
        uploaded=draft.uploaded,
        taken=draft.uploaded if unknown else draft.uploaded - int(chance.expovariate(1 / 864_000)) - 60,
        taken_unknown=unknown,
        license_id=chance.choices(range(17), weights=rates.LICENSE_WEIGHTS)[0],
        views=int(chance.paretovariate(0.7) * 3) % 1_000_000,
        picture=picture,
        edit=edit,
        width=max(1, round(picture.width * (right - left) * scale)),
        height=max(1, round(picture.height * (bottom - top) * scale)),
        offered=_offered(f"{seed}/{sizes_key}", fault),
        content=result.content,
        kind=result.kind,
        fault=fault,
        reupload_of=ids[result.original] if result.original is not None else None,
        copy_of_test=result.test.file_name if result.test is not None else None,
    )


def _offered(key: str, fault: Fault | None) -> frozenset[str]:
    """Names of the sizes that the owner and the site offer, as far as they fit."""
    chance = random.Random(f"sizes/{key}")
    restricted = chance.random() < rates.RESTRICTED_ORIGINAL and fault is not Fault.TINY
    offered = {size.name for size in SIZES if not (restricted and size.own_secret)}
    # One at most is missing, and a photo of any size keeps its smallest ones.
    if chance.random() < rates.MISSING_SIZE * len(SIZES):
        offered.discard(chance.choice([size.name for size in SIZES if (size.limit or 0) > 100]))
    return frozenset(offered)
