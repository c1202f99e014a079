"""How much of a manifest a person looked at: whether "no annotator" is true of it."""

from __future__ import annotations

from rawlabel.base.checked import Count, Record


class Reviewed(Record):
    """What `rawlabel curate --drop` took of people's answers. The labels are the raw ones all the same.

    Every entry of the files ends as one of five, so entries = dropped + kept + not_sure + already_out + unmatched.
    """

    looked_at: Count = 0
    """Different photos that somebody gave an answer about."""
    entries: Count = 0
    """Answers in the files, the newest one about each photo and class."""
    dropped: Count = 0
    kept: Count = 0
    """Those by which a photo stays; it would have stayed without them."""
    not_sure: Count = 0
    already_out: Count = 0
    """Those to drop a photo that another reason keeps out."""
    unmatched: Count = 0
    """Those that name no photo of the collection."""

    def describe(self) -> str:
        """One line for people: how many photos somebody looked at, and what came of it."""
        if not self.looked_at:
            return "nobody looked at a photo"
        photos = f"{self.looked_at:,} photo{'' if self.looked_at == 1 else 's'}"
        return (
            f"a person looked at {photos}: {self.dropped:,} dropped, {self.kept:,} kept, "
            f"{self.not_sure:,} not sure; no label was edited"
        )


NOT_REVIEWED = Reviewed()
"""Nobody looked at anything, which is how rawlabel means its manifests to be made."""
