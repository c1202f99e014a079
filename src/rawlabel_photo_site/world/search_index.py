"""Text search over titles, descriptions and tags."""

from __future__ import annotations

import functools
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Protocol

from rawlabel_photo_site.world.captions import normalised_tag, words_of
from rawlabel_photo_site.world.photos import Caption

_TITLE_WEIGHT = 0.4
_TAG_WEIGHT = 0.25
_DESCRIPTION_WEIGHT = 0.15


class Captioned(Protocol):
    """Something that a search can find."""

    @property
    def photo_id(self) -> str:
        """What tells it apart from all others in the index."""

    @property
    def caption(self) -> Caption:
        """Title, tags and description, the texts that the search looks at."""


class SearchIndex:
    """Finds the positions of photos by words and by tags, and ranks them.

    A photo that names the keyword in its title ranks higher than one that has it among its tags only. Wrong
    photos name it in the title less often, so noise grows with the rank, as on real sites.
    """

    def __init__(self, photos: Sequence[Captioned], seed: int) -> None:
        self._photos = photos
        self._seed = seed
        self._by_word: defaultdict[str, set[int]] = defaultdict(set)
        self._by_tag: defaultdict[str, set[int]] = defaultdict(set)
        for position, photo in enumerate(photos):
            caption = photo.caption
            for word in words_of(" ".join((caption.title, caption.description, *caption.tags))):
                self._by_word[word].add(position)
            for tag in caption.tags:
                self._by_tag[tag].add(position)
        self.ranked = functools.lru_cache(maxsize=64)(self._ranked)

    def with_text(self, text: str) -> set[int]:
        """Photos that have all words of the text, and none of those that a minus sign precedes."""
        excluded = [word for part in text.split() if part.startswith("-") for word in words_of(part)]
        wanted = [word for part in text.split() if not part.startswith("-") for word in words_of(part)]
        # A text of excluded words alone finds nothing, as an empty text does.
        found = set.intersection(*(self._by_word.get(word, set()) for word in wanted)) if wanted else set()
        return found.difference(*(self._by_word.get(word, set()) for word in excluded))

    def with_tags(self, tags: Iterable[str], *, every: bool) -> set[int]:
        """Photos that have any of the tags, or every one."""
        found = [self._by_tag.get(normalised_tag(tag), set()) for tag in tags]
        if not found:
            return set()
        return set.intersection(*found) if every else set().union(*found)

    def _ranked(self, query: str, positions: frozenset[int]) -> tuple[int, ...]:
        """The positions by falling relevance for the query."""
        words = words_of(query)
        return tuple(sorted(positions, key=lambda position: (-self._relevance(words, position), position)))

    def _relevance(self, words: set[str], position: int) -> float:
        photo = self._photos[position]
        key = f"{self._seed}/{photo.photo_id}/{' '.join(sorted(words))}"
        chance = int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") / 2**64
        caption = photo.caption
        return (
            chance
            + _TITLE_WEIGHT * (words <= words_of(caption.title))
            + _TAG_WEIGHT * (words <= words_of(" ".join(caption.tags)))
            + _DESCRIPTION_WEIGHT * (words <= words_of(caption.description))
        )
