"""Wikimedia Commons: search and file information of the MediaWiki Action API, at `/w/api.php`.

Modelled after https://www.mediawiki.org/wiki/API:Search, API:Imageinfo and API:Errors_and_warnings, and
https://foundation.wikimedia.org/wiki/Policy:User-Agent_policy. Replies have the form of `formatversion=2` whatever
the request says. Errors come with HTTP status 200 and the header `MediaWiki-API-Error`. How often the real site
is out of date, refuses or answers slowly is not documented; the rates are this model's.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import md5, sha1
from typing import Any

from rawlabel_photo_site.commons.commons_metadata import described
from rawlabel_photo_site.flickr.flickr_protocol import chance
from rawlabel_photo_site.pictures.renderer import large_file
from rawlabel_photo_site.world.holdings import CommonsFile
from rawlabel_photo_site.world.search_index import SearchIndex
from rawlabel_photo_site.world.site import PhotoSite

Reply = dict[str, Any]
FILE_NAMESPACE = 6
_MOST_RESULTS, _USUAL_RESULTS, _MOST_TITLES = 500, 10, 50
_MOST_SCALED = 50
"""Titles of one reply that get a scaled image, and with it their facts."""
LADDER = (20, 40, 60, 120, 250, 330, 500, 960, 1280, 1920, 3840)
"""Widths of thumbnails that the host makes (https://www.mediawiki.org/wiki/Common_thumbnail_sizes)."""
_CAMPAIGN = "utm_source=commons.wikimedia.org&utm_campaign=imageinfo&utm_content=thumbnail"
_LAG_SECONDS = 7.25
_LIBRARIES = re.compile(r"(?i)^\s*(python|aiohttp|curl|wget|okhttp|go-http|java|libwww|httpx|axios|node|undici)\b")
_CONTACT = re.compile(r"(?i)https?://|[^\s@]+@[^\s@]+\.[a-z]")


def is_identified(user_agent: str) -> bool:
    """Whether a user agent says whom to ask, as the policy wants."""
    return _CONTACT.search(user_agent) is not None


def is_refused(user_agent: str) -> bool:
    """Whether the API turns the user agent away: none, or the default of a library."""
    return not user_agent.strip() or (_LIBRARIES.match(user_agent) is not None and not is_identified(user_agent))


class CommonsError(Exception):
    """An error reply of the API."""

    def __init__(self, code: str, info: str, **more: object) -> None:
        super().__init__(info)
        self.code = code
        self.reply: Reply = {"error": {"code": code, "info": info, **more}, "servedby": "mw-simulated"}


class CommonsApi:
    """Answers API calls. Making digests draws images, so that a call can take a second."""

    def __init__(self, site: PhotoSite) -> None:
        self._site = site
        self._files = site.holdings.commons
        self._by_id = {file.page_id: file for file in self._files}
        self._by_title = {file.title: file for file in self._files}
        self._index = SearchIndex(self._files, site.config.seed)
        self._digests: dict[int, tuple[int, str]] = {}
        self._failed: set[str] = set()

    def answer(self, parameters: Mapping[str, str], host: str) -> tuple[Reply, str | None]:
        """The reply to one call and, if it is an error, its code; addresses start with `host`."""
        try:
            if parameters.get("action") != "query":
                raise CommonsError("badvalue", 'Unrecognized value for parameter "action".')
            if parameters.get("format") != "json":
                raise CommonsError("unsupported-format", "This model answers format=json only.")
            self._fail_once(parameters)
            if parameters.get("generator") == "search":
                return self._search(parameters, host), None
            return self._looked_up(parameters, host), None
        except CommonsError as error:
            return error.reply, error.code

    def file_at(self, name: str) -> CommonsFile | None:
        """The file with this name in its address; None if there is none, or none any more."""
        file = self._by_title.get("File:" + name.replace("_", " "))
        return None if file is None or is_deleted(file) else file

    def _fail_once(self, parameters: Mapping[str, str]) -> None:
        query = "&".join(f"{name}={value}" for name, value in sorted(parameters.items()))
        number, rate = chance(self._site.config.seed, "commons fault", query), self._site.faults.api_unavailable
        if number >= rate or query in self._failed:
            return
        self._failed.add(query)
        if number < rate / 2 and "maxlag" in parameters:
            raise CommonsError(
                "maxlag", f"Waiting for a database server: {_LAG_SECONDS} seconds lagged.", lag=_LAG_SECONDS
            )
        raise CommonsError("ratelimited", "You've exceeded your rate limit. Please wait some time and try again.")

    def _search(self, parameters: Mapping[str, str], host: str) -> Reply:
        if parameters.get("gsrnamespace") != str(FILE_NAMESPACE):
            # Other namespaces have no files, and the model has nothing else.
            return {"batchcomplete": True}
        words = parameters.get("gsrsearch", "").strip()
        if not words:
            raise CommonsError("missingparam", 'The "gsrsearch" parameter must be set.')
        limit = _number(parameters, "gsrlimit", _USUAL_RESULTS, 1, _MOST_RESULTS)
        offset, most = _number(parameters, "gsroffset", 0, 0, 10**9), self._site.rules.commons_results
        if offset >= most:
            raise CommonsError(
                "cirrussearch-offset-too-large",
                f"Could not retrieve results. Up to {most} search results are supported, but results starting at "
                f"{offset} were requested.",
            )
        found = self._found(words)
        shown = found[offset : min(offset + limit, most)]
        told, untold = self._told([self._files[position] for position in shown], parameters)
        pages = [
            self._page(file, parameters if file.page_id in told else {}, host) | {"index": offset + number + 1}
            for number, file in enumerate(self._files[position] for position in shown)
        ]
        # The real API orders pages by their id; `index` has the rank.
        query: Reply = {"pages": sorted(pages, key=lambda page: page["pageid"])} if pages else {}
        following: Reply = {}
        if "search" in parameters.get("list", "").split("|"):
            query |= {"searchinfo": {"totalhits": len(found)}, "search": []}
            if len(found) > 1:
                following["sroffset"] = 1
        reply: Reply = {"query": query} if query else {}
        if untold is not None:
            # Inside a page of results the generator stays where it is, and is not named for the first page.
            current = {"gsroffset": offset} if "gsroffset" in parameters else {}
            reply["continue"] = {
                **following, "iicontinue": untold, **current, "continue": f"{'|'.join(current)}||"
            }  # fmt: skip
            return reply
        if offset + limit < min(len(found), most):
            following |= {"gsroffset": offset + limit, "continue": "gsroffset||"}
        elif following:
            following["continue"] = "-||"
        return {"batchcomplete": True, **reply, **({"continue": following} if following else {})}

    def _told(self, files: Sequence[CommonsFile], parameters: Mapping[str, str]) -> tuple[set[int], str | None]:
        """Ids of the files whose facts one reply tells, and where the next one goes on; None at the end.

        The real API scales the images of fifty titles, in the order of the titles.
        """
        titles = sorted((file.title, file) for file in files)
        begin = parameters.get("iicontinue", "").rpartition("|")[0]
        left = [(title, file) for title, file in titles if title.removeprefix("File:") >= begin]
        if "iiurlwidth" not in parameters or len(left) <= _MOST_SCALED:
            return {file.page_id for _, file in left}, None
        title, file = left[_MOST_SCALED]
        return {one.page_id for _, one in left[:_MOST_SCALED]}, f"{title.removeprefix('File:')}|{file.uploaded}"

    def _found(self, query: str) -> tuple[int, ...]:
        """Positions of the files for a query, which may have `filetype:` and `filemime:` among its words."""
        plain = []
        positions = set(range(len(self._files)))
        for part in query.replace('"', " ").split():
            excludes, name, value = part.startswith("-"), *part.removeprefix("-").partition(":")[::2]
            if name not in ("filetype", "filemime") or not value:
                plain.append(part)
                continue
            kinds = value.casefold().split("|")
            matching = {
                position
                for position in positions
                if (_kind(self._files[position].mime) if name == "filetype" else self._files[position].mime)
                in kinds
            }
            positions = positions - matching if excludes else matching
        text = " ".join(plain)
        if text:
            positions &= self._index.with_text(text)
        return self._index.ranked(text, frozenset(positions))

    def _looked_up(self, parameters: Mapping[str, str], host: str) -> Reply:
        titles = [name for name in parameters.get("titles", "").split("|") if name]
        page_ids = [name for name in parameters.get("pageids", "").split("|") if name]
        if len(titles) > _MOST_TITLES or len(page_ids) > _MOST_TITLES:
            name = "titles" if len(titles) > _MOST_TITLES else "pageids"
            raise CommonsError(
                "toomanyvalues", f'Too many values supplied for parameter "{name}". The limit is 50.'
            )
        pages, normalized = [], []
        for asked in titles:
            title = asked.replace("_", " ")
            if title != asked:
                normalized.append({"fromencoded": False, "from": asked, "to": title})
            file = self._by_title.get(title)
            missing = {"ns": FILE_NAMESPACE if title.startswith("File:") else 0, "title": title, "missing": True}
            pages.append(self._page(file, parameters, host) if file is not None else missing)
        for asked in page_ids:
            if not re.fullmatch("[0-9]{1,12}", asked):
                raise CommonsError("badinteger", f'Invalid value "{asked}" for integer parameter "pageids".')
            file = self._by_id.get(int(asked))
            is_there = file is not None and not is_deleted(file)
            pages.append(
                self._page(file, parameters, host)
                if file and is_there
                else {"pageid": int(asked), "missing": True}
            )
        query: Reply = {"normalized": normalized} if normalized else {}
        return {"batchcomplete": True, "query": {**query, "pages": pages}} if pages else {"batchcomplete": True}

    def _page(self, file: CommonsFile, parameters: Mapping[str, str], host: str) -> Reply:
        if is_deleted(file):
            # The search index is behind: a deleted file is found, but has nothing to say.
            return {
                "pageid": file.page_id,
                "ns": FILE_NAMESPACE,
                "title": file.title,
                "missing": True,
                "imagerepository": "",
            }
        page: Reply = {"pageid": file.page_id, "ns": FILE_NAMESPACE, "title": file.title}
        if "imageinfo" in parameters.get("prop", "").split("|"):
            page["imagerepository"] = "local"
            page["imageinfo"] = [self._info(file, parameters, host)]
        return page

    def _info(self, file: CommonsFile, parameters: Mapping[str, str], host: str) -> Reply:
        wanted = set(parameters.get("iiprop", "timestamp|user").split("|"))
        info: Reply = {}
        if "timestamp" in wanted:
            info["timestamp"] = datetime.fromtimestamp(file.uploaded, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        if "user" in wanted:
            info["user"] = file.user.name
        if wanted & {"size", "sha1"}:
            size, digest = self._digest(file)
            if "size" in wanted:
                info |= {"size": size, "width": file.width, "height": file.height}
            if "sha1" in wanted:
                info["sha1"] = digest
        if "url" in wanted:
            info |= _addresses(file, _number(parameters, "iiurlwidth", 0, 0, 10_000), host)
        if "mime" in wanted:
            info["mime"] = file.mime
        if "extmetadata" in wanted:
            info["extmetadata"] = described(file, self._site.config.seed)
        return info

    def _digest(self, file: CommonsFile) -> tuple[int, str]:
        """Bytes and SHA-1 of the original."""
        if file.page_id not in self._digests:
            try:
                body = original(file)
            except OSError:
                # A file of the user that was damaged or removed since the site was built.
                return 0, ""
            self._digests[file.page_id] = len(body), sha1(body, usedforsecurity=False).hexdigest()
        return self._digests[file.page_id]


def is_deleted(file: CommonsFile) -> bool:
    """Whether the file has been deleted from Commons by now; then nobody can look it up or download it."""
    return file.photo is not None and file.photo.is_withdrawn


def original(file: CommonsFile) -> bytes:
    """The bytes of the original. Raises OSError if a file of the user cannot be decoded."""
    return file.document if file.photo is None else large_file(file.photo)


def original_path(file: CommonsFile) -> str:
    """Path of the original, with the two folders that the real host makes from the name's MD5."""
    name = file.title.removeprefix("File:").replace(" ", "_")
    digest = md5(name.encode(), usedforsecurity=False).hexdigest()
    return f"/wikipedia/commons/{digest[0]}/{digest[:2]}/{urllib.parse.quote(name)}"


def thumbnail_size(file: CommonsFile, width: int) -> tuple[int, int] | None:
    """Size of the thumbnail of this width; None where the original is served instead, which is not enlarged."""
    if file.photo is None or not 0 < width < file.width:
        return None
    return width, max(1, round(file.height * width / file.width))


def _addresses(file: CommonsFile, wanted_width: int, host: str) -> Reply:
    path, title = original_path(file), urllib.parse.quote(file.title.replace(" ", "_"), safe=":/()!,'")
    addresses: Reply = {}
    if wanted_width and file.mime.startswith("image/"):
        # The address is that of the next width on the ladder; the stated size stays the one that was asked for.
        step = next((one for one in LADDER if one >= wanted_width), LADDER[-1])
        folder, _, name = path.rpartition("/")
        address = path
        if thumbnail_size(file, step) is not None:
            address = f"{folder.replace('/commons/', '/commons/thumb/')}/{name}/{step}px-{name}?{_CAMPAIGN}"
        width, height = thumbnail_size(file, wanted_width) or (file.width, file.height)
        addresses |= {"thumburl": host + address, "thumbwidth": width, "thumbheight": height}
    return addresses | {
        "url": host + path,
        "descriptionurl": f"https://commons.wikimedia.org/wiki/{title}",
        "descriptionshorturl": f"https://commons.wikimedia.org/w/index.php?curid={file.page_id}",
    }


def _kind(mime: str) -> str:
    """The value of `filetype:` for a MIME type."""
    if mime == "image/svg+xml":
        return "drawing"
    if mime in ("application/pdf", "image/vnd.djvu"):
        return "office"
    return {"image": "bitmap"}.get(mime.partition("/")[0], mime.partition("/")[0])


def _number(parameters: Mapping[str, str], name: str, usual: int, least: int, most: int) -> int:
    """A whole number; larger ones are cut to `most`, as the API does with a warning, and `max` means `most`."""
    value = parameters.get(name, str(usual))
    if value == "max":
        return most
    if not re.fullmatch("-?[0-9]{1,18}", value):
        raise CommonsError("badinteger", f'Invalid value "{value[:100]}" for integer parameter "{name}".')
    return min(max(int(value), least), most)
