"""The settings that verbs which ask the network share."""

from __future__ import annotations

from rawlabel.config.declaring import Section, pixel_limit, setting


class NetworkSettings(Section):
    """How photo sites and image hosts are asked."""

    concurrency: int = setting(64, "Most downloads at the same time.", ge=1, le=1024)
    per_host: int = setting(
        8, "Most requests at the same time to one host; fewer where it is known to ask for it.", ge=1
    )
    timeout: float = setting(30.0, "Longest wait for a connection or the next bytes [seconds].", gt=0)
    deadline: float = setting(120.0, "Longest time for one file [seconds].", gt=0)
    min_speed: float = setting(1.0, "Slowest download that is waited for [kilobytes a second].", ge=0)
    attempts: int = setting(4, "Tries of one request before a passing fault counts as a failure.", ge=1)
    max_megabytes: float = setting(25.0, "Largest image file accepted [megabytes].", gt=0)
    contact: str | None = setting(
        None, "E-mail or web address that the user agent names to the sites; some ask for it.", common=True
    )
    allow_loopback: bool = setting(
        False,
        "Let addresses of this machine through, for a simulated site; other private networks stay barred.",
    )


class DownloadSettings(NetworkSettings):
    """How photos are downloaded, decoded and stored."""

    resize: int | None = setting(
        None,
        "Store photos re-encoded as JPEG with this shorter side [pixels]; by default the bytes as they came.",
        ge=16,
    )
    store: str | None = setting(
        None,
        "Where the photos go: a folder or an fsspec address (s3://bucket/photos); by default PROJECT/images.",
        common=True,
    )
    max_megapixels: float = pixel_limit()
    workers: int = setting(2, "Processes that decode photos.", ge=1)
    decode_seconds: float = setting(10.0, "Longest time for decoding one photo [seconds].", gt=0)
    decode_megabytes: int = setting(1024, "Most memory of a process that decodes [megabytes].", ge=256)
