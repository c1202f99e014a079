"""What the tables and columns of a catalogue mean, for people; `schema` makes them."""

from __future__ import annotations

from rawlabel.artifacts.decision import meaning

_KEY = {
    "source": "Plug-in name of the source.",
    "photo_id": "The source's own id of the photo.",
    "class_id": "The class.",
    "keyword": "What is searched for.",
}


def _key(*names: str) -> dict[str, str]:
    return {name: _KEY[name] for name in names}


def _as_decided(name: str) -> dict[str, str]:
    """A column whose fact a manifest repeats, in the words of `Decision`."""
    return {name: meaning(name)}


TABLES: dict[str, tuple[str, dict[str, str]]] = {
    "class": (
        "What was asked for.",
        {
            "class_id": "Id of the class, which is a safe folder name.",
            "position": "Place in the class file, counted from 0.",
            "name": "Display name.",
            "keywords": "Keywords to search (JSON list).",
            "definition": "What is meant by the name; empty when nobody has said it.",
        },
    ),
    "query": (
        "One keyword search of one source.",
        {
            **_key("source", "class_id", "keyword"),
            "position": "Order of the searches: place of the class x 10,000 + place of the keyword.",
            "total_reported": "Results that the source said there are; null when it has not said.",
            "until": "End of the upload dates that are searched [seconds since 1970, UTC], frozen when planned.",
        },
    ),
    "part": (
        "A piece of a search that the source can answer in full, and how far it got.",
        {
            **_key("source", "class_id", "keyword"),
            "name": "Name of the part; parts sort by it in the order in which they are asked.",
            "bounds": "What narrows the search to the part (JSON); {} is the whole search.",
            "state": "open, done, split (into smaller parts), truncated (more results than handed out) or "
            "incomplete (fewer results listed than stated).",
            "cursor": "Where the next page begins, in the source's words.",
            "pages": "Pages asked for.",
            "total_reported": "Results that the source said the part has.",
            "num_listed": "Results that its pages listed, those that are no photos included.",
            "num_barren": "Pages without anything new, in a row, up to the last one.",
            "missing": "Results that the source stated and its pages did not list; 0 while it is open.",
            "repeats": "How often a later run asked it again from its first page, since its pages had come short.",
            "num_repeat_new": "Photos that the last such time brought and none before.",
            "missing_before": "Results that were missing when it was last asked again.",
            "is_due": "Whether the next run that wants more of the search asks it again (1) or not (0).",
        },
    ),
    "photo": (
        "One object of one source, as the source states it. Texts are from strangers.",
        {
            **_key("source", "photo_id"),
            "url": "Address of the best-fitting size; null when none is offered.",
            **_as_decided("page_url"),
            **_as_decided("title"),
            "tags": "Tags, separated by spaces.",
            **_as_decided("author"),
            **_as_decided("author_id"),
            **_as_decided("author_url"),
            "license_id": "The source's own id of the license.",
            **_as_decided("license_name"),
            **_as_decided("license_url"),
            **_as_decided("uploaded_at"),
            **_as_decided("taken_at"),
            "width": "Stated width of the chosen size [pixels].",
            "height": "Stated height of the chosen size [pixels].",
            **_as_decided("size_label"),
            **_as_decided("origin"),
            **_as_decided("stated_sha1"),
            "found_at": "When these facts were read [seconds since 1970, UTC].",
        },
    ),
    "label_event": (
        "A search for one keyword of one class returned a photo.",
        {
            **_key("source", "photo_id", "class_id", "keyword"),
            "rank": "Place among the results of the part, counted from 0.",
            "part": "Name of the part of the search.",
            "searched_at": "When [seconds since 1970, UTC].",
            "found_by": "Source that was searched; not the photo's own where a list of other sources' photos was.",
        },
    ),
    "outcome": (
        "What became of the download of a photo; a later one replaces an earlier one.",
        {
            **_key("source", "photo_id"),
            "status": "fetched, failed, skipped, or found (a passing fault stopped the last try).",
            "reason": "Why it is not fetched, from the closed list of reasons.",
            "http_status": "Last HTTP status.",
            **_as_decided("final_url"),
            **_as_decided("sha256"),
            "num_bytes": "Their size [bytes].",
            "media_type": "Media type by the first bytes.",
            "recorded_at": "When [seconds since 1970, UTC].",
            "stored_sha256": "SHA-256 (hex) of the stored bytes; not sha256 when resized on arrival.",
            "pixel_sha256": "SHA-256 (hex) of size and upright RGB pixels of what the host sent.",
            "perceptual_hash": "256-bit perceptual hash (64 hex digits) of what the host sent.",
            "width": "Upright width of what the host sent [pixels].",
            "height": "Upright height of what the host sent [pixels].",
            **_as_decided("etag"),
            **_as_decided("last_modified"),
            "detail": "The rule or answer behind the reason, in a few words.",
            "attempts": "Requests made for it in all runs together.",
        },
    ),
    "api_call": (
        "When a source's API was asked, for its budget.",
        {"source": _KEY["source"], "called_at": "When [seconds since 1970, UTC]."},
    ),
    "refusing_host": (
        "A host of images that refused whatever it was asked in a run.",
        {
            "host": "Name, and port where the addresses have one.",
            "runs": "Runs in which it did so since it last served something.",
            "refusals": "Requests that it refused in these.",
        },
    ),
    "presence": (
        "What a site answered when it was asked about a photo again; the view `last_presence` has the newest "
        "answer about each photo.",
        {
            **{name: _KEY[name] for name in ("source", "photo_id")},
            "asked_at": "When [seconds since 1970, UTC].",
            "is_there": "1: the site still shows it; 0: it was taken down or made private.",
            "license_name": "The license it had then; null when the site did not say.",
            "license_url": "Address of that license's text.",
            "reason": "Why it is not to be used any more: taken_down, license, or null when it may be.",
        },
    ),
}
