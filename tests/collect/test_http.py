"""Whatever a server does, the client ends with a response, in bounded time and memory, and gives nothing away."""

from __future__ import annotations

import asyncio
import gzip
import logging
import time
import zlib
from collections.abc import Awaitable, Callable
from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from yarl import URL

from rawlabel.gather.collect.http.client import HttpClient, Response
from rawlabel.gather.collect.http.headers import opt_out_directive, retry_after_seconds
from rawlabel.gather.collect.http.host_limits import HostLimits
from rawlabel.gather.collect.http.host_state import LONGEST_WAIT, Ticket
from rawlabel.gather.collect.http.host_state import Answer as HostAnswer
from rawlabel.records import Reason
from tests.helpers.wire import NOBODY, Answer, Asked, Wire, jpeg, redirect, reply, settings, wired

pytestmark = pytest.mark.integration

KEY = "sesame-7431"


def ask(
    answer: Answer | list[Answer], *, image: bool = True, path: str = "photo", **changes: object
) -> tuple[Response, Wire]:
    """What the client makes of one answer."""

    async def main() -> tuple[Response, Wire]:
        async with wired(photo=answer, end=reply(body=jpeg())) as wire, HttpClient(settings(**changes)) as http:
            return await http.get(f"{wire.address}/{path}", image=image), wire

    return asyncio.run(main())


def chunked(body: bytes, *, end: bool = True) -> bytes:
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    return head + f"{len(body):x}\r\n".encode() + body + (b"\r\n0\r\n\r\n" if end else b"\r\n")


def test_a_photo_comes_with_what_its_host_says() -> None:
    body = jpeg()
    response, wire = ask(
        [reply(body=body, ETag='"a1"', Last_Modified="Mon, 01 Jan 2024 00:00:00 GMT", Content_Type="image/jpeg",
               imagewidth="96", imageheight="64")], path="photo?x=1#top",
    )  # fmt: skip
    assert response == Response(
        body, f"{wire.address}/photo", 200, etag='"a1"', last_modified="Mon, 01 Jan 2024 00:00:00 GMT",
        content_type="image/jpeg", stated_size=(96, 64), attempts=1,
    )  # fmt: skip
    assert wire.asked[0].target == "/photo?x=1"
    headers = wire.asked[0].headers
    assert headers["User-Agent"].startswith("rawlabel/")
    assert headers["Accept-Encoding"] == "identity"
    assert not {"Referer", "Cookie", "Authorization"} & set(headers)


STATUSES = [
    (reply(404), Reason.HTTP_GONE, 1),
    (reply(410), Reason.HTTP_GONE, 1),
    (reply(401), Reason.FORBIDDEN, 1),
    (reply(403, b"<html>no</html>"), Reason.FORBIDDEN, 1),
    (reply(451), Reason.FORBIDDEN, 1),
    (reply(418), Reason.FORBIDDEN, 1),
    (reply(204), Reason.HTTP_ERROR, 1),
    (reply(206, b"part"), Reason.HTTP_ERROR, 1),
    (reply(304), Reason.HTTP_ERROR, 1),
    (reply(500), Reason.HTTP_ERROR, 2),
    (reply(408), Reason.HTTP_ERROR, 2),
    (reply(503), Reason.HTTP_ERROR, 2),
    (reply(429, Retry_After="0"), Reason.THROTTLED, 2),
    (reply(429, Retry_After="9999"), Reason.THROTTLED, 1),
    (reply(429, Retry_After="9" * 400), Reason.THROTTLED, 1),
    (b"nonsense\r\n\r\n", Reason.HTTP_ERROR, 2),
    (reply(body=jpeg()[:400], length=9000), Reason.HTTP_ERROR, 2),
    (chunked(jpeg(), end=False), Reason.HTTP_ERROR, 2),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Reason.HTTP_ERROR, 2),
    (reply(body=b"<!DOCTYPE html><p>Are you a robot?"), Reason.SOFT_BLOCK, 1),
    (reply(body=b"sorry", Content_Type="text/html; charset=utf-8"), Reason.SOFT_BLOCK, 1),
    (reply(body=jpeg(), X_Robots_Tag="noai"), Reason.OPT_OUT, 1),
    (reply(body=jpeg(), TDM_Reservation="1"), Reason.OPT_OUT, 1),
    (reply(body=b"x", Content_Encoding="br"), Reason.HTTP_ERROR, 1),
    (reply(body=gzip.compress(bytes(3_000_000)), Content_Encoding="gzip"), Reason.TOO_LARGE, 1),
    (reply(length=3_000_000), Reason.TOO_LARGE, 1),
    (redirect("http://10.0.0.1/a.jpg"), Reason.REFUSED_ADDRESS, 1),
    (redirect("http://169.254.169.254/latest/meta-data"), Reason.REFUSED_ADDRESS, 1),
    (redirect("http://2852039166/latest/meta-data"), Reason.REFUSED_ADDRESS, 1),
    (redirect("http://[fd00::1]/"), Reason.REFUSED_ADDRESS, 1),
    (redirect("file:///etc/passwd"), Reason.REFUSED_ADDRESS, 1),
    (redirect("data:image/png;base64,AAAA"), Reason.REFUSED_ADDRESS, 1),
    (redirect("http://user:word@127.0.0.1/"), Reason.REFUSED_ADDRESS, 1),
    (redirect("http://[::1"), Reason.REDIRECTS, 1),
    (redirect("/photo"), Reason.REDIRECTS, 1),
]


@pytest.mark.parametrize(("answer", "reason", "attempts"), STATUSES)
def test_each_fault_has_its_reason_and_only_passing_ones_are_tried_again(
    answer: bytes, reason: Reason, attempts: int
) -> None:
    response, wire = ask(answer, max_megabytes=1)
    assert (response.failure, response.attempts) == (reason, attempts), response.detail
    assert len(wire.asked) == attempts
    assert response.body == b""
    assert response.detail
    # A fault that is tried again within a run is also asked again by a later one.
    assert reason.may_pass or attempts == 1


def test_a_fault_that_passes_is_no_fault() -> None:
    response, wire = ask([reply(500), reply(body=jpeg())])
    assert (response.failure, response.attempts, len(wire.asked)) == (None, 2, 2)


PARTS = (jpeg()[:100], jpeg()[100:])
WHOLE = f"bytes 0-{len(jpeg()) - 1}/{len(jpeg())}"


@pytest.mark.parametrize(
    "answer",
    [
        reply(body=jpeg(), Content_Encoding="UTF-8"),
        reply(body=jpeg(), Content_Encoding="gzip"),
        reply(body=jpeg(), Content_Encoding="br"),
        reply(body=jpeg(), Content_Encoding="none"),
        reply(body=gzip.compress(jpeg()), Content_Encoding="GZIP"),
        reply(body=gzip.compress(PARTS[0]) + gzip.compress(PARTS[1]), Content_Encoding="gzip"),
        reply(body=gzip.compress(jpeg()) + bytes(7), Content_Encoding="x-gzip"),
        reply(body=gzip.compress(gzip.compress(jpeg())), Content_Encoding="gzip, gzip"),
        reply(body=gzip.compress(jpeg()), Content_Encoding="utf-8, gzip"),
        reply(body=zlib.compress(jpeg()), Content_Encoding="deflate"),
        reply(body=zlib.compress(jpeg())[2:-4], Content_Encoding="deflate"),
        reply(203, jpeg()),
        reply(206, jpeg(), Content_Range=WHOLE),
    ],
)
def test_a_whole_photo_is_one_whatever_its_host_says_of_the_way_it_came(answer: bytes) -> None:
    response, wire = ask(answer)
    assert (response.failure, response.body == jpeg(), len(wire.asked)) == (None, True, 1), response.detail


@pytest.mark.parametrize(
    "answer",
    [
        reply(206, jpeg(), Content_Range=f"bytes 0-{len(jpeg()) - 1}/{len(jpeg()) + 1}"),
        reply(206, jpeg()[:-1], Content_Range=WHOLE),
        reply(206, jpeg(), Content_Range="bytes 0-0/*"),
        reply(body=b"{}", Content_Encoding="br"),
        reply(body=gzip.compress(b"{}")[:-9], Content_Encoding="gzip"),
        reply(body=b"x", Content_Encoding=", ".join(["gzip"] * 9)),
    ],
)
def test_a_part_of_a_photo_and_damaged_compression_are_faults(answer: bytes) -> None:
    response, _ = ask(answer)
    assert (response.failure, response.body) == (Reason.HTTP_ERROR, b"")


@pytest.mark.parametrize("form", ["seconds", "date"])
def test_retry_after_is_waited_for(form: str) -> None:
    due: list[float] = []
    num_naps = 0

    async def throttled(asked: Asked, writer: asyncio.StreamWriter) -> None:
        # A date is in whole seconds. It is made when it is sent: were it made before, some of it could be over.
        now = time.time()
        until = int(now + 2)
        due.append(time.monotonic() + (1 if form == "seconds" else until - now))
        writer.write(reply(429, Retry_After="1" if form == "seconds" else formatdate(until, usegmt=True)))

    async def nap() -> None:
        nonlocal num_naps
        while True:
            await asyncio.sleep(0.01)
            num_naps += 1

    async def main() -> tuple[Response, Wire]:
        async with wired(photo=[throttled, reply(body=jpeg())]) as wire, HttpClient(settings()) as http:
            napping = asyncio.create_task(nap())
            response = await http.get(f"{wire.address}/photo", image=True)
            napping.cancel()
            return response, wire

    response, wire = asyncio.run(main())
    assert response.failure is None
    _, second = (one.at for one in wire.asked)
    assert second >= due[0] - 0.05
    # Four seconds at most; those that the machine itself stood still are not among them.
    assert num_naps * 0.01 < 4


class HeardLimits(HostLimits):
    """Says when a refusal has been heard."""

    def __init__(self) -> None:
        super().__init__(per_host=8)
        self.refused = asyncio.Event()

    def report(self, ticket: Ticket, answer: HostAnswer | None, retry_after: float | None = None) -> None:
        super().report(ticket, answer, retry_after)
        if answer is HostAnswer.THROTTLED:
            self.refused.set()


def test_a_429_stops_the_whole_host() -> None:
    async def main() -> Wire:
        limits = HeardLimits()
        async with (
            wired(a=[reply(429, Retry_After="1"), reply()], b=reply()) as wire,
            HttpClient(settings(), limits) as http,
        ):
            first = asyncio.create_task(http.get(f"{wire.address}/a"))
            await limits.refused.wait()
            await asyncio.gather(first, *(http.get(f"{wire.address}/b") for _ in range(3)))
            return wire

    wire = asyncio.run(main())
    assert len(wire.asked) == 5
    assert all(one.at - wire.asked[0].at >= 0.95 for one in wire.asked[1:])


LONGEST = 20.0
"""Seconds in which a busy machine, too, has given up what would go on for 30, or for ever."""


async def endless(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n")
    while True:
        writer.write(b"\xff\xd8\xff" + bytes(65536))
        await writer.drain()


async def drip(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.2)


async def silence(asked: Asked, writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def hang_up(asked: Asked, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


@pytest.mark.parametrize(
    ("answer", "changes", "reason"),
    [
        (endless, {"max_megabytes": 2}, Reason.TOO_LARGE),
        (drip, {"deadline": 1.0}, Reason.TIMEOUT),
        (silence, {"timeout": 0.5, "attempts": 1}, Reason.TIMEOUT),
        (hang_up, {"attempts": 1}, Reason.UNREACHABLE),
    ],
    ids=["endless", "drip", "silence", "hang up"],
)
def test_no_server_holds_the_client(
    answer: Callable[[Asked, asyncio.StreamWriter], Awaitable[None]],
    changes: dict[str, object],
    reason: Reason,
) -> None:
    started = time.monotonic()
    response, _ = ask(answer, **changes)
    assert response.failure is reason
    assert time.monotonic() - started < LONGEST


def test_a_drip_above_the_time_limit_of_each_read_is_too_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rawlabel.gather.collect.http.client.SPEED_GRACE", 0.5)
    started = time.monotonic()
    response, _ = ask(drip, deadline=60.0, min_speed=1.0)
    assert (response.failure, response.detail) == (Reason.TIMEOUT, "sends too slowly")
    assert time.monotonic() - started < LONGEST


def test_redirects_are_followed_and_recorded_up_to_five() -> None:
    async def main() -> tuple[Response, Response]:
        hops: dict[str, Answer | list[Answer]] = {f"h{i}": redirect(f"h{i + 1}?secret={KEY}") for i in range(6)}
        async with wired(**hops, h6=reply(body=jpeg())) as wire, HttpClient(settings()) as http:
            return await http.get(f"{wire.address}/h1"), await http.get(f"{wire.address}/h0")

    five, six = asyncio.run(main())
    assert (five.failure, six.failure) == (None, Reason.REDIRECTS)
    assert [one.rsplit("/", 1)[1] for one in five.redirects] == ["h1", "h2", "h3", "h4", "h5"]
    assert five.final_url.endswith("/h6")
    assert KEY not in repr(five)


def test_what_a_request_carries_does_not_go_to_another_host() -> None:
    async def main() -> tuple[Response, Response, Response, Wire, Wire]:
        async with wired(end=reply()) as other, HttpClient(settings()) as http:
            away = redirect(f"{other.address}/end")
            async with wired(away=away, near=redirect("/end"), end=reply()) as wire:
                token = {"Authorization": f"Bearer {KEY}"}
                headers_only = await http.get(f"{wire.address}/away", headers=token)
                with_key = await http.get(f"{wire.address}/away", {"api_key": KEY})
                with_form = await http.get(f"{wire.address}/away", data={"client_secret": KEY})
                await http.get(f"{wire.address}/near", headers=token)
                assert headers_only.failure is None
                return headers_only, with_key, with_form, wire, other

    _, with_key, with_form, wire, other = asyncio.run(main())
    assert (with_key.failure, with_form.failure) == (Reason.REDIRECTS, Reason.REDIRECTS)
    assert KEY not in repr((with_key, with_form))
    assert [one.path for one in other.asked] == ["/end"]
    assert KEY not in repr(other.asked)
    assert wire.asked[-1].headers["Authorization"].endswith(KEY)
    assert next(one for one in wire.asked if one.method == "POST").body == f"client_secret={KEY}".encode()


def test_loopback_is_refused_before_anything_is_sent_unless_allowed() -> None:
    async def main() -> tuple[list[Response], Wire]:
        async with wired(photo=reply()) as wire, HttpClient(settings(allow_loopback=False)) as http:
            port = wire.address.rsplit(":", 1)[1]
            hosts = ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0"]
            return [await http.get(f"http://{host}:{port}/photo") for host in hosts], wire

    responses, wire = asyncio.run(main())
    assert {response.failure for response in responses} == {Reason.REFUSED_ADDRESS}
    assert not wire.asked


def test_a_name_that_changes_its_address_between_check_and_connection_gains_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The last look is at the address that is connected to, whatever the checks before it were told."""

    async def main() -> tuple[Response, Wire]:
        async with wired(photo=reply()) as wire, HttpClient(settings(allow_loopback=False)) as http:
            monkeypatch.setattr("rawlabel.gather.collect.http.client.checked_url", lambda url, **_: URL(url))
            return await http.get(f"{wire.address}/photo"), wire

    response, wire = asyncio.run(main())
    assert response.failure is Reason.REFUSED_ADDRESS
    assert not wire.asked


def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    response, _ = ask(reply(body=jpeg()))
    assert response.failure is None


def test_a_dead_name_and_a_closed_port_cannot_be_reached() -> None:
    async def main() -> list[Response]:
        async with HttpClient(settings(attempts=1)) as http:
            return [await http.get(f"{NOBODY}/a"), await http.get("http://no-such-host.invalid/a?api_key=k")]

    closed, dead = asyncio.run(main())
    assert (closed.failure, dead.failure) == (Reason.UNREACHABLE, Reason.UNREACHABLE)
    assert closed.detail.startswith("cannot be reached (")
    assert "api_key" not in repr(dead)


def test_an_api_may_answer_in_html_and_explain_a_refusal() -> None:
    async def main() -> tuple[Response, Response]:
        explained = reply(401, b'{"error": "key"}', Content_Type="application/json", X_Robots_Tag="noindex")
        page = reply(body=b"<html>", Content_Type="text/html", X_Robots_Tag="noindex")
        async with wired(a=page, b=explained) as wire, HttpClient(settings()) as http:
            return await http.get(f"{wire.address}/a"), await http.get(f"{wire.address}/b")

    page, explained = asyncio.run(main())
    assert (page.failure, page.body) == (None, b"<html>")
    assert (explained.failure, explained.body) == (Reason.FORBIDDEN, b'{"error": "key"}')


@pytest.mark.parametrize(
    ("headers", "directive"),
    [
        (["noai"], "noai"),
        (["nofollow, NoImageAI"], "noimageai"),
        (["max-image-preview: large, noindex"], "noindex"),
        (["rawlabel: noimageindex"], "noimageindex"),
        (["otherbot: noindex, nofollow", "noai"], "noai"),
        (["unavailable_after: 25 Jun 2030 15:00:00 PST, none"], "none"),
        (["otherbot: nofollow, rawlabel: noai"], "noai"),
        (["otherbot: noai, noindex"], None),
        (["nofollow, noarchive, nosnippet"], None),
        (["max-snippet: 20", "all"], None),
        ([], None),
    ],
)
def test_opt_outs_are_read_for_this_robot(headers: list[str], directive: str | None) -> None:
    assert opt_out_directive(headers, "0") == (f"x-robots-tag: {directive}" if directive else None)


@given(st.text(max_size=40))
def test_any_retry_after_is_a_time_or_nothing(text: str) -> None:
    seconds = retry_after_seconds(text)
    assert seconds is None or seconds >= 0


def test_retry_after_has_two_forms() -> None:
    assert retry_after_seconds("17") == 17
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT", now=1445412470.0) == 10
    assert retry_after_seconds("Wed, 21 Oct 2015 07:28:00 GMT", now=1545412470.0) == 0
    assert (retry_after_seconds("9" * 400) or 0) > LONGEST_WAIT


header_line = st.tuples(
    st.sampled_from(["Location", "Retry-After", "Content-Length", "Content-Encoding", "Content-Type", "ETag",
                     "X-Robots-Tag", "Transfer-Encoding", "imagewidth", "Set-Cookie", "Connection"]),
    st.binary(max_size=12) | st.sampled_from([b"-1", b"chunked", b"gzip", b"//", b"http://[", b"\xff", b"text/;"]),
)  # fmt: skip
raw_reply = st.one_of(
    st.binary(max_size=80),
    st.builds(
        lambda status, lines, body: (
            b"HTTP/1.1 %d x\r\n" % status
            + b"".join(b"%s: %s\r\n" % (k.encode(), v) for k, v in lines)
            + b"\r\n"
            + body
        ),
        st.sampled_from([100, 101, 200, 206, 301, 302, 304, 404, 429, 500, 503, 999]),
        st.lists(header_line, max_size=5),
        st.binary(max_size=60),
    ),
)


@hypothesis_settings(max_examples=20)
@given(st.lists(raw_reply, min_size=8, max_size=8))
def test_nothing_that_a_server_sends_raises(replies: list[bytes]) -> None:
    async def main() -> list[Response]:
        async def send(asked: Asked, writer: asyncio.StreamWriter) -> None:
            writer.write(replies[int(asked.path[2:])])
            await writer.drain()
            writer.close()

        paths: dict[str, Answer | list[Answer]] = {f"p{i}": send for i in range(len(replies))}
        async with wired(**paths) as wire, HttpClient(settings(attempts=1)) as http:
            return await asyncio.gather(
                *(http.get(f"{wire.address}/p{i}", {"api_key": KEY}, image=i % 2 == 0) for i in range(len(paths)))
            )

    for response in asyncio.run(main()):
        assert KEY not in repr(response)
        assert "\n" not in response.detail
        for text in (response.etag, response.final_url, response.content_type, *response.redirects):
            assert (text or "").encode("utf-8") is not None


def test_the_log_holds_no_key(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with wired(a=[b"rubbish\r\n\r\n", reply(500)]) as wire, HttpClient(settings()) as http:
            await http.get(f"{wire.address}/a", {"api_key": KEY}, headers={"Authorization": KEY})

    caplog.set_level(logging.DEBUG)
    asyncio.run(main(), debug=True)
    assert KEY not in caplog.text


@pytest.mark.parametrize(
    "target", ["/photo?u=http%3A%2F%2Fa.b%2Fc", "/photo?", "/photo?x=%2C%28%7E%40%c3", "/%c3%A9/photo?a+b&c=[1]"]
)
def test_the_host_hears_the_address_as_it_was_written(target: str) -> None:
    async def main() -> Wire:
        path = target.partition("?")[0]
        async with wired(start=redirect(target)) as wire, HttpClient(settings()) as http:
            wire.answers[path] = reply(body=jpeg())
            for address in (target, "/start"):
                response = await http.get(f"{wire.address}{address}", image=True)
                assert response.failure is None
            return wire

    assert [one.target for one in asyncio.run(main()).asked] == [target, "/start", target]
