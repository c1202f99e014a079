"""The stage `prepare`: a published data set as it is downloaded in, class folders that `train` reads out."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rawlabel.config import PrepareConfig
from rawlabel.errors import ClassFileError, ConfigError, DataError
from rawlabel.gather.classes.reading import is_wordnet_id, read_classes
from rawlabel.gather.classes.selection import subset_ids
from rawlabel.gather.prepare.found import Part, PartSource
from rawlabel.gather.prepare.locating import locate
from rawlabel.gather.prepare.placing import PreparedPart, place_part

OFFICIAL_COUNTS = {Part.TRAIN: 1_281_167, Part.TEST: 50_000}
"""Photos of ILSVRC2012; Russakovsky et al., IJCV 2015, arXiv 1409.0575, table 2."""


def prepare(config: PrepareConfig, say: Callable[[str], None]) -> list[PreparedPart]:
    """Write the class folders that `config` asks for; `say` hears what was found before the work starts.

    Raises `ConfigError`, `ClassFileError`, `DataError` and `DiskError`, each of which names the file or flag.
    """
    if config.dataset is None or config.source is None:
        raise ConfigError(
            "DATASET SOURCE: name the data set and its folder, as in `rawlabel prepare imagenet DIR`"
        )
    if config.out is None:
        raise ConfigError("--out: name the folder that gets `train` and `test`")
    wanted = _wanted(config.classes)
    parts = [Part(name) for name in config.part.split(",")]
    sources = {part: locate(config.source, part) for part in parts}
    for part, source in sources.items():
        _refuse_source_as_target(source, config.out / part)
        say(f"found {part.describe()} photos: {source.description}")
    prepared = []
    for part, source in sources.items():
        one = place_part(part, source, config.out, wanted, config.link)
        if wanted is None and one.counts.written != OFFICIAL_COUNTS[part]:
            missing = (
                f"{one.counts.written:,} {part.describe()} photos where ILSVRC2012 has {OFFICIAL_COUNTS[part]:,}"
            )
            one.remarks.append(f"{source.where}: {missing}; compare it with what you downloaded")
        prepared.append(one)
    return prepared


def _wanted(classes: str) -> frozenset[str] | None:
    """The WordNet ids to take; None for all."""
    if classes == "all":
        return None
    if classes in ("paper-100", "paper-135"):
        return frozenset(subset_ids(classes))
    ids = [spec.class_id for spec in read_classes(Path(classes))]
    known = frozenset(subset_ids("imagenet-1k"))
    for one in ids:
        if one not in known:
            remedy = "find ids with `rawlabel classes --subset imagenet-1k --search WORD`"
            what = "no class of ILSVRC2012" if is_wordnet_id(one) else "no WordNet id"
            raise ClassFileError(f"{classes}: '{one}' is {what}; {remedy}")
    return frozenset(ids)


def _refuse_source_as_target(source: PartSource, target: Path) -> None:
    if target.resolve() == source.where.resolve():
        raise DataError(f"{target}: is the source itself; choose another --out")
