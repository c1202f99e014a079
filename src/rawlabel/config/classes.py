"""The settings of `rawlabel classes`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from rawlabel.config.declaring import Section, setting


class ClassesConfig(Section):
    """Write a class file: what to learn, the keywords to search, and which meaning of a word is meant."""

    classes: tuple[str, ...] = setting(
        (),
        "WordNet ids (n02229544) and names ('barn owl'). An id brings WordNet's words for it as keywords; a "
        "name is its own keyword.",
        positional=True,
    )
    subset: (
        Literal["imagenet-1k", "imagenet-12k", "imagenet-21k", "paper-100", "paper-135", "paper-200"] | None
    ) = setting(None, "Classes of ImageNet, or those that the paper trained on (100, 135) or searched (200).")
    names: Path | None = setting(
        None, "File of classes to start from: one name or WordNet id a line, or a class file (JSON, TOML)."
    )
    search: str | None = setting(
        None, "Words to find in WordNet's names or, where none has them, definitions; within --subset if given."
    )
    limit: int = setting(25, "Most synsets that --search takes, best first.", ge=1)
    out: Path | None = setting(
        None,
        "File to write: .json ({class id: [keywords]}, the paper's form) or .toml (with definitions); without it, "
        "the classes are listed.",
    )
    force: bool = setting(False, "Replace a file at --out that has other content.")
