"""The stage `curate`: a catalogue in, a manifest of decisions out. No label is ever edited.

The order of the checks is part of their meaning (a placeholder must not survive as the first of its
duplicates), so it is written out here and is not configurable:

1. downloads that failed keep their reason; what its site was found to have taken down since, or to have given a
   license that is not among those asked for (`rawlabel prune`), is left out;
2. files that cannot be decoded, are placeholders, too small or too large are rejected;
3. a photo found for one class under a second keyword, or by a second source, counts once;
4. a photo or equal pixels under several classes are a contradiction of labels (`--conflicts`);
5. of equal pixels within one class the first found stays;
6. of near copies within one class, of whatever source, the best stays; under several classes they are a
   contradiction of labels as well;
7. what a person who looked at it wants left out (`--drop`) is rejected, and its copies with it;
8. what is left is kept and split into training and holdout by author and picture, so that no class has too few on
   a side.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import fields, replace
from functools import partial
from typing import NamedTuple

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.copies.crops import crops_among, open_places
from rawlabel.artifacts.copies.fingerprint import Pixels
from rawlabel.artifacts.copies.kept_vectors import KeptVectors
from rawlabel.artifacts.copies.listed import FILE, table_of_copies
from rawlabel.artifacts.copies.stars import Copy, stars_within
from rawlabel.artifacts.copies.store import FingerprintStore, fingerprints_folder
from rawlabel.artifacts.decision import Decision, table_of
from rawlabel.artifacts.image_check import Decoded
from rawlabel.artifacts.image_store.project_photos import ProjectPhotos
from rawlabel.artifacts.manifest import Manifest, write_manifest
from rawlabel.artifacts.presence import decided_again
from rawlabel.artifacts.project import catalogue_path
from rawlabel.artifacts.review.answer_file import answers_path, read_answers
from rawlabel.artifacts.review.answers import Answer
from rawlabel.artifacts.review.reviewed import Reviewed
from rawlabel.artifacts.split import splits_of
from rawlabel.base import messages
from rawlabel.base.progress import progress
from rawlabel.base.ray_cluster import Cluster
from rawlabel.config import CurateConfig
from rawlabel.errors import ConfigError, DataError
from rawlabel.gather.curate.answer_lists import AnswerLists, read_answer_lists
from rawlabel.gather.curate.examining import examine_all, pixels_of
from rawlabel.gather.curate.near_copies import FindCopies, Picture, listed, settle_near_copies
from rawlabel.gather.curate.placeholders import is_placeholder
from rawlabel.gather.curate.reviewed import drop_reviewed
from rawlabel.gather.curate.same_picture import Names, own_name, photo_names
from rawlabel.records import Outcome, Photo, Reason, Split, Status, Verdict

_COLUMNS = {one.name for one in fields(Decision)}
_DECIDED = {"reason", "pixel_sha256", "perceptual_hash", "width", "height"}
"""What a decision says otherwise than the photo site and the host do."""
_OF_PHOTO = [one.name for one in fields(Photo) if one.name in _COLUMNS - _DECIDED]
_OF_OUTCOME = [one.name for one in fields(Outcome) if one.name in _COLUMNS - _DECIDED - {"source", "photo_id"}]


MakeFeatures = Callable[[CurateConfig, Sequence[str]], None]
"""Keeps features of the project's photos of these names; handed in from above, since encoders lie there."""


def curate(config: CurateConfig, make_features: MakeFeatures | None = None) -> Manifest:
    """Decide about every label event of the project's catalogue and freeze the decisions.

    `make_features` makes those that `config.crops` needs and that no training has kept.
    A class of which nothing is left is left out, which the manifest says. Raises `DataError` when there is no
    catalogue, no class has anything left or a file of `drop` cannot be read, and `DiskError`.
    """
    lists = read_answer_lists(config.drop)
    with Catalogue(catalogue_path(config.project)) as catalogue:
        candidates = list(catalogue.candidates())
        classes = catalogue.classes()
        fingerprint = catalogue.fingerprint()
    if not candidates:
        raise DataError(f"{config.project}: the catalogue holds no photos; run `rawlabel collect` again")
    photos = ProjectPhotos(config.project)
    store = FingerprintStore(fingerprints_folder(config.project))
    cluster = Cluster.of(config.engine, config.ray_address, config.workers)

    def keep_features(digests: Sequence[str]) -> None:
        types = {one.outcome.stored_sha256: one.outcome.media_type for one in candidates}
        if make_features is not None:
            make_features(config, [photos.name(one, types[one] or "") for one in digests])

    with cluster.joined() if cluster is not None else nullcontext():
        decoded = examine_all(candidates, photos, store, config)
        find = partial(_copies, store, pixels_of(candidates, photos, config), config, cluster, keep_features)
        decided = decide_with(lists, candidates, decoded, config, find)
    decisions = [
        replace(one, path=photos.name(one.stored_sha256, one.media_type or "")) if one.stored_sha256 else one
        for one in decided.decisions
    ]
    if not any(one.is_kept for one in decisions):
        raise DataError(
            f"{config.project}: no photo of any class is left; collect more, or loosen --min-side "
            f"({_most(decisions)})"
        )
    if lists.torn:
        messages.note(f"{lists.torn} lines of the answers are unfinished; what they would have said is lost")
    _say_not_taken(config)
    return write_manifest(
        config.project,
        table_of(decisions),
        classes,
        config=config.as_json(),
        catalogue_fingerprint=fingerprint,
        reviewed=decided.reviewed,
        beside={FILE: table_of_copies(list(listed(decisions, decided.stars)))},
    )


def _copies(
    store: FingerprintStore,
    read: Callable[[str], Pixels],
    config: CurateConfig,
    cluster: Cluster | None,
    keep_features: Callable[[Sequence[str]], None],
    digests: Sequence[str],
) -> list[Copy]:
    if not config.near_copies or len(digests) < 2:
        return []
    with progress("comparing photos", len(digests)) as task:
        table = store.table(digests)
        found = stars_within(table, lambda place: read(digests[place]), task.advance, cluster=cluster)
    if config.crops:
        if not KeptVectors.of(config.project / "features", digests).known.all():
            keep_features(digests)
        found += _crops(config, digests, read, found)
    return found


def _crops(
    config: CurateConfig, digests: Sequence[str], read: Callable[[str], Pixels], copies: list[Copy]
) -> list[Copy]:
    """Crops and edits among pictures that are copies of no better one. Raises `ConfigError` without features."""
    vectors = KeptVectors.of(config.project / "features", digests)
    if not (known := int(vectors.known.sum())):
        raise ConfigError(
            f"--crops: no features of the photos of {config.project} are kept; `rawlabel train` makes them"
        )
    if known < len(digests):
        messages.note(
            f"{len(digests) - known:,} of {len(digests):,} pictures have no features, and are not looked at"
        )
    with progress("looking for crops", len(digests)) as task:
        return crops_among(
            vectors, open_places(len(digests), copies), lambda place: read(digests[place]), task.advance
        )


def _say_not_taken(config: CurateConfig) -> None:
    """Tell whoever has looked at photos when nothing is made of it."""
    path = answers_path(config.project)
    if config.drop or not path.is_file():
        return
    if count := sum(answer is Answer.DROP for _, answer in read_answers(path).answers.standing()):
        messages.note(f"{count:,} photos that a person wants left out are not: say --drop {path}")


def _most(decisions: Sequence[Decision]) -> str:
    """The most frequent reasons in words."""
    counts = Counter(one.reason for one in decisions if one.reason is not None)
    return "; ".join(f"{count:,}: {reason.describe()}" for reason, count in counts.most_common(3))


def decide(candidates: list[Candidate], decoded: dict[str, Decoded], config: CurateConfig) -> list[Decision]:
    """One decision a candidate, in order; `decoded` maps SHA-256 of the bytes to what decoding found."""
    return decide_with(AnswerLists(), candidates, decoded, config, lambda _: []).decisions


class Decided(NamedTuple):
    """What was decided."""

    decisions: list[Decision]
    """One a candidate, in order."""
    reviewed: Reviewed
    """What came of the entries of lists."""
    stars: list[Picture]
    """Pictures that several photos show."""


def decide_with(
    lists: AnswerLists,
    candidates: list[Candidate],
    decoded: dict[str, Decoded],
    config: CurateConfig,
    find: FindCopies,
) -> Decided:
    """The same, leaving out what `lists` say, and near copies that `find` finds.

    Raises `DataError` for an entry that may mean photos of several sources.
    """
    decisions = [decided_again(_undecided(candidate, decoded), candidate.last_seen) for candidate in candidates]
    names = photo_names(decisions)
    _reject_placeholders(decisions, candidates, decoded, config.placeholder_copies, names)
    _reject_same_photo(decisions, names)
    _settle_cross_class(decisions, names, config.conflicts)
    _reject_exact_duplicates(decisions)
    stars = settle_near_copies(decisions, config.conflicts, find)
    reviewed = drop_reviewed(decisions, lists, config.drop_most)
    places = _kept_places(decisions)
    groups = [decisions[place].group or "" for place in places]
    classes = [decisions[place].class_id for place in places]
    for place, split in zip(places, splits_of(groups, classes, config.seed, config.holdout), strict=True):
        decisions[place] = replace(decisions[place], split=Split(split))
    return Decided(decisions, reviewed, stars)


def _undecided(candidate: Candidate, decoded: dict[str, Decoded]) -> Decision:
    """What is known of a candidate, kept unless its bytes are absent or not to be decoded."""
    event, photo, outcome = candidate.event, candidate.photo, candidate.outcome
    image = decoded.get(outcome.stored_sha256 or "", Decoded())
    verdict, reason = Verdict.KEPT, image.reason
    if outcome.status is not Status.FETCHED:
        reason = outcome.reason or Reason.NOT_FETCHED
        verdict = reason.verdict
    elif reason is not None:
        verdict = Verdict.REJECTED
    # One author's series holds near copies; they must not straddle training and holdout.
    group = f"{event.source}:{photo.author_id}" if photo.author_id else image.pixel_sha256 or photo.photo_id
    return Decision(
        **{name: getattr(photo, name) for name in _OF_PHOTO},
        **{name: getattr(outcome, name) for name in _OF_OUTCOME},
        class_id=event.class_id,
        keyword=event.keyword,
        rank=event.rank,
        part=candidate.bounds,
        verdict=verdict,
        reason=reason,
        group=group,
        pixel_sha256=outcome.pixel_sha256 or image.pixel_sha256,
        perceptual_hash=outcome.perceptual_hash or image.perceptual_hash,
        # The size of what is stored; what the host sent may have been larger.
        width=image.width,
        height=image.height,
        searched_at=candidate.searched_at,
        license_read_at=candidate.found_at,
        fetched_at=candidate.fetched_at,
    )


def _kept_places(decisions: Sequence[Decision]) -> list[int]:
    return [place for place, one in enumerate(decisions) if one.is_kept]


def _kept_by_pixels(decisions: Sequence[Decision]) -> list[list[int]]:
    """Places of decisions that still keep their photo, in groups of equal pixels."""
    groups = defaultdict(list)
    for place in _kept_places(decisions):
        groups[decisions[place].pixel_sha256].append(place)
    return list(groups.values())


def _reject_placeholders(
    decisions: list[Decision],
    candidates: list[Candidate],
    decoded: dict[str, Decoded],
    copies: int,
    names: Names,
) -> None:
    sizes = {
        own_name(decision): (one.photo.width, one.photo.height)
        for decision, one in zip(decisions, candidates, strict=True)
    }
    for places in _kept_by_pixels(decisions):
        image = decoded.get(decisions[places[0]].stored_sha256 or "", Decoded())
        share = image.uniform_share or 0.0
        if is_placeholder([decisions[place] for place in places], copies, names, sizes, share):
            for place in places:
                decisions[place] = decisions[place].lost(Reason.PLACEHOLDER)


def _reject_same_photo(decisions: list[Decision], names: Names) -> None:
    first: dict[tuple[str, str], str] = {}
    for place in _kept_places(decisions):
        one = decisions[place]
        key = (names.of(own_name(one)), one.class_id)
        if key in first:
            decisions[place] = one.lost(Reason.SAME_PHOTO, first[key])
        else:
            first[key] = one.photo_id


def _settle_cross_class(decisions: list[Decision], names: Names, policy: str) -> None:
    if policy == "keep-both":
        return
    for one in decisions:
        if one.is_kept:
            names.join(own_name(one), f"pixels:{one.pixel_sha256}")
    groups = defaultdict(list)
    for place, one in enumerate(decisions):
        # A photo whose bytes came by another source may say another class than that one does.
        if one.is_kept or one.reason is Reason.SAME_PHOTO:
            groups[names.of(own_name(one))].append(place)
    for places in groups.values():
        kept = [place for place in places if decisions[place].is_kept]
        if len({decisions[place].class_id for place in places}) == 1 or not kept:
            continue
        first = decisions[kept[0]]
        for place in kept:
            if policy == "drop" or decisions[place].class_id != first.class_id:
                decisions[place] = decisions[place].lost(Reason.CROSS_CLASS, first.photo_id)


def _reject_exact_duplicates(decisions: list[Decision]) -> None:
    for places in _kept_by_pixels(decisions):
        first: dict[str, str] = {}
        for place in places:
            one = decisions[place]
            if one.class_id in first:
                decisions[place] = one.lost(Reason.EXACT_DUPLICATE, first[one.class_id])
            else:
                first[one.class_id] = one.photo_id
