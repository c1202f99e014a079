"""Public addresses may be asked; whatever else an address can mean may not."""

from __future__ import annotations

import asyncio
import ipaddress
import socket

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from yarl import URL

from rawlabel.gather.collect.http.addresses import (
    PublicResolver,
    RefusedAddress,
    checked_url,
    followed_url,
    guarded_socket,
    literal_address,
    may_ask,
)

SPECIAL = [
    "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.0.0.0/24",
    "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
    "224.0.0.0/4", "240.0.0.0/4",
    "::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20",
    "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "93.184.216.34", "208.80.154.240", "2620:0:861:ed1a::2", "2606:4700::6810:84e5"]


def within(network: str) -> st.SearchStrategy[ipaddress.IPv4Address | ipaddress.IPv6Address]:
    of = ipaddress.ip_network(network)
    return st.integers(int(of[0]), int(of[-1])).map(type(of[0]))


special = st.one_of([within(one) for one in SPECIAL])
special_ipv4 = st.one_of([within(one) for one in SPECIAL if "." in one])


@given(special)
def test_no_special_address_may_be_asked(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> None:
    assert not may_ask(address)
    host = f"[{address}]" if address.version == 6 else str(address)
    with pytest.raises(RefusedAddress):
        checked_url(f"http://{host}:8080/photo.jpg?key=sesame")


@given(special_ipv4)
def test_an_ipv4_address_inside_an_ipv6_one_is_seen(address: ipaddress.IPv4Address) -> None:
    for prefix in (0xFFFF << 32, 0x64FF9B << 96):
        assert not may_ask(ipaddress.IPv6Address(prefix | int(address)), allow_loopback=True)


@given(special_ipv4)
def test_every_spelling_means_the_same_address(address: ipaddress.IPv4Address) -> None:
    a, b, c, d = address.packed
    spellings = [str(int(address)), hex(int(address)), f"{a}.{int.from_bytes(address.packed[1:])}",
                 f"0{a:o}.0{b:o}.0{c:o}.0{d:o}", f"{a:#x}.{b:#x}.{c * 256 + d}", f"{address}."]  # fmt: skip
    for spelling in spellings:
        assert literal_address(spelling) == address
        with pytest.raises(RefusedAddress):
            checked_url(f"http://{spelling}/")


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_may_be_asked(address: str) -> None:
    assert may_ask(ipaddress.ip_address(address))
    host = f"[{address}]" if ":" in address else address
    assert checked_url(f"https://{host}/a.jpg").raw_host == address


def test_a_public_address_in_an_odd_spelling_gets_its_plain_one() -> None:
    assert str(checked_url("http://134744072/a.jpg?b=1#top")) == "http://8.8.8.8/a.jpg?b=1"
    assert may_ask(ipaddress.ip_address("::ffff:8.8.8.8"))
    assert may_ask(ipaddress.ip_address("64:ff9b::8.8.8.8"))


@given(special)
def test_the_test_flag_allows_loopback_and_nothing_else(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    assert may_ask(address, allow_loopback=True) == address.is_loopback


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "ftp://example.org/a.jpg", "data:image/png;base64,AAAA", "gopher://example.org/",
     "a.jpg",     "//example.org/a.jpg", "http:///a.jpg", "http://", "http://:80/", "http://user:word@example.org/a.jpg",
     "http://user@example.org/", "javascript:alert(1)", "", "http://[::1", "http://example.org:99999/", "http://./",
     "http://exa\udcffmple.org/", "HTTP+UNIX://x/"],
)  # fmt: skip
def test_what_is_no_plain_web_address_is_refused(url: str) -> None:
    with pytest.raises(RefusedAddress) as caught:
        checked_url(url, allow_loopback=True)
    assert "word" not in str(caught.value).replace("password", "")


@given(st.text(max_size=40) | st.text(max_size=30).map("http://{}".format))
def test_no_text_makes_the_check_fail_otherwise(text: str) -> None:
    try:
        url = checked_url(text)
    except RefusedAddress:
        return
    assert url.scheme in ("http", "https")
    assert url.raw_host


def resolve(monkeypatch: pytest.MonkeyPatch, addresses: list[str], *, allow_loopback: bool = False) -> list[str]:
    def fake(host: str, port: int, family: int = 0, type: int = 0) -> list[tuple[object, ...]]:
        kinds = [(socket.AF_INET6, (one, port, 0, 0)) if ":" in one else (socket.AF_INET, (one, port))
                 for one in addresses]  # fmt: skip
        return [(family, socket.SOCK_STREAM, 6, "", sockaddr) for family, sockaddr in kinds]

    monkeypatch.setattr(socket, "getaddrinfo", fake)

    async def main() -> list[str]:
        resolver = PublicResolver(allow_loopback=allow_loopback)
        try:
            return [one["host"] for one in await resolver.resolve("photos.example", 80)]
        finally:
            await resolver.close()

    return asyncio.run(main())


def test_of_a_mix_only_the_public_addresses_are_left(monkeypatch: pytest.MonkeyPatch) -> None:
    assert resolve(monkeypatch, ["10.0.0.1", *PUBLIC, "::1", "127.0.0.1"]) == PUBLIC
    assert resolve(monkeypatch, ["10.0.0.1", "::1"], allow_loopback=True) == ["::1"]
    with pytest.raises(RefusedAddress):
        resolve(monkeypatch, ["192.168.1.1", "fd00::1"])


@given(special)
def test_the_last_look_is_at_the_address_that_is_connected_to(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET
    with pytest.raises(RefusedAddress):
        guarded_socket((family, socket.SOCK_STREAM, 6, "", (str(address), 80)), allow_loopback=False)


pieces = st.sampled_from(
    ["a", "Z", "9", "-", ".", "_", "~", "!", "$", "&", "'", "(", ")", "*", "+", ",", ";", "=", ":", "@",
     "%2C", "%28", "%7E", "%40", "%c3%a9", "%C3%A9", "%2f", "%2F", "%25", "%20", "%3F", "%26", "%41", "%00", "|"]
)  # fmt: skip
written = st.lists(pieces, max_size=8).map("".join)
paths = st.lists(written.filter(lambda one: one not in (".", "..")), max_size=4).map("/".join)
queries = st.none() | st.lists(pieces | st.sampled_from(["/", "?"]), max_size=8).map("".join)


@given(paths, queries)
@example("photo", "u=http%3A%2F%2Fa.b%2Fc")
@example("photo", "")
@example("caf%c3%a9%2C%28%7E%40", None)
def test_what_an_address_says_travels_as_it_is_written(path: str, query: str | None) -> None:
    target = f"/{path}" + ("" if query is None else f"?{query}")
    url = checked_url(f"https://example.org{target}#top")
    assert (url.raw_path_qs, str(url)) == (target, f"https://example.org{target}")
    assert followed_url(URL("http://other.example/some/where?x=1"), f"https://example.org{target}#top") == url
    # The same as a reference to where the host has it, however much is left out; `//` would begin a host.
    base = checked_url("https://example.org/some/where?")
    if not path.startswith("/"):
        assert followed_url(base, target) == url
        if ":" not in path and path:
            beside = followed_url(base, target[1:])
            assert str(beside) == f"https://example.org/some{target}"
    assert str(followed_url(url, f"?{query or ''}")).partition("?")[::2] == (
        f"https://example.org/{path}", query or "",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("address", "travels"),
    [
        ("http://h.example", "http://h.example/"),
        ("http://h.example?a", "http://h.example/?a"),
        ("http://h.example/a b/ü.jpg?q=ü 1", "http://h.example/a%20b/%C3%BC.jpg?q=%C3%BC%201"),
        ("http://h.example/100%/50%z1?r=5%", "http://h.example/100%25/50%25z1?r=5%25"),
        ('http://h.example/<a>"{b}^`\\', "http://h.example/%3Ca%3E%22%7Bb%7D%5E%60%5C"),
        ("http://h.example/caf\udce9.jpg", "http://h.example/caf%E9.jpg"),
        ("http://h.example/a/./b/../../c/..", "http://h.example/"),
        ("http://h.example/../a/.", "http://h.example/a/"),
        (" http://h.example/a\n.jpg\t", "http://h.example/a.jpg"),
        ("http://BÜCHER.example:8080/x", "http://xn--bcher-kva.example:8080/x"),
    ],
)
def test_only_what_no_request_can_hold_is_escaped(address: str, travels: str) -> None:
    assert str(checked_url(address)) == travels


@given(st.text(max_size=40) | st.text(max_size=30).map("//{}".format) | st.text(max_size=30).map("/{}?".format))
def test_wherever_a_redirect_leads_is_checked(location: str) -> None:
    try:
        url = followed_url(URL("https://example.org/a/b"), location)
    except (RefusedAddress, ValueError):
        return
    assert url.scheme in ("http", "https")
    address = literal_address(url.raw_host or "")
    assert address is None or may_ask(address)
    assert url.raw_path_qs.isascii()
    assert url.raw_path_qs.isprintable()
    assert " " not in url.raw_path_qs


def test_a_refusal_of_this_machine_names_the_flag(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("http://127.0.0.1/", "http://[::1]:80/", "http://2130706433/"):
        with pytest.raises(RefusedAddress, match="--allow-loopback"):
            checked_url(address)
    with pytest.raises(RefusedAddress, match="--allow-loopback"):
        resolve(monkeypatch, ["127.0.0.1"])
    with pytest.raises(RefusedAddress, match="private or special network"):
        checked_url("http://10.0.0.1/")
