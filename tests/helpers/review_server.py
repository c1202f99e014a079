"""The review page's server on loopback, and a client for it."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.error import HTTPError

from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import classes_of
from rawlabel.artifacts.review.answer_file import answers_path
from rawlabel.show.review.application import ReviewServer, Shown
from rawlabel.show.review.index import evidence_of
from rawlabel.show.review.pictures import Pictures
from rawlabel.show.review.stage import listening, next_command, open_session

TOKEN = "a-token-of-tests"


@dataclass
class Served:
    """The page of a project, and a client for it."""

    project: Path
    port: int
    token: str = TOKEN

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}/{self.token}/"

    def ask(self, path: str, body: object = None, **headers: str) -> tuple[int, dict[str, object]]:
        """Status and JSON of an answer; a `body` makes it a POST."""
        data = None if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Content-Type": "application/json"} if data is not None else {}
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        where = path if path.startswith("http") else self.address + path
        try:
            request = urllib.request.Request(where, data, given)  # noqa: S310 (its own server)
            with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310
                return answer.status, json.loads(answer.read())
        except HTTPError as error:
            return error.code, json.loads(error.read())

    def fetch(self, path: str, header: str = "Content-Type") -> tuple[str, bytes]:
        """One header and the bytes of what lies there."""
        with urllib.request.urlopen(self.address + path, timeout=120) as answer:  # noqa: S310
            return answer.headers[header], answer.read()

    def answer(
        self, answers: dict[int, str], view: str = "suspects", name: str = ""
    ) -> tuple[int, dict[str, object]]:
        told = {str(row): answer for row, answer in answers.items()}
        return self.ask("api/answers", {"id": name or secrets.token_hex(12), "view": view, "answers": told})

    def undo(self) -> dict[str, object]:
        return self.ask("api/undo", {"id": secrets.token_hex(12)})[1]

    def queue(self, view: str = "suspects", after: int = 0) -> list[dict[str, object]]:
        return self.ask(f"api/queue/{view}?after={after}")[1]["questions"]  # type: ignore[return-value]


@contextmanager
def serving(project: Path, manifest: Path) -> Iterator[Served]:
    """Serve a project's page in a thread until the block is left."""
    loop, started, stop = asyncio.new_event_loop(), threading.Event(), asyncio.Event()
    session = open_session(project, evidence_of(project, manifest))
    shown = Shown(project.name, classes_of(manifest), answers_path(project), next_command(project))
    server = ReviewServer(TOKEN, session, Pictures(ProjectPhotos(project), project / "review" / "pictures"), shown)
    ports: list[int] = []

    async def main() -> None:
        async with listening(server, 0) as port:
            ports.append(port)
            started.set()
            await stop.wait()

    def run() -> None:
        # Also ends what a browser has just begun to ask.
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        while not started.wait(1):
            assert thread.is_alive(), "the server did not start"
        yield Served(project, ports[0])
    finally:
        if thread.is_alive():
            loop.call_soon_threadsafe(stop.set)
        thread.join()
