"""Which of a user's classes are among those that an encoder was taught."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rawlabel.gather.classes.wordnet import imagenet_ids, load_wordnet


def own_classes(class_ids: Iterable[str], label_lists: Sequence[str]) -> list[str]:
    """Those of `class_ids` that are a class of one of the ImageNet lists, by WordNet id or by name.

    A name counts with any of its meanings, and a plural of s with its singular: better one too many than one too
    few, since what follows is a warning.
    """
    taught = {one for name in label_lists for one in imagenet_ids(name)}
    if not taught:
        return []
    wordnet = load_wordnet()

    def is_taught(class_id: str) -> bool:
        names = (class_id, class_id.removesuffix("s"))
        return class_id in taught or any(
            one.wordnet_id in taught for name in names for one in wordnet.meanings(name)
        )

    return [class_id for class_id in class_ids if is_taught(class_id)]
