"""Serve photos from memory on many loopback addresses, as cheaply as Python can: a process of its own.

Usage: image_server.py NUM_PHOTOS NUM_HOSTS [SIDE]; prints the port when it is ready.
"""

from __future__ import annotations

import asyncio
import sys

import cv2
import numpy as np

_COARSE = 24


def photo(number: int, side: int) -> bytes:
    """A JPEG of `side` x 3/4 `side` pixels, different for each number: soft shapes under some grain."""
    random = np.random.default_rng(number)
    coarse = random.integers(0, 255, (_COARSE * 3 // 4, _COARSE, 3), dtype=np.uint8)
    soft = cv2.resize(coarse, (side, side * 3 // 4), interpolation=cv2.INTER_CUBIC)
    grain = random.integers(0, 24, soft.shape, dtype=np.uint8)
    _, jpeg = cv2.imencode(".jpg", cv2.add(soft, grain), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return jpeg.tobytes()


class PhotoProtocol(asyncio.Protocol):
    """Answers `GET /<number>.jpg`, and as many requests on one connection as come."""

    replies: list[bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            number = int(head[5 : head.index(b".jpg")])
            self._transport.write(self.replies[number % len(self.replies)])
            if b"connection: close" in head.lower():
                self._transport.close()


async def serve(num_photos: int, num_hosts: int, side: int) -> None:
    bodies = [photo(number, side) for number in range(num_photos)]
    head = "HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {}\r\n\r\n"
    PhotoProtocol.replies = [head.format(len(body)).encode() + body for body in bodies]
    loop = asyncio.get_running_loop()
    first = await loop.create_server(PhotoProtocol, host_address(0), 0, backlog=1000)
    port = first.sockets[0].getsockname()[1]
    for number in range(1, num_hosts):
        await loop.create_server(PhotoProtocol, host_address(number), port, backlog=1000)
    print(port, sum(map(len, bodies)) // len(bodies), flush=True)
    await asyncio.Event().wait()


def host_address(number: int) -> str:
    return f"127.0.{number // 250}.{number % 250 + 1}"


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 500))
