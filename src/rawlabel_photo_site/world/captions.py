"""Titles, descriptions and tags, written so that a text search finds a photo under the right keywords only."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence

from rawlabel_photo_site.world import vocabulary
from rawlabel_photo_site.world.photos import Caption, Kind

_IN_TITLE = {Kind.TRUE: 0.75}
_IN_TITLE_OF_NOISE = 0.5
_IN_TAGS = {Kind.TRUE: 0.9}
_IN_TAGS_OF_NOISE = 0.8
_IN_DESCRIPTION = 0.35
_LONG_TITLE_WORDS = 400


def fold(word: str) -> str:
    """A word as the search compares it: in lower case, plural and singular as one."""
    word = word.casefold()
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("xes", "ches", "shes", "sses")):
        return word[:-2]
    if len(word) > 3 and word.endswith("s") and not word.endswith("ss"):
        return word[:-1]
    return word


def words_of(text: str) -> set[str]:
    """The words of a text, folded as the search folds them, each once."""
    return {fold(word) for word in re.findall(r"\w+", text)}


def normalised_tag(tag: str) -> str:
    """A tag as Flickr shows and compares it: letters and digits in lower case."""
    return "".join(re.findall(r"[^\W_]", tag.casefold()))


class CaptionWriter:
    """Writes captions that name no class by accident."""

    def __init__(self, keywords: Iterable[str], seed: int) -> None:
        self._forbidden = {word for keyword in keywords for word in words_of(keyword)}
        self._seed = seed
        self._about = self._allowed(vocabulary.ABOUT) or ["{word}"]
        self._with_subject = self._allowed(vocabulary.WITH_SUBJECT) or ["{word}"]
        self._plain = self._allowed(vocabulary.PLAIN) or ["{number}"]
        self._both = self._allowed(vocabulary.BOTH) or ["{word} {other}"]
        self._sentences_about = self._allowed(vocabulary.SENTENCES_ABOUT) or ["{word}."]
        self._sentences = self._allowed(vocabulary.SENTENCES) or [""]
        self._tags = self._allowed(vocabulary.TAGS)
        self._hostile = self._allowed(vocabulary.HOSTILE) or ["{word}"]

    def _allowed(self, templates: Sequence[str]) -> list[str]:
        fields = re.compile(r"\{(word|other|subject|number|long)\}")
        return [template for template in templates if not words_of(fields.sub(" ", template)) & self._forbidden]

    def write(self, key: str, keyword: str, kind: Kind, *, other: str | None, subject: str | None) -> Caption:
        """The caption of the photo `key`, found under `keyword`, and under `other` if that is given."""
        chance = random.Random(f"caption/{self._seed}/{key}")
        if subject is not None and words_of(subject) & self._forbidden:
            subject = None
        in_title = chance.random() < _IN_TITLE.get(kind, _IN_TITLE_OF_NOISE)
        in_description = chance.random() < _IN_DESCRIPTION
        in_tags = chance.random() < _IN_TAGS.get(kind, _IN_TAGS_OF_NOISE) or not (in_title or in_description)
        title = self._title(chance, keyword, other, subject if kind is Kind.HOMONYM else None, in_title)
        description = self._description(chance, keyword, in_description)
        tags = self._chosen_tags(chance, [keyword] if in_tags else [], other, subject)
        return Caption(title, description, tags)

    def _title(
        self, chance: random.Random, keyword: str, other: str | None, subject: str | None, named: bool
    ) -> str:
        if not named:
            template = chance.choice(self._plain)
        elif other is not None:
            template = chance.choice(self._both)
        else:
            template = chance.choice(self._with_subject if subject and chance.random() < 0.7 else self._about)
        title = template.format(word=keyword, other=other, subject=subject, number=chance.randrange(100, 999))
        style = chance.random()
        if named and style < 0.2:
            return title.title()
        return title[:1].upper() + title[1:] if style < 0.7 else title

    def _description(self, chance: random.Random, keyword: str, named: bool) -> str:
        sentences = chance.sample(self._sentences, min(chance.choice((0, 0, 1, 1, 2)), len(self._sentences)))
        if named:
            sentences.insert(0, chance.choice(self._sentences_about).format(word=keyword))
        return chance.choice((" ", "\n")).join(sentences)

    def _chosen_tags(
        self, chance: random.Random, keywords: list[str], other: str | None, subject: str | None
    ) -> tuple[str, ...]:
        named = keywords + [word for word in (other, subject) if word]
        # People tag each word and the whole name; the search needs the words.
        tags = [part for name in named for part in dict.fromkeys([*name.split(), name])]
        tags += chance.sample(self._tags, min(chance.choice((0, 2, 3, 5, 8)), len(self._tags)))
        chance.shuffle(tags)
        return tuple(dict.fromkeys(filter(None, map(normalised_tag, tags))))

    def hostile_title(self, index: int, keyword: str) -> str:
        """The `index`-th hostile title; they come round and round."""
        template = self._hostile[index % len(self._hostile)]
        return template.format(word=keyword, long=" ".join([keyword] * _LONG_TITLE_WORDS), number=index)
