"""Nothing is lost on the way: found = kept + rejected + failed + pending, whatever happened to the photos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from rawlabel.artifacts.catalogue.rows import Candidate
from rawlabel.artifacts.copies.stars import Copy
from rawlabel.artifacts.decision import table_of
from rawlabel.artifacts.funnel import Funnel
from rawlabel.artifacts.image_check import Decoded
from rawlabel.artifacts.review.answers import Answer
from rawlabel.config import CurateConfig
from rawlabel.gather.curate.answer_lists import AnswerLists, Entry
from rawlabel.gather.curate.stage import decide_with
from rawlabel.records import LabelEvent, Outcome, Photo, Reason, Status, Verdict

CLASSES = ("owl", "robin")
KNOWN = {name: Decoded(None, 100, 100, name) for name in "abcdef"} | {
    "small": Decoded(Reason.TOO_SMALL, 5, 5, "small"), "torn": Decoded(Reason.TRUNCATED),
}  # fmt: skip
"""What decoding finds of a file, by its digest."""
GONE = {
    Status.FOUND: None, Status.FAILED: Reason.HTTP_GONE, Status.SKIPPED: Reason.NOT_NEEDED,
}  # fmt: skip

events = st.lists(
    st.tuples(st.sampled_from(["flickr", "commons"]), st.integers(0, 7), st.sampled_from(CLASSES)),
    min_size=1, max_size=20, unique=True,
)  # fmt: skip
fates = st.lists(st.sampled_from([*KNOWN, *GONE]), min_size=16, max_size=16)
answers = st.lists(st.tuples(st.integers(0, 9), st.sampled_from(Answer)), max_size=6)


def candidate(source: str, number: int, class_id: str, fate: str | Status) -> Candidate:
    name = str(number)
    if isinstance(fate, Status):
        outcome = Outcome(source, name, fate, GONE[fate])
    else:
        outcome = Outcome(source, name, Status.FETCHED, stored_sha256=fate, media_type="image/jpeg")
    facts = Photo(source, name, "http://host/", author_id=f"author {number % 3}")
    return Candidate(LabelEvent(source, name, class_id, class_id, 0), facts, outcome)


def alike(digests: Sequence[str]) -> list[Copy]:
    """The first two pictures are near copies."""
    return [Copy(0, 1, "near copy", 20, 0.9)] if len(digests) > 1 else []


@given(
    found=events, fate=fates, said=answers, policy=st.sampled_from(["drop", "first", "keep-both"]),
    near_copies=st.booleans(),
)  # fmt: skip
def test_every_label_event_has_one_end_and_the_counts_add_up(
    found: list[tuple[str, int, str]],
    fate: list[str | Status],
    said: list[tuple[int, Answer]],
    policy: str,
    near_copies: bool,
) -> None:
    # One photo has one fate, under however many classes it was found.
    fates_of = {(source, n): fate[n + 8 * (source == "commons")] for source, n, _ in found}
    candidates = [candidate(*one, fates_of[one[:2]]) for one in found]
    lists = AnswerLists(tuple(Entry(str(n), answer, "flickr") for n, answer in said))
    config = CurateConfig(conflicts=policy)  # type: ignore[arg-type]
    decided = decide_with(lists, candidates, KNOWN, config, alike if near_copies else lambda _: [])
    rows = decided.decisions
    assert [(row.source, row.photo_id, row.class_id) for row in rows] == [(s, str(n), c) for s, n, c in found]
    for row in rows:
        assert (row.verdict == Verdict.KEPT) == (row.reason is None) == (row.split is not None)
    funnel = Funnel.of(table_of(rows), CLASSES)
    pending = Counter[str](one.event.class_id for one in candidates if one.outcome.status is Status.FOUND)
    for one in (*funnel.classes, funnel.total):
        # What waits for its download is counted among what failed, with a reason of its own.
        waits = sum(count for loss, count in one.losses.items() if loss.reason == Reason.NOT_FETCHED)
        assert waits == (pending.total() if one is funnel.total else pending[one.class_id])
        assert one.found == one.kept + one.rejected + (one.failed - waits) + waits
        assert one.rejected + one.failed == sum(one.losses.values())
    assert funnel.total.found == len(found) == sum(one.found for one in funnel.classes)
    counts = decided.reviewed
    ends = counts.dropped + counts.kept + counts.not_sure + counts.already_out + counts.unmatched
    assert counts.entries == len(said) == ends
