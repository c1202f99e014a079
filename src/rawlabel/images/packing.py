"""Write a pack (`rawlabel.images.packed_images`): threads encode, one writer keeps the order of the source.

It is written in a folder beside its place and takes its name whole. Now and then what is there is put on the disk
and noted in `state.json`; a killed command goes on behind that note, to the same bytes.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Literal, NotRequired, TypedDict, cast

import cv2
import numpy as np

from rawlabel.artifacts.split import key_of
from rawlabel.base.files import atomic_write, disk_errors, read_json, write_json
from rawlabel.base.image_header import NotDecodable
from rawlabel.base.progress import progress
from rawlabel.config import PackConfig
from rawlabel.config.declaring import MAX_MEGAPIXELS
from rawlabel.errors import ConfigError, DataError
from rawlabel.images.decoding import Pixels, decode_file, decode_image, resize_pixels
from rawlabel.images.image_source import ImageSource, StoredImage
from rawlabel.images.input import InputRequest, InputSet, read_input
from rawlabel.images.packed_images import INDEX

SECONDS_BETWEEN_NOTES = 5.0
_CHUNK = 32
"""Images that one thread encodes at a time."""
_FILES = ("images.bin", "records", "names.txt")
_SMALL = 64


class PackSettings(TypedDict):
    """What decides the bytes of a pack; sizes [pixels] where the mode has them."""

    mode: Literal["copy", "raw", "jpeg"]
    part: str
    short: NotRequired[int]
    quality: NotRequired[int]
    size: NotRequired[int]
    max_megapixels: NotRequired[float]


class Unreadable(TypedDict):
    """An image that was left out, and why."""

    image: str
    reason: str


class PackOrigin(TypedDict):
    """What a pack was made from."""

    source: str
    """Fingerprint of the images."""
    settings: PackSettings


class PackFacts(PackOrigin):
    """The content of `pack.json`."""

    fingerprint: str
    found: int
    packed: int
    bytes: int
    unreadable: list[Unreadable]
    ignored: str
    """Files beside the images, in a sentence; empty where there are none."""


class _State(TypedDict):
    """The content of `state.json`: how far a killed command came."""

    made_from: PackOrigin
    done: int
    ends: list[int]
    unreadable: list[Unreadable]


@dataclass(frozen=True)
class _Encoded:
    """One image as the pack keeps it, or why it is left out."""

    name: str
    data: bytes = b""
    height: int = 0
    width: int = 0
    is_pixels: bool = False
    reason: str | None = None


def pack(config: PackConfig) -> PackFacts:
    """Write the pack that `config` describes and return what its pack.json holds; a finished one stays as it is.

    Raises `ConfigError`, `DataError` and `DiskError`; what is written until then counts when the command is given
    again.
    """
    if config.source is None or config.out is None:
        raise ConfigError(
            "pack: name the images and the folder to write, as in `rawlabel pack photos --out packed`"
        )
    out = config.out
    if not out.name:
        raise ConfigError(f"--out {out}: is no folder to write; name a new one")
    request = InputRequest(
        config.part, config.label_column, config.image_column, max_megapixels=config.max_megapixels
    )
    found = read_input(config.source, request)
    settings = _settings(config)
    made_from: PackOrigin = {"source": found.fingerprint, "settings": settings}
    if (out / "pack.json").exists():
        return _finished(out, made_from)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise DataError(f"{out}: is there already and no pack; choose another --out")
    scratch = out.with_name(f".{out.name}.part")
    if not (scratch / "pack.json").exists():
        _Writer(config, settings, found, scratch, made_from).write()
    facts = _finished(scratch, made_from)
    with disk_errors(out):
        for name in ("state.json", "records"):
            (scratch / name).unlink(missing_ok=True)
        if out.exists():
            out.rmdir()
        scratch.replace(out)
    return facts


def _settings(config: PackConfig) -> PackSettings:
    """What decides the bytes of the pack."""
    mode, size = config.mode, config.size or config.image_size
    if mode == "auto":
        mode = "copy" if config.part == "test" else "raw" if size <= _SMALL else "jpeg"
    settings: PackSettings = {"mode": mode, "part": config.part}
    if mode == "jpeg":
        default = 256 if config.image_size <= 176 else round(1.43 * config.image_size)
        settings["short"], settings["quality"] = config.short or default, config.quality
    if mode == "raw":
        settings["size"] = size
    if config.max_megapixels != MAX_MEGAPIXELS:
        settings["max_megapixels"] = config.max_megapixels
    return settings


def _finished(folder: Path, made_from: PackOrigin) -> PackFacts:
    """The facts of a finished pack. Raises `ConfigError` when it was made from something else."""
    facts = read_json(folder / "pack.json", "what `rawlabel pack` wrote")
    if not isinstance(facts, dict) or any(facts.get(key) != value for key, value in made_from.items()):
        raise ConfigError(f"--out: {folder} holds a pack of other images or settings; remove it or choose another")
    return cast("PackFacts", facts)


class _Writer:
    """Writes the files of one pack in order."""

    def __init__(
        self,
        config: PackConfig,
        settings: PackSettings,
        found: InputSet,
        folder: Path,
        made_from: PackOrigin,
    ) -> None:
        self._config, self._settings, self._found = config, settings, found
        self._folder, self._made_from = folder, made_from
        self._is_strict = config.strict or config.part == "test"
        self._done, self._ends = 0, [0, 0, 0]
        self._unreadable: list[Unreadable] = []

    def write(self) -> None:
        """Write all that is not there yet, then index, classes and, last, pack.json."""
        self._resume()
        images, count = self._found.images, len(self._found.images)
        with (
            progress("packing", count, done=self._done) as task,
            ThreadPoolExecutor(self._config.workers) as pool,
            ExitStack() as stack,
        ):
            stack.callback(pool.shutdown, wait=True, cancel_futures=True)
            with disk_errors(self._folder):
                files = [stack.enter_context((self._folder / name).open("r+b")) for name in _FILES]
                for file, end in zip(files, self._ends, strict=True):
                    file.truncate(end)
                    file.seek(end)
            noted = time.monotonic()
            encode = partial(_encode_chunk, images.source, self._settings)
            for chunk in _in_order(pool, encode, range(self._done, count, _CHUNK), count, self._config.workers):
                parts = [self._add(one) for one in chunk]
                with disk_errors(self._folder):
                    for number, file in enumerate(files):
                        file.write(b"".join(part[number] for part in parts))
                    if time.monotonic() - noted >= SECONDS_BETWEEN_NOTES:
                        self._note(files)
                        noted = time.monotonic()
                task.advance(len(chunk), note=f"images, {self._ends[0] / 1e6:,.0f} MB")
            with disk_errors(self._folder):
                self._note(files)
        self._finish()

    def _resume(self) -> None:
        """Go on behind the last note, or begin anew where there is none."""
        path = self._folder / "state.json"
        if path.exists():
            state: _State = read_json(path, "how far `rawlabel pack` came")
            if state["made_from"] != self._made_from:
                raise ConfigError(
                    f"--out: {self._folder} is the beginning of a pack of other images or settings; remove it or "
                    "choose another"
                )
            self._done, self._ends, self._unreadable = state["done"], state["ends"], state["unreadable"]
            return
        with disk_errors(self._folder):
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder.mkdir(parents=True)
            for name in _FILES:
                (self._folder / name).touch()

    def _add(self, one: _Encoded) -> tuple[bytes, bytes, bytes]:
        """The image's bytes, its record and its name; nothing of an image that is left out."""
        row = self._done
        self._done += 1
        if one.reason is not None:
            where = self._found.images.source.where(row)
            if self._is_strict:
                raise DataError(f"{where}: {one.reason}; remove or replace it, then run the same command again")
            self._unreadable.append({"image": where, "reason": one.reason})
            return b"", b"", b""
        found = self._found
        name = one.name.encode("utf-8", "surrogateescape") + b"\n"
        keys = found.images.keys
        key = key_of(one.name) if keys is None else int(keys[row])
        split = -1 if found.is_held_out is None else int(found.is_held_out[row])
        label = int(found.images.labels[row])
        name_end = self._ends[2] + len(name)
        values = (
            self._ends[0], len(one.data), one.height, one.width, label, key, name_end, one.is_pixels, split,
        )  # fmt: skip
        parts = one.data, np.array([values], dtype=INDEX).tobytes(), name
        self._ends = [end + len(part) for end, part in zip(self._ends, parts, strict=True)]
        return parts

    def _note(self, files: list[Any]) -> None:
        for file in files:
            file.flush()
            os.fsync(file.fileno())
        state: _State = {
            "made_from": self._made_from,
            "done": self._done,
            "ends": self._ends,
            "unreadable": self._unreadable,
        }
        write_json(self._folder / "state.json", state)

    def _finish(self) -> None:
        records = np.fromfile(self._folder / "records", dtype=INDEX)
        if not len(records):
            raise DataError(f"{self._config.source}: holds no image that can be decoded")
        with atomic_write(self._folder / "index.npy") as stream:
            np.save(stream, records)
        write_json(self._folder / "classes.json", list(self._found.class_ids))
        digest = hashlib.sha256(repr(sorted(self._settings.items())).encode() + self._made_from["source"].encode())
        digest.update(records.tobytes())
        facts: PackFacts = {
            **self._made_from,
            "fingerprint": digest.hexdigest(),
            "found": self._done,
            "packed": len(records),
            "bytes": self._ends[0],
            "unreadable": self._unreadable,
            "ignored": self._found.ignored,
        }
        write_json(self._folder / "pack.json", facts)


def _in_order(
    pool: ThreadPoolExecutor, encode: Any, starts: range, count: int, workers: int
) -> Iterator[list[_Encoded]]:
    """The encoded chunks in the order of `starts`, with few of them in memory at once."""
    waiting: deque[Future[list[_Encoded]]] = deque()
    chunks = (range(start, min(start + _CHUNK, count)) for start in starts)
    waiting.extend(pool.submit(encode, rows) for rows in islice(chunks, 4 * workers))
    while waiting:
        done = waiting.popleft().result()
        waiting.extend(pool.submit(encode, rows) for rows in islice(chunks, 1))
        yield done


def _encode_chunk(source: ImageSource, settings: PackSettings, rows: range) -> list[_Encoded]:
    return [_encode(source, settings, row) for row in rows]


def _encode(source: ImageSource, settings: PackSettings, row: int) -> _Encoded:
    name = source.name(row)
    try:
        stored = source.read(row)
        if settings["mode"] == "raw":
            return _as_pixels(name, _square(stored, settings["size"], source.max_megapixels))
        if settings["mode"] == "jpeg":
            return _shrunk(name, stored, settings["short"], settings["quality"], source.max_megapixels)
        return _as_it_is(name, stored, source.max_megapixels)
    except DataError as error:
        return _Encoded(name, reason=str(error).removeprefix(f"{source.where(row)}: ").split(";")[0])
    except NotDecodable as error:
        return _Encoded(name, reason=str(error))


def _as_pixels(name: str, pixels: Pixels) -> _Encoded:
    height, width = pixels.shape[:2]
    return _Encoded(name, pixels.tobytes(), height, width, is_pixels=True)


def _as_it_is(name: str, stored: StoredImage, max_megapixels: float) -> _Encoded:
    """The bytes of the source, once it is known that they can be decoded."""
    if stored.ndim == 3:
        return _as_pixels(name, stored)
    height, width = decode_file(stored, cv2.IMREAD_COLOR, max_megapixels).shape[:2]
    return _Encoded(name, stored.tobytes(), height, width)


def _square(stored: StoredImage, size: int, max_megapixels: float) -> Pixels:
    """The centre square of side `size`: the very pixels that training cuts from the source where that is small."""
    pixels = decode_image(stored, size, max_megapixels)
    height, width = pixels.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    return resize_pixels(pixels[top : top + side, left : left + side], (size, size))


def _shrunk(name: str, stored: StoredImage, short: int, quality: int, max_megapixels: float) -> _Encoded:
    """A JPEG of shorter side `short`; an image that is no larger stays as it is."""
    if stored.ndim == 3:
        if min(stored.shape[:2]) <= short:
            return _as_pixels(name, stored)
        decoded = stored[..., ::-1]
    else:
        # At half the size libjpeg decodes in a fraction of the time, and averages as area resizing would.
        decoded = decode_file(stored, cv2.IMREAD_REDUCED_COLOR_2, max_megapixels)
        if min(decoded.shape[:2]) < short:
            decoded = decode_file(stored, cv2.IMREAD_COLOR, max_megapixels)
            if min(decoded.shape[:2]) <= short:
                return _Encoded(name, stored.tobytes(), *decoded.shape[:2])
    height, width = decoded.shape[:2]
    scale = short / min(height, width)
    size = max(short, round(width * scale)), max(short, round(height * scale))
    is_written, data = cv2.imencode(
        ".jpg", resize_pixels(np.ascontiguousarray(decoded), size), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    if not is_written:
        raise ValueError("cannot be encoded")
    return _Encoded(name, data.tobytes(), size[1], size[0])
