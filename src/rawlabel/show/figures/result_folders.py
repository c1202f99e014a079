"""Find what a folder of results offers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rawlabel.config import FiguresConfig
from rawlabel.errors import DataError
from rawlabel.gather.classes.reading import is_wordnet_id
from rawlabel.gather.classes.wordnet import load_wordnet
from rawlabel.show.figures.published_layout import CandidateCounts, read_candidate_counts, read_keywords
from rawlabel.show.figures.run_search import find_runs
from rawlabel.show.figures.text_logs import is_text_log

PUBLISHED_NAMES = frozenset(
    f"{model}_{kind}" for model in ("flickr", "imagenet") for kind in ("cls100", "cls135", "err", "conf")
)
"""Folder names of the authors, whose contents make up the paper's figures."""
CLASS_FILES = ("tiny_classes_to_search.json", "imagenet_classes_to_search.json")
"""Names under which the authors' list of classes and keywords goes; what the first says wins."""
RUN_FILES = ("corr.json", "confmat.npy", "idx2cls.json")
"""Files of a run directory that has been evaluated."""


@dataclass(frozen=True, slots=True)
class ResultFolders:
    """The inputs of one call."""

    results: Path
    metadata: Path | None
    names: dict[str, str]
    """Readable name by class id, as far as the metadata has it."""
    candidates: CandidateCounts | None

    def name(self, class_id: str) -> str:
        """Readable name of a class: of the metadata, else WordNet's; its id when nobody names it.

        Raises `DataError` when a WordNet id is to be named and WordNet's tables are missing.
        """
        if class_id in self.names or not is_wordnet_id(class_id):
            return self.names.get(class_id, class_id)
        synset = load_wordnet().synsets.get(class_id)
        return synset.lemmas[0] if synset else class_id

    @property
    def excluded(self) -> frozenset[str] | None:
        """Classes that the paper's 100-class figures leave out; None when the metadata does not say."""
        return None if self.candidates is None else self.candidates.excluded

    def missing(self, *relative: str) -> list[str]:
        """Those of the files, named relative to the results folder, that do not exist."""
        return [name for name in relative if not (self.results / name).is_file()]

    def class_index_path(self, folder: Path) -> Path | None:
        """The `idx2cls.json` that belongs to `folder`: its own, else the one of the metadata."""
        for base in (folder, self.metadata):
            if base is not None and (base / "idx2cls.json").is_file():
                return base / "idx2cls.json"
        return None

    def matching(self, wanted: Mapping[str, Any]) -> list[tuple[str, Path]]:
        """Name and path of each folder, at any depth, whose settings are `wanted`."""
        return [
            ("-".join(path.relative_to(self.results).parts) or self.results.resolve().name, path)
            for path in find_runs(self.results, wanted)
        ]

    def text_logs(self) -> list[tuple[str, Path]]:
        """Name and path of each text log, in the results folder and in the subfolders that have no log.json."""
        folders = [self.results, *sorted(one for one in self.results.iterdir() if one.is_dir())]
        return [
            (path.stem if folder == self.results else f"{folder.name}-{path.stem}", path)
            for folder in folders
            if folder.name not in PUBLISHED_NAMES and not (folder / "log.json").is_file()
            for path in sorted(folder.glob("*.txt"))
            if is_text_log(path)
        ]

    def runs(self) -> list[tuple[str, Path]]:
        """Name and path of each run directory: the results folder itself, then its subfolders by name."""
        folders = sorted(one for one in self.results.iterdir() if one.is_dir())
        named = [(one.name, one) for one in folders if one.name not in PUBLISHED_NAMES]
        return [
            (name, path)
            for name, path in [(self.results.resolve().name, self.results), *named]
            if (path / "log.json").is_file() or all((path / file).is_file() for file in RUN_FILES)
        ]


def open_result_folders(config: FiguresConfig) -> ResultFolders:
    """Look up the folders that `config` names and read the class lists of the metadata.

    Raises:
        DataError: The results folder, or a metadata folder that was asked for, does not exist, or a class list
            is malformed.
    """
    results = config.results
    if not results.is_dir():
        raise DataError(f"{results}: no such folder; name the folder of result folders with --results")
    metadata = config.metadata
    if metadata is None:
        nearby = (results.resolve().parent / "metadata", results / "metadata")
        metadata = next((one for one in nearby if one.is_dir()), None)
    elif not metadata.is_dir():
        raise DataError(f"{metadata}: no such folder; name the folder of the class lists with --metadata")
    names: dict[str, str] = {}
    candidates = None
    if metadata is not None:
        for name in CLASS_FILES:
            if (metadata / name).is_file():
                names = read_keywords(metadata / name) | names
        if (metadata / "num_imgs_per_class.txt").is_file():
            candidates = read_candidate_counts(metadata)
    return ResultFolders(results, metadata, names, candidates)
