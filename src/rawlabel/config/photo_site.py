"""The settings of `rawlabel photo-site`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.config.declaring import Section, setting


class PhotoSiteConfig(Section):
    """Serve a simulated photo site on loopback, with modelled search noise and known truth."""

    photos: Path | None = setting(
        None, "Folder tree of photos (folder name = true content); by default the built-in digits."
    )
    host: str = setting("127.0.0.1", "Loopback address to listen on.")
    port: int = setting(8765, "Port to listen on; 0 takes a free one.", ge=0, le=65535)
    seed: int = setting(0, "Seed of titles, owners, dates, noise and faults.", ge=0)
    noise: float = setting(0.4, "Share of search results whose content is not the keyword's [0 to 1].", ge=0, lt=1)
    per_class: int | None = setting(
        None, "Search results of each class; by default 300 built-in ones, or as many as --photos allow.", ge=1
    )
    api_key: str | None = setting(None, "API key that the site demands; any key is accepted by default.")
    test_photos: Path | None = setting(
        None, "With --photos: folder tree of test photos, copies of a few of which turn up in searches."
    )
    write_test_set: Path | None = setting(
        None, "Folder to write the built-in collection's clean test set to before serving."
    )
    truth: Path | None = setting(None, "File to write the truth of each photo to (JSON) before serving.")
    homonym_class: tuple[str, ...] = setting(
        (),
        "Class whose name also means another thing, so that many of its results show that thing; may be given "
        "several times.",
    )
    sibling_pair: tuple[str, ...] = setting(
        (),
        "Two classes that people hardly tell apart, as CLASS:CLASS; much of either's results shows the other, and "
        "many photos are found for both; may be given several times.",
    )
    count_noise: float = setting(
        0.0, "How far off the totals of Flickr's searches are, as a share of them [0 to 1].", ge=0, lt=1
    )
    images_per_second: float | None = setting(
        None,
        "Images that a client gets [per second] before it is refused with status 429; no limit by default.",
        gt=0,
    )
