"""The page's server: who may ask, and what is answered. It listens to this machine alone.

Another site that is open in the same browser can neither read nor answer: it does not know the token in the
address, its requests name another origin, and a name of its own that leads to this machine (DNS rebinding) is no
name that is served. Nothing of a request becomes a path.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from aiohttp import web
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from rawlabel.artifacts.review.answers import Answer
from rawlabel.artifacts.review.pairs import KINDS
from rawlabel.errors import DataError, DiskError
from rawlabel.show.review.cards import Progress
from rawlabel.show.review.pictures import MEDIA_TYPE, Pictures
from rawlabel.show.review.session import VIEWS, Session

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
Result = TypeVar("Result")

MOST_ROWS = 200
"""Photos that one answer may be about; a page shows fewer."""
_MOST_BYTES = 64 * 1024
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_STATIC = {"app.js": "text/javascript", "app.css": "text/css", "icon.svg": "image/svg+xml"}
_NUMBER = r"\d{1,12}"
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


@dataclass(frozen=True)
class Shown:
    """What the page says about the project beside its photos."""

    name: str
    classes: Mapping[str, str]
    """Name by class id."""
    answers: Path
    next_command: str


class _Answers(BaseModel):
    """The body of an answer."""

    model_config = ConfigDict(strict=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{16,64}$")
    view: str
    answers: dict[str, str] = Field(min_length=1, max_length=MOST_ROWS)
    """Answer by the row of the photo, as text since JSON has no other keys."""


class _Undo(BaseModel):
    """The body of a request to take the newest look back."""

    model_config = ConfigDict(strict=True, extra="forbid")

    id: str = Field(pattern=r"^[0-9a-f]{16,64}$")


class ReviewServer:
    """The handlers of one sitting."""

    def __init__(self, token: str, session: Session, pictures: Pictures, shown: Shown) -> None:
        self._token, self._session, self._pictures, self._shown = token, session, pictures, shown
        # One thread for what is remembered, so that answers are taken one after the other; others for pictures.
        self._one = ThreadPoolExecutor(1, thread_name_prefix="answers")
        self._many = ThreadPoolExecutor(4, thread_name_prefix="pictures")

    def application(self) -> web.Application:
        """The application with all its pages, behind the guard of its token."""
        app = web.Application(middlewares=[self._guard], client_max_size=_MOST_BYTES)
        app.router.add_get("/{token}/", self._page)
        app.router.add_get("/{token}/static/{name}", self._static)
        app.router.add_get("/{token}/api/about", self._about)
        app.router.add_get("/{token}/api/queue/{view}", self._queue)
        app.router.add_get("/{token}/api/classes", self._classes)
        app.router.add_get("/{token}/api/class", self._class)
        app.router.add_get("/{token}/api/groups", self._groups)
        app.router.add_get(f"/{{token}}/api/groups/{{place:{_NUMBER}}}", self._group)
        app.router.add_post("/{token}/api/answers", self._answer)
        app.router.add_post("/{token}/api/undo", self._undo)
        app.router.add_get(f"/{{token}}/pictures/{{row:{_NUMBER}}}/{{size:small|large}}", self._picture)
        app.router.add_get(
            f"/{{token}}/test-pictures/{{place:{_NUMBER}}}/{{size:small|large}}", self._test_picture
        )
        app.on_cleanup.append(self._close)
        return app

    async def progress(self) -> Progress:
        """How many photos were looked at so far, and what was said of them."""
        return await self._remember(self._session.progress)

    async def _close(self, _: web.Application) -> None:
        self._many.shutdown(cancel_futures=True)
        await self._remember(self._session.close)
        self._one.shutdown()

    async def _remember(self, act: Callable[..., Result], *values: object) -> Result:
        return await asyncio.get_running_loop().run_in_executor(self._one, act, *values)

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            self._refuse_strangers(request)
            response = await handler(request)
        except web.HTTPException as error:
            response = _said(error.status, error.reason)
        except (DataError, ValidationError) as error:
            response = _said(400, " ".join(str(error).split())[:300])
        except DiskError as error:
            response = _said(507, str(error))
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    def _refuse_strangers(self, request: web.Request) -> None:
        """Raise for a request that the page did not make."""
        if _host(request.host) not in _LOOPBACK:
            raise web.HTTPMisdirectedRequest(reason="this page is served to this machine alone")
        given = request.match_info.get("token", "")
        if not hmac.compare_digest(given.encode("utf-8", "replace"), self._token.encode()):
            raise web.HTTPNotFound(reason="no such page; take the address that `rawlabel review` printed")
        origin = request.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != request.host:
            raise web.HTTPForbidden(reason="another site asks")
        if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
            raise web.HTTPForbidden(reason="another site asks")
        if request.method == "POST" and request.content_type != "application/json":
            raise web.HTTPUnsupportedMediaType(reason="answers are JSON")

    async def _page(self, _: web.Request) -> web.Response:
        html = _environment().get_template("page.html.j2").render(shown=self._shown)
        return web.Response(text=html, content_type="text/html")

    async def _static(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if name not in _STATIC:
            raise web.HTTPNotFound(reason="no such file")
        return web.Response(text=_static_text(name), content_type=_STATIC[name])

    async def _about(self, _: web.Request) -> web.Response:
        return _json({"shown": self._shown, "progress": await self.progress()})

    async def _queue(self, request: web.Request) -> web.Response:
        view = request.match_info["view"]
        if view not in ("suspects", *KINDS):
            raise web.HTTPNotFound(reason="no such view")
        return _json(await self._remember(self._session.queue, view, _number(request, "after") or 0))

    async def _classes(self, _: web.Request) -> web.Response:
        return _json(await self._remember(self._session.classes))

    async def _class(self, request: web.Request) -> web.Response:
        name = request.query.get("name", "")
        return _json(await self._remember(self._session.of_class, name, _number(request, "after")))

    async def _groups(self, _: web.Request) -> web.Response:
        return _json(await self._remember(self._session.groups))

    async def _group(self, request: web.Request) -> web.Response:
        place = int(request.match_info["place"])
        return _json(await self._remember(self._session.of_group, place, _number(request, "after")))

    async def _answer(self, request: web.Request) -> web.Response:
        body = _Answers.model_validate_json(await request.read())
        if body.view not in VIEWS:
            raise web.HTTPBadRequest(reason="no such view")
        answers = {_row(row): _as_answer(answer) for row, answer in body.answers.items()}
        await self._remember(self._session.answer, body.id, body.view, answers)
        return _json(await self._remember(self._session.progress))

    async def _undo(self, request: web.Request) -> web.Response:
        body = _Undo.model_validate_json(await request.read())
        undone = await self._remember(self._session.undo, body.id)
        return _json({"undone": undone, "progress": await self._remember(self._session.progress)})

    async def _picture(self, request: web.Request) -> web.Response:
        name = await self._remember(self._session.path, int(request.match_info["row"]))
        if name is None:
            raise web.HTTPNotFound(reason="no such picture")
        return await self._sent(self._pictures.of_photo, name, request.match_info["size"])

    async def _test_picture(self, request: web.Request) -> web.Response:
        name = await self._remember(self._session.test_file, int(request.match_info["place"]))
        if name is None:
            raise web.HTTPNotFound(reason="no such picture")
        return await self._sent(self._pictures.of_file, Path(name), request.match_info["size"])

    async def _sent(self, make: Callable[..., bytes | None], *values: object) -> web.Response:
        made = await asyncio.get_running_loop().run_in_executor(self._many, make, *values)
        if made is None:
            raise web.HTTPNotFound(reason="the picture cannot be decoded")
        headers = {"Cache-Control": "private, max-age=86400"}
        return web.Response(body=made, content_type=MEDIA_TYPE, headers=headers)


def _host(named: str) -> str:
    """The name in a Host header, without its port; empty where it is none."""
    try:
        return urlsplit(f"//{named}").hostname or ""
    except ValueError:
        return ""


def _number(request: web.Request, name: str) -> int | None:
    """A whole number of the query; None where it is not given. Raises for what is none, or too large."""
    given = request.query.get(name)
    if given is None:
        return None
    if not re.fullmatch(r"\d{1,15}", given, re.ASCII):
        raise web.HTTPBadRequest(reason=f"{name} is no number")
    return int(given)


def _row(text: str) -> int:
    if not re.fullmatch(_NUMBER, text, re.ASCII):
        raise web.HTTPBadRequest(reason="a photo's number is none")
    return int(text)


def _as_answer(text: str) -> Answer:
    return TypeAdapter(Answer).validate_python(text)


def _json(value: object) -> web.Response:
    return web.Response(body=to_json(value, inf_nan_mode="null"), content_type="application/json")


def _said(status: int, text: str) -> web.Response:
    return web.Response(body=to_json({"error": text}), status=status, content_type="application/json")


@cache
def _environment() -> Environment:
    loader = PackageLoader("rawlabel.show.review")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True)


@cache
def _static_text(name: str) -> str:
    return files("rawlabel.show.review").joinpath("static", name).read_text("utf-8")
