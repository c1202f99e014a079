"""What each keyword's search returns: how many right photos, which wrong ones and why.

The noise of a keyword search is not a random flip of labels. A wrong photo is there because its uploader took
one thing for another (sibling), because another thing bears the same name (homonym), or because the tags were
careless (off topic). Shares of these are in `rates`.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass

from rawlabel_photo_site.pictures.drawings import SUBJECTS
from rawlabel_photo_site.world import rates
from rawlabel_photo_site.world.collection import Collection, keyword_of
from rawlabel_photo_site.world.photos import OTHER, Kind, SamplePicture
from rawlabel_photo_site.world.planted import Planted


@dataclass(slots=True, eq=False)
class Result:
    """One photo that the search for a class returns."""

    keyword: str
    """Name of the class for which it is returned."""
    kind: Kind
    content: str
    """Name of the class that it shows, or `other:<subject>`."""
    shared: bool = False
    """Whether the search for the class that it shows returns it as well."""
    original: Result | None = None
    """The photo that this one is a re-upload of."""
    test: SamplePicture | None = None
    """The test photo that this one is a copy of."""


def plan_results(
    collection: Collection,
    noise: float,
    per_class: int | None,
    default: int,
    seed: int,
    planted: Planted,
) -> list[Result]:
    """Plan the photos of the site, each once; a shared photo is one of the results of its own class too.

    `default` is the number of results of a class whose supply has no end.
    """
    counts = _result_counts(collection, noise, per_class or default, capped=per_class is not None)
    planner = _Planner(collection, counts, noise, random.Random(f"plan/{seed}"), planted)
    wrong = {name: planner.noise_of(name) + planner.planted_of(name) for name in collection.classes}
    shared = planner.share(wrong)
    plan: list[Result] = []
    for name in collection.classes:
        right = counts[name] - len(wrong[name]) - shared[name]
        results = wrong[name] + [Result(name, Kind.TRUE, name) for _ in range(right)]
        planner.copy_test_photos(name, results)
        planner.reupload(results)
        plan.extend(results)
    return plan


def _result_counts(collection: Collection, noise: float, wanted: int, *, capped: bool) -> dict[str, int]:
    """Results of each class: as wanted, but not more than the photos allow."""
    taken_by_others = rates.SIBLING_SHARE + rates.OFF_TOPIC_SHARE * rates.OFF_TOPIC_CLASS_SHARE
    photos_per_result = 1 - noise + (noise * taken_by_others if len(collection.classes) > 1 else 0.0)
    counts = {}
    for name in collection.classes:
        supply = collection.supply(name)
        if supply is None:
            counts[name] = wanted
        else:
            allowed = max(1, int(supply / photos_per_result))
            counts[name] = min(wanted, allowed) if capped else allowed
    return counts


class _Planner:
    def __init__(
        self,
        collection: Collection,
        counts: dict[str, int],
        noise: float,
        chance: random.Random,
        planted: Planted,
    ) -> None:
        self.collection = collection
        self.chance = chance
        self.counts = counts
        self.planted = planted
        self.noise_counts = {name: round(noise * count) for name, count in counts.items()}
        self.planted_counts = {name: round(planted.share(name) * count) for name, count in counts.items()}
        self.wrong_counts = {name: self.noise_counts[name] + self.planted_counts[name] for name in counts}
        # What is left of each folder once its own keyword has its right photos.
        self.spare = {name: self._spare(name) for name in collection.classes}
        words = {word for name in collection.classes for word in keyword_of(name).split()}
        self.subjects = [subject for subject in SUBJECTS if not words & {subject, f"{subject}s"}]
        self.unused_test = list(collection.test)
        chance.shuffle(self.unused_test)
        self.due: Counter[str] = Counter()
        self.given: Counter[str] = Counter()

    def _spare(self, name: str) -> float:
        supply = self.collection.supply(name)
        return float("inf") if supply is None else supply - (self.counts[name] - self.wrong_counts[name])

    def noise_of(self, name: str) -> list[Result]:
        """The wrong photos of one keyword."""
        count = self.noise_counts[name]
        siblings = round(count * rates.SIBLING_SHARE)
        homonyms = round(count * rates.HOMONYM_SHARE)
        homonym = OTHER + self.collection.homonym(name)
        results = [self._sibling(name) for _ in range(siblings)]
        results += [Result(name, Kind.HOMONYM, homonym) for _ in range(min(homonyms, count - siblings))]
        results += [self._off_topic(name) for _ in range(count - len(results))]
        return results

    def planted_of(self, name: str) -> list[Result]:
        """The photos that a planted homonym or pair adds to the wrong ones of one keyword."""
        twin = self.planted.twin(name)
        results = []
        for _ in range(self.planted_counts[name]):
            if twin is None:
                results.append(Result(name, Kind.HOMONYM, OTHER + self.collection.homonym(name)))
            elif self.spare[twin] >= 1:
                self.spare[twin] -= 1
                results.append(Result(name, Kind.SIBLING, twin))
            else:
                results.append(self._off_topic(name))
        return results

    def _sibling(self, name: str) -> Result:
        siblings = list(self.collection.siblings(name))
        if len(siblings) > 1 and self.chance.random() >= rates.FIRST_SIBLING_SHARE:
            siblings.reverse()
        for sibling in siblings:
            if self.spare[sibling] >= 1:
                self.spare[sibling] -= 1
                return Result(name, Kind.SIBLING, sibling)
        return self._off_topic(name)

    def _off_topic(self, name: str) -> Result:
        near = {name, *self.collection.siblings(name)}
        classes = [other for other in self.collection.classes if other not in near and self.spare[other] >= 1]
        if classes and self.chance.random() < rates.OFF_TOPIC_CLASS_SHARE:
            content = self.chance.choice(classes)
            self.spare[content] -= 1
            return Result(name, Kind.OFF_TOPIC, content)
        homonym = self.collection.homonym(name)
        subjects = [subject for subject in self.subjects if subject != homonym] or [homonym]
        return Result(name, Kind.OFF_TOPIC, OTHER + self.chance.choice(subjects))

    def share(self, wrong: dict[str, list[Result]]) -> Counter[str]:
        """Mark the wrong photos that turn up under their right keyword too; their number for each class."""
        shared: Counter[str] = Counter()
        candidates = [result for results in wrong.values() for result in results if result.content in wrong]
        found_twice = self.chance.sample(candidates, round(rates.SHARED_NOISE * len(candidates)))
        twins = [result for result in candidates if self.planted.twin(result.keyword) == result.content]
        found_twice += self.chance.sample(twins, round(rates.PLANTED_SHARED * len(twins)))
        for result in dict.fromkeys(found_twice):
            own = self.counts[result.content] - self.wrong_counts[result.content]
            if shared[result.content] < own // 2:
                result.shared = True
                shared[result.content] += 1
        return shared

    def _quota(self, what: str, rate: float, results: list[Result]) -> int:
        """This keyword's part of a rate, rounded so that the parts of all keywords add up."""
        self.due[what] += len(results)
        quota = round(self.due[what] * rate) - self.given[what]
        self.given[what] += quota
        return quota

    def copy_test_photos(self, name: str, results: list[Result]) -> None:
        """Turn a few of the right photos into copies of test photos."""
        right = [result for result in results if result.kind is Kind.TRUE]
        copies = [sample for sample in self.unused_test if sample.content == name]
        quota = self._quota("test copies", rates.TEST_COPIES, results)
        for result, sample in zip(right[: max(0, len(right) - 1)][:quota], copies, strict=False):
            result.test = sample

    def reupload(self, results: list[Result]) -> None:
        """Turn a few photos into re-uploads of others of the same keyword and kind."""
        free = [result for result in results if result.test is None and not result.shared]
        for _ in range(self._quota("re-uploads", rates.REUPLOADS, results)):
            if not free:
                return
            copy = free.pop(self.chance.randrange(len(free)))
            originals = [result for result in free if result.kind is copy.kind]
            if originals:
                original = self.chance.choice(originals)
                free.remove(original)
                copy.original, copy.content = original, original.content
