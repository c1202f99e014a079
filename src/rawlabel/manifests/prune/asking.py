"""Ask each source about its photos, in batches, within its budget of calls."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import LastSeen
from rawlabel.base import families
from rawlabel.base.licenses import LicensePreset
from rawlabel.base.progress import Task, progress
from rawlabel.config import CollectConfig, PruneConfig
from rawlabel.errors import ConfigError, DataError, PluginError, SourceError
from rawlabel.gather.collect.session import Session
from rawlabel.gather.collect.source import Presence, Source
from rawlabel.records import Photo, Reason

BATCH = 50
"""Photos asked about together; after a kill at most so many are asked about again."""
FEWEST_FOR_DOUBT = 20
"""Answers from which on a share of photos that are gone means anything."""


@dataclass
class Asked:
    """What the sources answered."""

    num_photos: int
    answers: dict[str, dict[str, LastSeen]] = field(default_factory=dict)
    """By source and photo id; those of a recent earlier run count too."""
    not_answered: Counter[str] = field(default_factory=Counter)
    """Photos about which a source said nothing, by source: nothing follows for them."""
    errors: dict[str, str] = field(default_factory=dict)
    """Why a source could not be asked, or not to the end."""


async def ask(
    collecting: CollectConfig,
    config: PruneConfig,
    catalogue: Catalogue,
    photos: dict[str, list[str]],
    preset: LicensePreset,
    api_key: str | None,
) -> Asked:
    """Ask about the photos (ids by source), and record the answers unless it is a dry run.

    A source that cannot be asked does not stop the others. Raises `SourceError` when none can, `DataError` when
    the answers of one are doubtful.
    """
    asked = Asked(sum(map(len, photos.values())))
    failures: list[SourceError | ConfigError | PluginError] = []
    with progress("asking the sites", asked.num_photos) as task:
        for source, ids in photos.items():
            earliest = time.time() - config.max_age * 3600
            answers = asked.answers[source] = catalogue.presence(source, earliest) if config.max_age else {}
            job = _Questions(source, config, catalogue, preset, answers, task)
            try:
                await job.ask_all(collecting, [one for one in ids if one not in answers], api_key)
            except (SourceError, ConfigError, PluginError) as error:
                failures.append(error)
                asked.errors[source] = str(error)
            asked.not_answered[source] = sum(one not in answers for one in ids)
    if failures and not any(asked.answers.values()):
        raise failures[0]
    return asked


class _Questions:
    """The questions to one source."""

    def __init__(
        self,
        name: str,
        config: PruneConfig,
        catalogue: Catalogue,
        preset: LicensePreset,
        answers: dict[str, LastSeen],
        task: Task,
    ) -> None:
        self._name, self._config, self._catalogue, self._preset = name, config, catalogue, preset
        self._answers, self._task = answers, task
        self._fresh: list[LastSeen] = []

    async def ask_all(self, collecting: CollectConfig, ids: list[str], api_key: str | None) -> None:
        self._task.advance(len(self._answers))
        if not ids:
            return
        kind: type[Source] = families.load(families.Family.SOURCE, self._name)
        session = Session(collecting, self._catalogue, {self._name: kind}, api_key)
        async with session, session.telling(self._task):
            for start in range(0, len(ids), BATCH):
                some = self._catalogue.photos([(self._name, one) for one in ids[start : start + BATCH]])
                found = await session.sources[self._name].presence(some)
                answered = [photo for photo in some if photo.photo_id in found]
                self._take([_judged(photo, found[photo.photo_id], self._preset) for photo in answered])
                self._task.advance(len(some))

    def _take(self, fresh: list[LastSeen]) -> None:
        """Record a batch of answers, unless too many of this run's say that the photo is gone."""
        self._fresh += fresh
        gone = sum(not one.is_there for one in self._fresh)
        if len(self._fresh) >= FEWEST_FOR_DOUBT and gone > self._config.most_gone * len(self._fresh):
            raise DataError(
                f"{self._name}: says that {gone} of {len(self._fresh)} photos are gone, more than --most-gone "
                f"{self._config.most_gone:g} takes for true; check --base-url and the site, or raise it"
            )
        self._answers |= {one.photo_id: one for one in fresh}
        if not self._config.dry_run:
            self._catalogue.record_presence(fresh)


def _judged(photo: Photo, found: Presence, preset: LicensePreset) -> LastSeen:
    """What an answer means: taken down, given a license that is not among those asked for, or neither."""
    reason = None
    name, url = found.license_name, found.license_url or ""
    has_other_license = name is not None and (name, url) != (photo.license_name, photo.license_url)
    if not found.is_there:
        reason = Reason.TAKEN_DOWN
    elif has_other_license and not preset.allows(name or "", url):
        reason = Reason.LICENSE
    asked_at = int(time.time())
    return LastSeen(photo.source, photo.photo_id, found.is_there, name, found.license_url, reason, asked_at)
