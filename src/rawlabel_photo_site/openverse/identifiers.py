"""Identifiers of photos on Openverse, which follow from those on their own sites."""

from __future__ import annotations

import uuid

_NAMESPACE = uuid.UUID("6d2b6b0e-3b39-4d7b-9a52-2f9a3c1b7e55")


def identifier(source: str, photo_id: str) -> str:
    """The identifier of the photo with this id on its site."""
    return str(uuid.uuid5(_NAMESPACE, f"{source}/{photo_id}"))
