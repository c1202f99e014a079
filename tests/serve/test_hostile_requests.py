"""Whatever a client sends, the server answers one sentence in bounded time and memory, and goes on serving."""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import select
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import pytest
from PIL import Image

from rawlabel.base.image_header import NotDecodable
from rawlabel.config import ServeConfig
from rawlabel.errors import ConfigError
from rawlabel.gather.collect.engines.pixel_pool import PixelPool
from rawlabel.show.serve import server as server_module
from rawlabel.show.serve.answers import Answer, GuessedClass, NotAPhoto, Pixels, ServedModel
from rawlabel.show.serve.limits import RateLimit
from rawlabel.show.serve.server import Service, serve
from tests.helpers.claimed_size import claiming
from tests.helpers.misbehaving_decoder import DEADLY, SLOW, decode_or_misbehave

pytestmark = pytest.mark.integration

PATIENCE = 120.0
"""Seconds in which a busy machine, too, has answered."""


class Stub:
    """Decodes as a run does, and has no network."""

    model = ServedModel("photos", "run", 3, ("red", "blue"), 1)

    def __init__(self, pool: PixelPool) -> None:
        self.pool, self.hold = pool, threading.Event()
        self.hold.set()

    async def decode(self, photo: bytes) -> Pixels:
        try:
            return await self.pool.pixels(photo)
        except NotDecodable as error:
            raise NotAPhoto(f"this {error}") from error

    def answer(self, pixels: Pixels, top: int, nearest: int) -> Answer:
        self.hold.wait(120)
        best = GuessedClass(class_id="red", name="red", probability=float(pixels[..., 0].mean() / 255))
        return Answer(classes=(best,), milliseconds=1.0)

    def thumbnail(self, number: int) -> bytes | None:
        return b"jpeg" if number == 0 else None


@contextmanager
def served(decode_seconds: float = PATIENCE, **changes: object) -> Iterator[tuple[int, Stub]]:
    """A server in a thread: its port, and what answers."""
    pool = PixelPool(max_megapixels=4.0, megabytes=512, seconds=decode_seconds, decode=decode_or_misbehave)
    stub, told, ended = Stub(pool), [], threading.Event()
    values = {"port": 0, "max_megabytes": 0.5, "rate": 10_000, "timeout": PATIENCE, "waiting": 8}
    loop = asyncio.new_event_loop()

    async def main() -> None:
        async with pool:
            service = Service(ServeConfig(**(values | changes)), stub)  # type: ignore[arg-type]
            # No time passes for it, or a slow machine would find a client's place free again.
            service._rate = RateLimit(service.config.rate, lambda: 0.0)
            await serve(service, told.append)

    def run() -> None:
        try:
            loop.run_until_complete(main())
        except asyncio.CancelledError:
            ended.set()
        finally:
            loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while not told:
            time.sleep(0.01)
        yield int(told[0].rstrip("/").rpartition(":")[2]), stub
    finally:
        stub.hold.set()
        loop.call_soon_threadsafe(lambda: [task.cancel() for task in asyncio.all_tasks(loop)])
        thread.join(5 * PATIENCE)
    assert ended.is_set(), "it did not end"


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    with served() as (port, _):
        yield port


def exchange(port: int, sent: bytes) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body of the first answer to bytes as they are; status 0 where the line was cut."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
        found = b""
        try:
            line.sendall(sent)
            while piece := line.recv(65536):
                found += piece
                head, _, body = found.partition(b"\r\n\r\n")
                length = [one for one in head.lower().split(b"\r\n") if one.startswith(b"content-length:")]
                if length and len(body) >= int(length[0].split(b":")[1]):
                    break
        except (ConnectionError, TimeoutError):
            pass
    head, _, body = found.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    status = int(lines[0].split()[1]) if len(lines[0].split()) > 1 else 0
    return status, dict(one.split(": ", 1) for one in lines[1:] if ": " in one), body


def post(body: bytes, *, path: str = "/v1/predict", **headers: str) -> bytes:
    values = {
        "Host": "127.0.0.1",
        "Content-Length": str(len(body)),
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in values.items() if value)
    return f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def photo(side: int = 32, kind: str = "PNG") -> bytes:
    stream = io.BytesIO()
    Image.new("RGB", (side, side), (255, 0, 0)).save(stream, kind)
    return stream.getvalue()


def form(*parts: tuple[str, bytes], boundary: str = "b0") -> bytes:
    written = b"".join(
        f"--{boundary}\r\nContent-Disposition: form-data; {name}\r\n\r\n".encode() + body + b"\r\n"
        for name, body in parts
    )
    return written + f"--{boundary}--\r\n".encode()


def form_post(*parts: tuple[str, bytes], kind: str = "multipart/form-data; boundary=b0") -> bytes:
    return post(form(*parts), Content_Type=kind)


def png_bomb(side: int) -> bytes:
    """A small file whose header promises, and whose data hold, a picture of many pixels."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = zlib.compress(bytes((side // 8 + 1) * side), 9)
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def animated(kind: str) -> bytes:
    """A red picture, then 200 others."""
    stream = io.BytesIO()
    others = [Image.new("RGB", (32, 32), (0, 0, number)) for number in range(200)]
    Image.new("RGB", (32, 32), (255, 0, 0)).save(stream, kind, save_all=True, append_images=others)
    return stream.getvalue()


GOOD = [
    post(photo()),
    post(photo(kind="JPEG"), Content_Type="image/png"),
    post(photo(), path="/v1/predict?top=1&nearest=0"),
    post(animated("GIF")),
    post(animated("PNG")),
    post(animated("WEBP")),
    form_post(('name="photo"; filename="../../../etc/passwd"', photo())),
    form_post(('name="note"', b"hello"), ('name="photo"; filename="%00<script>.php"', photo())),
    b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
    + f"{len(photo()):x}\r\n".encode() + photo() + b"\r\n0\r\n\r\n",
]  # fmt: skip


@pytest.mark.parametrize("sent", GOOD)
def test_a_photo_is_classified_however_it_comes(port: int, sent: bytes) -> None:
    status, headers, body = exchange(port, sent)
    assert status == 200, body
    assert json.loads(body)["classes"][0] == {
        "class_id": "red",
        "name": "red",
        "probability": pytest.approx(1, abs=0.02),
    }
    assert headers["X-Content-Type-Options"] == "nosniff" and "aiohttp" not in headers["Server"]


HOSTILE: list[tuple[str, Callable[[], bytes], int]] = [
    ("empty", lambda: post(b""), 400),
    ("no photo", lambda: post(b"<script>alert(1)</script>"), 415),
    ("a program", lambda: post(b"\x7fELF" + bytes(400)), 415),
    ("svg", lambda: post(b'<svg xmlns="http://www.w3.org/2000/svg"><image href="file:///x"/></svg>'), 415),
    ("30,000 x 30,000", lambda: post(claiming(30_000, 30_000)), 415),
    ("cut", lambda: post(photo(400, "JPEG")[:300]), 415),
    ("only a header", lambda: post(photo()[:33]), 415),
    ("png bomb", lambda: post(png_bomb(20_000)), 415),
    ("header of a giant", lambda: post(
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\x7f\xff\xff\xff" * 2 + b"\x08\2\0\0\0"), 415),
    ("gzip bomb", lambda: post(gzip.compress(bytes(50_000_000)), Content_Encoding="gzip"), 415),
    ("unknown encoding", lambda: post(photo(), Content_Encoding="br"), 415),
    ("says it is large", lambda: post(b"", Content_Length="99999999999"), 413),
    ("is large", lambda: post(bytes(600_000)), 413),
    ("is large in chunks", lambda: (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
        + b"10000\r\n" + bytes(65536) + b"\r\n") * 1 + (b"10000\r\n" + bytes(65536) + b"\r\n") * 12, 413),
    ("large part", lambda: form_post(('name="photo"', bytes(600_000))), 413),
    ("large other part", lambda: form_post(('name="x"', bytes(600_000))), 413),
    ("many parts", lambda: form_post(*[(f'name="x{i}"', b"1") for i in range(5000)]), 400),
    ("part's name with a zero", lambda: form_post(('name="photo"; filename="\x00"', photo())), 400),
    ("no such field", lambda: form_post(('name="file"', photo())), 400),
    ("empty field", lambda: form_post(('name="photo"', b"")), 400),
    ("no boundary", lambda: form_post(('name="photo"', photo()), kind="multipart/form-data"), 400),
    ("other boundary", lambda: form_post(('name="photo"', photo()), kind="multipart/form-data; boundary=zz"), 400),
    ("nested", lambda: form_post(('name="photo"', photo()), kind="multipart/mixed; boundary=b0"), 415),
    ("odd number", lambda: post(photo(), path="/v1/predict?top=1e9"), 400),
    ("negative", lambda: post(photo(), path="/v1/predict?nearest=-1"), 400),
    ("arabic digits", lambda: post(photo(), path="/v1/predict?top=%D9%A3"), 400),
    ("other verb", lambda: b"DELETE /v1/predict HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
    ("no route", lambda: b"GET /../../etc/passwd HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    ("encoded path", lambda: b"GET /training-photos/..%2f..%2fetc HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    ("no such photo", lambda: b"GET /training-photos/7 HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
    ("other host", lambda: post(photo(), Host="rebound.example"), 403),
    ("no host", lambda: post(photo(), Host=""), 400),
    ("other origin", lambda: post(photo(), Origin="https://evil.example"), 403),
    ("no origin's", lambda: post(photo(), Origin="null"), 403),
    ("huge header", lambda: post(photo(), X_Much="a" * 100_000), 400),
    ("many headers", lambda: post(photo(), **{f"X_{i}": "a" for i in range(5000)}), 400),
    ("huge line", lambda: b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    ("nonsense", lambda: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(200), 400),
    ("bad chunk", lambda: (
        b"POST /v1/predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"), 400),
]  # fmt: skip


@pytest.mark.parametrize(("make", "status"), [one[1:] for one in HOSTILE], ids=[one[0] for one in HOSTILE])
def test_what_is_no_photo_is_answered_with_one_sentence(port: int, make: Callable[[], bytes], status: int) -> None:
    found, _, body = exchange(port, make())
    # A server that stops reading may cut the line before its answer is read.
    assert found == status or (status in (413, 400) and found == 0), body
    assert b"Traceback" not in body and b".py" not in body and b"/work" not in body
    if body.startswith(b"{"):
        assert list(json.loads(body)) == ["error"]
    assert exchange(port, post(photo()))[0] == 200


def test_a_body_that_trickles_and_one_that_never_comes_are_given_up() -> None:
    with served(timeout=1.0) as (port, _):
        started = time.monotonic()
        status, _, body = exchange(port, post(b"\xff\xd8\xff", Content_Length="5000"))
        assert (status, time.monotonic() - started < 60) == (408, True)
        assert "did not arrive within 1 seconds" in json.loads(body)["error"]
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as line:
            line.sendall(post(b"", Content_Length="400000"))
            found, deadline = b"", time.monotonic() + PATIENCE
            line.settimeout(0.1)
            while not found and time.monotonic() < deadline:
                with suppress(ConnectionError):  # a line that was closed takes no byte, and holds the answer
                    line.sendall(b"x")
                with suppress(TimeoutError):
                    found = line.recv(4096)
        assert found.startswith(b"HTTP/1.1 408")


def test_a_photo_that_hangs_or_kills_what_decodes_it_holds_up_nobody() -> None:
    """Twice as many as there are processes, and more than one client gets places for."""
    found: list[int] = []
    started = time.monotonic()
    with served(decode_seconds=8.0) as (port, _):
        threads = [
            threading.Thread(target=lambda body=one: found.append(exchange(port, post(body))[0]))
            for one in (SLOW, DEADLY, SLOW, DEADLY)
        ]
        for thread in threads:
            thread.start()
        assert exchange(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200
        assert found.count(415) < 4 or time.monotonic() - started > 8  # a busy machine asked late
        for thread in threads:
            thread.join(PATIENCE)
        assert found == [415] * 4
        assert exchange(port, post(photo()))[0] == 200


def test_one_client_that_sends_slowly_does_not_send_others_away() -> None:
    with served(waiting=8) as (port, _):
        lines = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(8)]
        for line in lines:
            line.sendall(post(b"x", Content_Length="5000"))
        refused: list[socket.socket] = []
        while len(refused) < 4:
            [answered, *_], _, _ = select.select([one for one in lines if one not in refused], [], [], PATIENCE)
            assert b" 503 " in answered.recv(100)
            refused.append(answered)
        other = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=("127.0.0.2", 0))
        with other:
            other.sendall(post(photo()))
            assert other.recv(100).startswith(b"HTTP/1.1 200")
        for line in lines:
            line.close()


def test_connections_on_which_nothing_comes_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "_LONGEST_IDLE", 0.5)
    with served() as (port, _):
        lines = [socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) for _ in range(30)]
        for line in lines[:15]:
            line.sendall(b"POST /v1/predict HTTP/1.1\r\nHost: local")
        for line in lines:
            with suppress(ConnectionResetError):  # where bytes came as the server closed it
                assert line.recv(10) == b""
            line.close()
        found = (exchange(port, post(photo()))[0] for _ in range(40))
        assert next(filter(None, found)) == 200  # 0 where a busy machine connected, and asked too late


def test_a_client_that_asks_too_often_is_told_when_to_come_again() -> None:
    with served(rate=3) as (port, _):
        answers = [exchange(port, post(photo())) for _ in range(5)]
        assert [one[0] for one in answers] == [200, 200, 200, 429, 429]
        assert 1 <= int(answers[3][1]["Retry-After"]) <= 21
        assert exchange(port, b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")[0] == 200


def test_behind_a_proxy_each_client_has_a_limit_of_its_own_and_nobody_else_is_believed() -> None:
    def statuses(port: int, *forwarded: str) -> list[int]:
        sent = (post(photo(), Host="birds.example", X_Forwarded_For=one) for one in forwarded)
        return [exchange(port, one)[0] for one in sent]

    with served(rate=2, proxy=("127.0.0.1", "10.0.0.7")) as (port, _):
        assert statuses(port, *["198.51.100.1"] * 3) == [200, 200, 429]
        # The last proxy is the inner one, and what a client wrote before its own address is no news.
        assert statuses(port, *[f"198.51.100.{9 + one}, 2001:db8::2, 10.0.0.7" for one in range(3)]) == [
            200,
            200,
            429,
        ]
        assert statuses(port, "2001:DB8:0::2", "nonsense") == [429, 200]
    with served(rate=2) as (port, _):
        assert statuses(port, "198.51.100.1") == [403]  # a name that is not the server's, from no proxy
        sent = [post(photo(), X_Forwarded_For=f"198.51.100.{one}") for one in range(3)]
        assert [exchange(port, one)[0] for one in sent] == [200, 200, 429]
    with pytest.raises(ConfigError, match="--proxy nginx: is no IP address"):
        Service(ServeConfig(proxy=("nginx",)), Stub(None))  # type: ignore[arg-type]


def test_the_rate_limit_refills_and_forgets() -> None:
    now = [0.0]
    limit = RateLimit(60, lambda: now[0])
    assert [limit.wait_seconds("a") for _ in range(60)] == [0.0] * 60
    assert limit.wait_seconds("a") == pytest.approx(1.0)
    assert limit.wait_seconds("b") == 0.0
    now[0] = 1.5
    assert limit.wait_seconds("a") == 0.0
    for number in range(20_000):
        limit.wait_seconds(str(number))
    assert len(limit._tokens) <= 10_000


def test_photos_beyond_those_that_may_wait_are_sent_away_and_all_others_answered() -> None:
    with served(waiting=6) as (port, stub):
        stub.hold.clear()
        found: list[int] = []
        threads = [
            threading.Thread(target=lambda: found.append(exchange(port, post(photo()))[0])) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        deadline = time.monotonic() + 120
        while found.count(503) < 5 and time.monotonic() < deadline:
            time.sleep(0.02)
        stub.hold.set()
        for thread in threads:
            thread.join(120)
        assert sorted(found) == [200] * 3 + [503] * 5
        counts = exchange(port, b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")[2].decode()
        assert 'rawlabel_refused_total{reason="busy"} 5' in counts
        assert 'rawlabel_requests_total{route="/v1/predict",status="200"} 3' in counts
        assert "rawlabel_answer_seconds_count 3" in counts and "rawlabel_waiting 0" in counts


def test_the_description_names_every_route_and_what_it_answers(port: int) -> None:
    document = json.loads(exchange(port, b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n")[2])
    assert document["openapi"] == "3.1.0"
    predict = document["paths"]["/v1/predict"]["post"]
    assert set(predict["responses"]) == {"200", "400", "403", "408", "413", "415", "429", "503"}
    known = document["components"]["schemas"]
    assert set(known["Answer"]["required"]) <= set(known["Answer"]["properties"])
    text = json.dumps(document)
    assert all(
        f'"#/components/schemas/{name}"' in text for name in ("Answer", "Fault", "GuessedClass", "Neighbour")
    )
