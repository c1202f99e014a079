"""How names of folders, labels of tables and keywords are compared: by their words, whatever joins them."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from rawlabel.records import ClassSpec

Question = tuple[str, str]
"""A class id and one of its keywords."""


def phrase(name: str) -> str:
    """The words of a name in one form: `Barn_owl`, `barn-owl` and `barn owl` are the same."""
    return " ".join(words(name))


def words(name: str) -> list[str]:
    """The words of a text, folded."""
    return re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", name).casefold())


def phrases_of(classes: Iterable[ClassSpec]) -> Mapping[Question, tuple[str, ...]]:
    """Under which names each keyword of each class is looked for: the keyword, and the class id with its first.

    A class whose name has no letters or digits in it is looked for as it stands.
    """
    found: dict[Question, tuple[str, ...]] = {}
    for spec in classes:
        for number, keyword in enumerate(spec.keywords):
            taken = {one for (class_id, _), some in found.items() if class_id == spec.class_id for one in some}
            names = [keyword, spec.class_id] if number == 0 else [keyword]
            wanted = dict.fromkeys(phrase(name) or name for name in names)
            found[spec.class_id, keyword] = tuple(one for one in wanted if one not in taken)
    return found
