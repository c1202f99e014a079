"""A tree of images on this machine: one folder a class."""

from __future__ import annotations

import asyncio
import os
import shlex
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from urllib.parse import quote_from_bytes, unquote_to_bytes

from rawlabel.base.image_files import describe_ignored, images_below, is_image_name
from rawlabel.base.progress import note
from rawlabel.config import CollectConfig
from rawlabel.errors import ConfigError, SourceError
from rawlabel.gather.classes.reading import class_spec, read_classes, refuse_collisions
from rawlabel.gather.collect.reading.identities import flickr_photo_of_file
from rawlabel.gather.collect.reading.phrases import Ambiguous, NameLookup, exact
from rawlabel.gather.collect.reading.reply_values import integer
from rawlabel.gather.collect.source import Page, Presence, Search, SearchLimits, Source, SourceContext
from rawlabel.records import ClassSpec, Photo

PAGE_SIZE = 500
_DEEPEST = 32
"""Folders within folders that are looked through for the class folders."""
_MOST_COUNTED = 10_000
"""Folders that are counted through behind a link out of the tree, which may lead to all that a disk holds."""


class Folder(Source):
    """A tree of images (`--input`): its sub-folders are the classes, or those of a class file are looked for.

    The folders of a class are read to the bottom. Those of a class file may lie at any depth, but not inside each
    other.
    """

    base_url = ""
    terms = "the files stay where they are and are copied into the project; their rights are for you to know"
    limits = SearchLimits(PAGE_SIZE)

    def __init__(self, context: SourceContext) -> None:
        super().__init__(context)
        self._tree = _tree(context.config)
        classes = context.config.classes
        self._has_own = classes is None
        self._lookup = NameLookup(read_classes(classes) if classes is not None else _own_classes(self._tree))
        self._folders: dict[tuple[str, str], list[Path]] = {}
        self._listed: dict[tuple[str, str], list[str]] = {}

    @classmethod
    def classes(cls, config: CollectConfig) -> list[ClassSpec]:
        """One class a sub-folder; raises `ClassFileError` for a name that cannot be a class id."""
        return _own_classes(_tree(config))

    async def prepare(self) -> None:
        """Find the folders of the classes, and say what in the tree is not read."""
        await asyncio.to_thread(self._look_through)

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
        """For each photo id, whether its file is still in the folder; nothing is asked over a network."""
        return {photo.photo_id: Presence(self._path(photo.photo_id) is not None) for photo in photos}

    def _look_through(self) -> None:
        ignored: Counter[str] = Counter()
        links = 0
        inside, elsewhere = _folders(self._tree, self._tree)
        waiting = [(one, 1) for one in reversed(inside)]
        while waiting:
            folder, depth = waiting.pop()
            try:
                questions = self._lookup.questions(folder.name)
            except Ambiguous as error:
                note(f"{folder}: is not read, since the name {error}; rename it")
                continue
            for question in questions:
                self._folders.setdefault(question, []).append(folder)
            if questions:
                names, others = _images(self._tree, folder)
                ignored += others
                links += sum((self._tree / one).is_symlink() and self._path(one) is None for one in names)
            elif not self._has_own and depth < _DEEPEST:
                inside, linked = _folders(folder, self._tree)
                waiting += [(one, depth + 1) for one in reversed(inside)]
                elsewhere += linked
        where = f"--input {self._tree}"
        if ignored:
            note(f"{where}: what is no image by its name is not read: {describe_ignored(ignored)}")
        if links or elsewhere:
            note(f"{where}: {_links_not_read(self._tree, elsewhere, links)}")
        if beside := sum(is_image_name(one.name) for one in self._tree.iterdir()):
            note(f"{where}: images that lie in no folder of a class are not read: {beside:,}")

    def _files(self, question: tuple[str, str]) -> list[str]:
        return [name for folder in self._folders.get(question, ()) for name in _images(self._tree, folder)[0]]

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
    """The folder to read. Raises `ConfigError`."""
    if config.input is None:
        raise ConfigError("--input: name the folder whose sub-folders are the classes")
    if not config.input.is_dir():
        raise ConfigError(f"--input {config.input}: is no folder; name the one whose sub-folders are the classes")
    return config.input


def _folders(folder: Path, tree: Path) -> tuple[list[Path], list[Path]]:
    """The sub-folders by name, without hidden ones: those inside the tree, and the links that lead out of it."""
    try:
        names = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir() and entry.name[0] != ".")
    except OSError as error:
        raise _unreadable(error, folder) from error
    limit = Path(os.path.realpath(tree))
    found: tuple[list[Path], list[Path]] = [], []
    for name in names:
        found[not Path(os.path.realpath(folder / name)).is_relative_to(limit)].append(folder / name)
    return found


def _links_not_read(tree: Path, folders: Sequence[Path], photos: int) -> str:
    """Says which links, to folders out of the tree and to photos, are not read, and what to do about it."""
    told = []
    if folders:
        listed = list(islice((one for folder in folders for one in os.walk(folder)), _MOST_COUNTED))
        inside = sum(is_image_name(name) for _, _, names in listed for name in names)
        more = " or more" if len(listed) == _MOST_COUNTED else ""
        told.append(f"{_counted(len(folders), 'folder')} with {_counted(inside, 'photo')}{more}")
    if photos:
        told.append(_counted(photos, "photo"))
    return (
        f"links that lead out of it, or nowhere, are not read: {' and '.join(told)}; copy what they lead to, for "
        f"example with `cp -rL {shlex.quote(str(tree))} COPY`, and give --input COPY"
    )


def _counted(count: int, what: str) -> str:
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def _unreadable(error: OSError, folder: Path) -> SourceError:
    return SourceError(
        f"--input {error.filename or folder}: cannot be read ({error.strerror}); check its permissions"
    )


def _own_classes(tree: Path) -> list[ClassSpec]:
    where = f"--input {tree}"
    # One name may stand there twice, in two Unicode forms.
    folders, elsewhere = _folders(tree, tree)
    names = dict.fromkeys(exact(one.name) for one in folders)
    # The words of the folder's name are what another source would be searched for.
    specs = [class_spec(where, name, " ".join(name.replace("_", " ").split())) for name in names]
    refuse_collisions(where, specs)
    if not specs and elsewhere:
        raise SourceError(f"{where}: has no sub-folders of its own; {_links_not_read(tree, elsewhere, 0)}")
    if not specs:
        raise SourceError(f"{where}: has no sub-folders; put the images of each class into a folder of its own")
    return specs


def _images(tree: Path, folder: Path) -> tuple[list[str], Counter[str]]:
    """Photo ids of the image files below a folder, in order, and how many other files lie there, by extension.

    The ids are their paths from the tree. Raises `SourceError`.
    """
    try:
        found = images_below(folder, inside=tree)
    except OSError as error:
        raise _unreadable(error, folder) from error
    start = folder.relative_to(tree).as_posix()
    return [_photo_id(f"{start}/{name}") for name, _ in found.files], found.ignored


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
