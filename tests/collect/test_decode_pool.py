"""Photos from strangers are decoded where they can do no harm, and only the guilty one bears the consequence."""

from __future__ import annotations

import asyncio
import hashlib
import os
import signal
import subprocess
import sys
import zlib
from io import BytesIO
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pebble.pool.process import WorkerManager
from PIL import Image

from rawlabel.gather.collect.engines.decode_pool import DecodePool
from rawlabel.gather.collect.engines.image_worker import Examined, WorkerLimits, examine, has_end
from rawlabel.records import Reason
from tests.helpers.claimed_size import claiming
from tests.helpers.wire import jpeg

pytestmark = pytest.mark.integration

SCRIPT = Path(__file__).with_name("decode_script.py")


def run(photos: list[bytes], *, seconds: float = 10.0, **limits: object) -> list[Examined]:
    async def main() -> list[Examined]:
        chosen = WorkerLimits(**({"megabytes": 600, "max_megapixels": 64.0} | limits))  # type: ignore[arg-type]
        async with DecodePool(chosen, workers=2, seconds=seconds) as pool:
            return await asyncio.gather(*map(pool.examine, photos))

    return asyncio.run(main())


def workers_of(pool: DecodePool) -> list[BaseProcess]:
    """Its own: this process and its children may have started others, such as a browser."""
    return list(pool._pool._pool_manager.worker_manager.workers.values())


def test_no_worker_is_left_when_what_it_would_begin_with_is_taken_away(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """One that is just starting would say with a traceback what it misses."""
    left, close = list[int](), WorkerManager.close_channels

    def closing(manager: WorkerManager) -> None:
        left.append(sum(worker.is_alive() for worker in manager.workers.values()))
        close(manager)

    async def main() -> None:
        async with DecodePool(WorkerLimits(600, 64.0), workers=3, seconds=10):
            pass

    monkeypatch.setattr(WorkerManager, "close_channels", closing)
    asyncio.run(main())
    assert left == [0]
    assert capfd.readouterr() == ("", "")


def png_bomb(side: int) -> bytes:
    """A PNG of a few kilobytes that claims `side` x `side` pixels, all of them there."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + kind + data + zlib.crc32(kind + data).to_bytes(4, "big")

    packer = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = side.to_bytes(4, "big") * 2 + bytes([1, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def test_photos_are_measured_and_bombs_refused_by_their_header() -> None:
    photos = [jpeg(1), jpeg(2, form="PNG"), jpeg(3, form="WEBP"), claiming(60_000, 60_000), png_bomb(30_000),
              b"<svg/>", jpeg(4)[:-2], jpeg(5)[:900], b""]  # fmt: skip
    found = run(photos)
    reasons = [one.decoded.reason for one in found]
    assert reasons == [None, None, None, Reason.TOO_LARGE, Reason.TOO_LARGE, Reason.NOT_AN_IMAGE, Reason.TRUNCATED,
                       Reason.TRUNCATED, Reason.NOT_AN_IMAGE]  # fmt: skip
    assert [one.sha256 for one in found] == [hashlib.sha256(photo).hexdigest() for photo in photos]
    assert found[0] == examine(photos[0])
    assert (found[0].decoded.width, found[0].decoded.height, found[0].resized) == (96, 64, None)


def test_a_bomb_within_the_pixel_limit_meets_the_limit_of_memory() -> None:
    small, bomb = run([jpeg(), png_bomb(20_000)], megabytes=300, max_megapixels=1000.0)
    assert small.decoded.reason is None
    assert bomb.decoded.reason is Reason.DECODE_LIMIT


def test_photos_are_resized_to_a_shorter_side_and_never_enlarged() -> None:
    large, small = run([jpeg(1, side=200), jpeg(2, side=32)], resize=64)
    sizes = [Image.open(BytesIO(one.resized or b"")).size for one in (large, small)]
    assert sizes == [(96, 64), (48, 32)]
    assert (large.decoded.width, large.decoded.height) == (300, 200)


def test_only_the_guilty_photos_of_a_batch_are_refused() -> None:
    ended = subprocess.run([sys.executable, SCRIPT, "misbehave"], capture_output=True, text=True, check=True)
    reasons = dict(line.split(": ") for line in ended.stdout.splitlines())
    assert len(reasons) == 23
    refused = {photo for photo, reason in reasons.items() if reason == Reason.DECODE_LIMIT}
    assert refused == {"slow", "greedy", "deadly"}
    assert {reason for photo, reason in reasons.items() if photo not in refused} == {"None"}


def test_the_workers_load_nothing_but_decoders() -> None:
    ended = subprocess.run([sys.executable, SCRIPT, "modules"], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "[]"


def children(pid: int) -> list[psutil.Process]:
    return psutil.Process(pid).children(recursive=True)


@pytest.mark.parametrize(
    ("wish", "number"),
    [("hang", signal.SIGKILL), ("hang", signal.SIGINT), ("hang", signal.SIGTERM), ("begin", signal.SIGINT)],
)
def test_no_process_outlives_its_parent(wish: str, number: signal.Signals) -> None:
    """Even one that hangs in a decoder or only starts, and even when the parent has no time to say goodbye."""
    parent = subprocess.Popen(
        [sys.executable, SCRIPT, wish], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    assert parent.stdout is not None
    assert parent.stdout.readline().strip() == "decoding"
    family = children(parent.pid)
    assert len(family) >= 3
    # Ctrl-C reaches every process of the terminal.
    (os.killpg if number == signal.SIGINT else os.kill)(parent.pid, number)
    _, errors = parent.communicate(timeout=240)
    _, alive = psutil.wait_procs(family, timeout=120)
    assert not alive
    if number != signal.SIGKILL:
        assert errors == ""


def test_a_worker_that_ends_while_the_pool_is_stopped_is_no_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when Ctrl-C comes while a worker is being taken off the pool's list in another thread."""
    stop_workers = WorkerManager.force_stop_workers
    stumbles = [KeyError(11970)]

    def stumble_once(manager: WorkerManager) -> None:
        if stumbles:
            raise stumbles.pop()
        stop_workers(manager)

    monkeypatch.setattr(WorkerManager, "force_stop_workers", stumble_once)

    async def main() -> list[int]:
        async with DecodePool(WorkerLimits(600, 64.0), workers=1, seconds=20) as pool:
            await pool.examine(jpeg())
            return [one.pid or 0 for one in workers_of(pool)]

    pids = asyncio.run(main())
    assert len(pids) == 1
    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert not stumbles


def test_a_worker_that_dies_between_two_tasks_is_replaced() -> None:
    async def main() -> list[Examined]:
        async with DecodePool(WorkerLimits(600, 64.0), workers=2, seconds=10.0) as pool:
            first = await pool.examine(jpeg(1))
            workers = workers_of(pool)
            assert len(workers) == 2
            for process in workers:
                process.kill()
            while any(process.is_alive() for process in workers):
                await asyncio.sleep(0.01)
            return [first, await pool.examine(jpeg(2))]

    assert [one.decoded.reason for one in asyncio.run(main())] == [None, None]


@settings(max_examples=150)
@given(
    form=st.sampled_from(["JPEG", "PNG", "GIF", "WEBP"]),
    changes=st.lists(st.tuples(st.integers(0, 3000), st.integers(0, 255)), max_size=12),
    cut=st.none() | st.integers(0, 3000),
)
def test_no_damage_raises(form: str, changes: list[tuple[int, int]], cut: int | None) -> None:
    data = bytearray(jpeg(side=24, form=form))
    for at, value in changes:
        data[at % len(data)] = value
    found = examine(bytes(data[:cut]))
    assert (found.decoded.pixel_sha256 is None) == (found.decoded.reason is not None)


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture() -> None:
    exif = Image.Exif()
    exif[0x010E] = jpeg(1, side=16).decode("latin-1")
    stream = BytesIO()
    Image.open(BytesIO(jpeg(2))).save(stream, "JPEG", exif=exif.tobytes() + jpeg(1, side=16))
    whole = stream.getvalue()
    assert has_end(whole)
    assert has_end(whole + b"trailing bytes")
    assert whole[:-2].count(b"\xff\xd9") >= 1
    assert not has_end(whole[:-2])
