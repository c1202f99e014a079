"""A tree of images on this machine: one folder a class."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from rawlabel.config import CollectConfig
from rawlabel.errors import ConfigError, SourceError
from rawlabel.gather.classes.reading import class_spec, read_classes, refuse_collisions
from rawlabel.gather.collect.reading.identities import flickr_photo_of_file
from rawlabel.gather.collect.reading.phrases import phrase, phrases_of
from rawlabel.gather.collect.reading.reply_values import integer
from rawlabel.gather.collect.source import Page, Presence, Search, SearchLimits, Source, SourceContext
from rawlabel.records import ClassSpec, Photo

PAGE_SIZE = 500
_SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".gif", ".webp"})


class Folder(Source):
    """A tree of images (`--input`): its sub-folders are the classes, or those of a class file are looked for."""

    base_url = ""
    terms = "the files stay where they are and are copied into the project; their rights are for you to know"
    limits = SearchLimits(PAGE_SIZE)

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self._tree = _tree(context.config)
        classes = context.config.classes
        self._phrases = phrases_of(read_classes(classes) if classes is not None else _own_classes(self._tree))
        self._listed: dict[tuple[str, str], list[str]] = {}

    @classmethod
    def classes(cls, config: CollectConfig) -> list[ClassSpec]:
        """One class a sub-folder; raises `ClassFileError` for a name that cannot be a class id."""
        return _own_classes(_tree(config))

    async def search(self, search: Search) -> Page:
        """The next files of the folders that bear the keyword's or the class's name, by path."""
        question, start = (search.class_id, search.keyword), max(0, integer(search.cursor) or 0)
        if question not in self._listed:
            self._listed[question] = await asyncio.to_thread(self._files, question)
        names = self._listed[question]
        end = start + PAGE_SIZE
        if end >= len(names):
            del self._listed[question]
        photos = tuple(map(_photo, names[start:end]))
        return Page(photos, start, str(end) if end < len(names) else None, len(names), end < len(names))

    async def read(self, photo: Photo) -> bytes | None:
        """The file's bytes; None where it is gone, too large, or a link that leads out of the tree."""
        return await asyncio.to_thread(self._read, photo.photo_id)

    async def presence(self, photos: Sequence[Photo]) -> Mapping[str, Presence]:
        """Whether each file is there still."""
        return {photo.photo_id: Presence(self._path(photo.photo_id) is not None) for photo in photos}

    def _files(self, question: tuple[str, str]) -> list[str]:
        wanted = set(self._phrases.get(question, ()))
        folders = [one for one in _folders(self._tree) if (phrase(one.name) or one.name) in wanted]
        return [name for folder in folders for name in _images(self._tree, folder)]

    def _read(self, photo_id: str) -> bytes | None:
        path = self._path(photo_id)
        try:
            if path is None or path.stat().st_size > self.context.config.max_megabytes * 1e6:
                return None
            return path.read_bytes()
        except OSError:
            return None

    def _path(self, photo_id: str) -> Path | None:
        """Where the file lies; None unless it is a file inside the tree, wherever links lead."""
        for name in (os.fsencode(photo_id), unquote_to_bytes(photo_id)):
            try:
                path = Path(os.path.realpath(self._tree / os.fsdecode(name)))
                if path.is_file() and path.is_relative_to(os.path.realpath(self._tree)):
                    return path
            except (OSError, ValueError):
                continue
        return None


def _tree(config: CollectConfig) -> Path:
    """The folder to read. Raises `ConfigError` or `SourceError`."""
    if config.input is None:
        raise ConfigError("--input: name the folder whose sub-folders are the classes")
    if not config.input.is_dir():
        raise SourceError(f"--input {config.input}: is no folder; name the one whose sub-folders are the classes")
    return config.input


def _folders(tree: Path) -> list[Path]:
    """The sub-folders by name, without hidden ones and links that lead out of the tree."""
    try:
        names = sorted(entry.name for entry in os.scandir(tree) if entry.is_dir() and entry.name[0] != ".")
    except OSError as error:
        raise SourceError(f"--input {tree}: cannot be read ({error.strerror}); check its permissions") from error
    inside = Path(os.path.realpath(tree))
    return [tree / name for name in names if Path(os.path.realpath(tree / name)).is_relative_to(inside)]


def _own_classes(tree: Path) -> list[ClassSpec]:
    where = f"--input {tree}"
    # The words of the folder's name are what another source would be searched for.
    specs = [class_spec(where, one.name, " ".join(one.name.replace("_", " ").split())) for one in _folders(tree)]
    refuse_collisions(where, specs)
    if not specs:
        raise SourceError(f"{where}: has no sub-folders; put the images of each class into a folder of its own")
    return specs


def _images(tree: Path, folder: Path) -> Iterator[str]:
    """Photo ids of the image files below a folder, in order: their paths from the tree."""
    for where, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in _SUFFIXES:  # noqa: PTH122
                yield _photo_id(os.path.relpath(os.path.join(where, name), tree))  # noqa: PTH118


def _photo_id(relative: str) -> str:
    """The path as text; one that is not UTF-8 is written in percent signs."""
    path = relative.replace(os.sep, "/")
    try:
        path.encode("utf-8")
    except UnicodeEncodeError:
        return quote_from_bytes(os.fsencode(path))
    return path


def _photo(photo_id: str) -> Photo:
    name = photo_id.rpartition("/")[2]
    on_flickr = flickr_photo_of_file(name)
    return Photo(
        source="folder",
        photo_id=photo_id,
        url=None,
        page_url=f"https://www.flickr.com/photo.gne?id={on_flickr}" if on_flickr else None,
        title=name.rpartition(".")[0],
        origin=f"flickr:{on_flickr}" if on_flickr else "",
    )


PLUGIN = Folder
