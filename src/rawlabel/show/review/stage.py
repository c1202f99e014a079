"""`rawlabel review`: serve the page until Ctrl-C or SIGTERM; what was answered is on the disk at any time."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import shlex
import signal
import webbrowser
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import classes_of, newest_manifest
from rawlabel.artifacts.project import refuse_run
from rawlabel.artifacts.review.answer_file import AnswerFile, answers_path, read_answers
from rawlabel.base import messages
from rawlabel.base.files import locked
from rawlabel.base.signals import loop_signals
from rawlabel.config import ReviewConfig
from rawlabel.errors import ConfigError, DataError, Interrupted
from rawlabel.show.review.application import ReviewServer, Shown
from rawlabel.show.review.cards import Progress
from rawlabel.show.review.index import Evidence, evidence_of, open_index
from rawlabel.show.review.pictures import Pictures
from rawlabel.show.review.session import Session

FOLDER = "review"
"""In a project: the index and the small pictures; may be deleted."""
_HOST = "127.0.0.1"


@dataclass(frozen=True)
class Reviewed:
    """What came of a sitting."""

    answers: Path
    progress: Progress


def review(config: ReviewConfig, announce: Callable[[str], None]) -> Reviewed:
    """Serve the page about a project's newest manifest until a signal comes; `announce` gets its address.

    Raises `DataError` for a project without a manifest, or files that are damaged, `ConfigError` for a port in use
    or a project that another process serves, and `DiskError`.
    """
    project = config.project
    manifest = newest_manifest(project)
    if manifest is None:
        refuse_run(project)
        raise DataError(f"{project}: has no manifest to look at; run `rawlabel curate` first")
    with locked(project / ".review.lock") as is_ours:
        if not is_ours:
            raise ConfigError(f"{project}: another `rawlabel review` serves it; stop that one, or use its page")
        session = open_session(project, evidence_of(project, manifest, config.run))
        pictures = Pictures(ProjectPhotos(project), project / FOLDER / "pictures")
        shown = Shown(project.resolve().name, classes_of(manifest), answers_path(project), next_command(project))
        server = ReviewServer(token := secrets.token_urlsafe(24), session, pictures, shown)
        last = [session.progress()]

        async def main() -> None:
            stop = asyncio.Event()
            async with listening(server, config.port) as port:
                with loop_signals((signal.SIGINT, signal.SIGTERM), stop.set):
                    address = f"http://{_HOST}:{port}/{token}/"
                    announce(address)
                    if config.open:
                        webbrowser.open(address)
                    await stop.wait()
                    last[0] = await server.progress()

        with contextlib.suppress(KeyboardInterrupt, Interrupted):
            asyncio.run(main())
    return Reviewed(answers_path(project), last[0])


def next_command(project: Path) -> str:
    """The command that takes the answers into a new manifest, to be copied."""
    return shlex.join(["rawlabel", "curate", str(project), "--drop", str(answers_path(project))])


def open_session(project: Path, evidence: Evidence) -> Session:
    """What there is to look at in a project, with the answers so far. Raises `DataError` and `DiskError`."""
    read = read_answers(answers_path(project))
    if read.torn:
        messages.note(f"{answers_path(project)}: {read.torn} unfinished lines are passed over")
    return Session(open_index(evidence, project / FOLDER), read.answers, AnswerFile(answers_path(project)))


@contextlib.asynccontextmanager
async def listening(server: ReviewServer, port: int) -> AsyncIterator[int]:
    """Serve in the running loop until the block is left; gives the port. Raises `ConfigError` for one in use."""
    runner = web.AppRunner(server.application(), access_log=None, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, _HOST, port).start()
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise ConfigError(f"--port {port}: cannot be listened on ({error.strerror})") from error
            raise ConfigError(f"--port {port}: is in use; choose another, or 0 for a free one") from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
