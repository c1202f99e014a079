"""Which class a name of a folder, a label of a table or a caption means: exact names first, then their words.

Names that are the same but for case, or for what joins their words, mean one class as long as they mean one only:
`barn-owl` is neither `barn owl` nor `barn_owl` where these are two classes.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence

from rawlabel.base.untrusted_text import quoted
from rawlabel.records import ClassSpec

Question = tuple[str, str]
"""A class id and one of its keywords."""


def phrase(name: str) -> str:
    """The words of a name in one form: `Barn_owl`, `barn-owl` and `barn owl` are the same.

    A name without letters and digits stands for itself.
    """
    return " ".join(words(name)) or name


def words(name: str) -> list[str]:
    """The words of a text, folded; `C++`, `C#` and `A+` are words of their own."""
    return re.findall(r"[^\W_]+[+#]*", _folded(name))


def exact(name: str) -> str:
    """The name in one Unicode form: systems write an accented letter as one character or as two."""
    return unicodedata.normalize("NFC", name).strip()


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()


class Ambiguous(Exception):
    """A name that several classes may mean, though none of them is written so."""

    def __init__(self, name: str, class_ids: Sequence[str]) -> None:
        others = f" and {len(class_ids) - 3} more" if len(class_ids) > 3 else ""
        self.classes = ", ".join(f"'{one}'" for one in class_ids[:3]) + others
        """Which, in words."""
        super().__init__(f"{quoted(name)} may mean any of the classes {self.classes}")


class NameLookup:
    """Finds the classes, and which of their keywords, that a name means."""

    def __init__(self, classes: Iterable[ClassSpec]) -> None:
        specs = list(classes)
        ids = [(spec.class_id, spec.class_id, _keyword_of_id(spec)) for spec in specs]
        keywords = [(word, spec.class_id, word) for spec in specs for word in spec.keywords]
        self._by_id, self._by_keyword = _Known(ids, exact), _Known(keywords, exact)
        self._by_letters, self._by_words = _Known([*keywords, *ids], _folded), _Known([*keywords, *ids], phrase)

    def questions(self, name: str) -> list[Question]:
        """The questions that a name answers. Raises `Ambiguous` where only its words fit, those of several."""
        for known in (self._by_id, self._by_keyword, self._by_letters, self._by_words):
            found = known.questions(name)
            if found:
                return found
        return []

    def questions_in(self, caption: str) -> set[Question]:
        """The questions whose words stand in a text, side by side. Raises `Ambiguous`."""
        runs = _runs(words(caption), self._by_words.most_words)
        return {question for run in runs for question in self._by_words.questions(run)}

    def refuse_shared_words(self) -> None:
        """Raises `Ambiguous` when some words in a text may mean several classes."""
        for form in self._by_words.forms():
            self._by_words.questions(form)


class _Known:
    """Names in one form, and what each means."""

    def __init__(self, named: Iterable[tuple[str, str, str]], form: Callable[[str], str]) -> None:
        """`named` are triples of a name, the class it names, and that class's keyword to which it leads."""
        self._form = form
        self._questions: dict[str, dict[str, str]] = defaultdict(dict)
        self._spellings: dict[str, dict[str, str]] = defaultdict(dict)
        for name, class_id, keyword in named:
            self._questions[form(name)].setdefault(class_id, keyword)
            self._spellings[form(name)].setdefault(class_id, exact(name))
        self.most_words = max((len(one.split()) for one in self._questions), default=1)

    def forms(self) -> Iterable[str]:
        return self._questions.keys()

    def questions(self, name: str) -> list[Question]:
        """Raises `Ambiguous` where several classes are meant, unless these state one and the same name."""
        form = self._form(name)
        if len(set(self._spellings.get(form, {}).values())) > 1:
            raise Ambiguous(name, list(self._spellings[form]))
        return list(self._questions.get(form, {}).items())


def _keyword_of_id(spec: ClassSpec) -> str:
    """The keyword that a class is found under by its id: the same name, else its first."""
    return next((word for word in spec.keywords if exact(word) == exact(spec.class_id)), spec.keywords[0])


def _runs(parts: list[str], longest: int) -> Iterator[str]:
    """All runs of up to `longest` words that follow each other."""
    for start in range(len(parts)):
        for end in range(start + 1, min(len(parts), start + longest) + 1):
            yield " ".join(parts[start:end])
