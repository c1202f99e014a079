"""The members of the site: who uploads how many photos, and when."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from rawlabel_photo_site.world import rates
from rawlabel_photo_site.world.photos import Owner

FIRST_UPLOAD = int(datetime(2005, 1, 1, tzinfo=UTC).timestamp())
LAST_UPLOAD = int(datetime(2024, 12, 31, 23, 59, 59, tzinfo=UTC).timestamp())
_BUSIEST = int(datetime(2012, 6, 1, tzinfo=UTC).timestamp())
_LONGEST_SERIES = 24
_TAIL = 1.35

_FIRST_NAMES = (
    "Amara", "Anneli", "Bogdan", "Carmen", "Chidi", "Dilip", "Eirik", "Esra", "Fiona", "Gintaras", "Hana", "Hugo",
    "Ines", "Ivo", "Jasmin", "Jonas", "Kaoru", "Katya", "Laszlo", "Leila", "Magnus", "Mei", "Nadia", "Nils",
    "Oksana", "Pavel", "Priya", "Quentin", "Rafael", "Rosa", "Siobhan", "Stefan", "Tadeusz", "Thandi",
    "Ulla", "Victor", "Wanda", "Xiu", "Yannick", "Zofia",
)  # fmt: skip
_LAST_NAMES = (
    "Abebe", "Andersen", "Baker", "Borges", "Castellano", "Duarte", "Eriksson", "Fischer", "Grabowski", "Hayashi",
    "Ilves", "Jovanovic", "Keller", "Kowalska", "Lindqvist", "Marchetti", "Nguyen", "O'Brien", "Okafor", "Petrov",
    "Quinn", "Rahman", "Sato", "Silva", "Tanaka", "Ueda", "Vasquez", "Weber", "Yilmaz", "Zimmermann",
)  # fmt: skip
_NICKNAMES = (
    "lightchaser", "slow_shutter", "greyscale.days", "pixelgarten", "the.quiet.lens", "northbound", "snapdragon_r",
    "film+coffee", "m0nochrome", "wanderingtripod", "analogue_anna", "f8andbethere",
)  # fmt: skip

Item = TypeVar("Item")


class People:
    """Draws owners and dates; the order of the calls decides, so one plan gives one population."""

    def __init__(self, seed: int) -> None:
        self.chance = random.Random(f"people/{seed}")
        self._owners: list[Owner] = []
        self._series_owners: list[Owner] = []

    def owner(self, other_than: Owner | None = None) -> Owner:
        """The owner of a new series: mostly someone new, else someone who may have many already."""
        known = [] if self.chance.random() < rates.NEW_OWNER else self._series_owners
        owner = self.chance.choice(known) if known else self._new_owner()
        if owner == other_than:
            owner = self._new_owner()
        self._series_owners.append(owner)
        return owner

    def _new_owner(self) -> Owner:
        # Consecutive starts keep the ids unique whatever the random part is.
        number = 10_000_000 + 1013 * len(self._owners) + self.chance.randrange(1013)
        if self.chance.random() < 0.25:
            name = f"{self.chance.choice(_NICKNAMES)}{self.chance.choice(('', '', '77', '_photo', '2009'))}"
        else:
            name = f"{self.chance.choice(_FIRST_NAMES)} {self.chance.choice(_LAST_NAMES)}"
        owner = Owner(f"{number}@N{self.chance.randrange(10):02}", name)
        self._owners.append(owner)
        return owner

    def series(self, items: Sequence[Item]) -> Iterator[list[Item]]:
        """Cut photos of one subject into series of different lengths: most short, a few long."""
        start = 0
        while start < len(items):
            length = min(int(self.chance.paretovariate(_TAIL)), _LONGEST_SERIES)
            yield list(items[start : start + length])
            start += length

    def first_upload(self) -> int:
        """Upload time of the first photo of a series [seconds since 1970]."""
        return int(self.chance.triangular(FIRST_UPLOAD, LAST_UPLOAD - 86_400 * 60, _BUSIEST))

    def next_upload(self, previous: int) -> int:
        """Upload time of the next photo of a series: minutes later, now and then days."""
        pause = (
            self.chance.expovariate(1 / 240) if self.chance.random() < 0.85 else self.chance.uniform(1, 9) * 86_400
        )
        return min(previous + 1 + int(pause), LAST_UPLOAD)

    def later_upload(self, original: int) -> int:
        """When a photo that was uploaded at `original` is uploaded again, by chance [seconds since 1970]."""
        return self.chance.randint(original, LAST_UPLOAD)
