"""What a section of the settings is made of: strict, frozen tables whose fields are declared with their help."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from rawlabel.base.json_values import JsonObject

Precision = Literal["auto", "bf16", "fp32"]
Device = Literal["auto", "cpu", "cuda", "mps"]
Engine = Literal["local", "ray"]
DEVICE_HELP = "Where to compute; auto takes an NVIDIA GPU if there is one; mps, an Apple GPU, only by its name."


class Role(StrEnum):
    """What a setting has a say in; which runs resume, are grouped, share a name or differ follows from it."""

    RESULT = "result"
    """What comes out. Another value is another run."""
    PLACE = "place"
    """Where things lie and are computed, and what is shown or kept; the result stays the same."""
    SPEED = "speed"
    """How fast; the result stays the same."""
    START = "start"
    """Where a run begins; one that goes on has its own checkpoint, and heeds it no more."""


def setting(
    default: Any,
    description: str,
    *,
    role: Role = Role.RESULT,
    also: str | None = None,
    positional: bool = False,
    flags: tuple[str, ...] = (),
    bare: str | None = None,
    common: bool = False,
    **checks: Any,
) -> Any:
    """Declare a field: its default, its help text, a second accepted key, and pydantic's range checks.

    `also` is a key that the published configuration files use for the same thing; `positional` makes the field an
    argument of the command instead of a flag; `role` says what the setting has a say in. `flags` are further
    spellings of the flag, and `bare` is what the flag means without a value. `common` settings are the ones that
    people change: where a section has any, `--help` shows these alone, and `--help-all` the rest.
    """
    return Field(
        default,
        description=description,
        alias=also,
        json_schema_extra={
            "positional": positional,
            "flags": list(flags),
            "bare": bare,
            "role": role,
            "common": common,
        },
        **checks,
    )


MAX_MEGAPIXELS = 64.0
"""Pixels up to which images are decoded: three bytes each, and several images at a time [megapixels]."""


def pixel_limit() -> Any:
    """Declare `max_megapixels`, which whatever decodes images has."""
    return setting(
        MAX_MEGAPIXELS, "Largest image decoded [megapixels]; read from the header.", gt=0, role=Role.PLACE
    )


def engine_of_tasks(what: str, role: Role = Role.RESULT) -> Any:
    """Declare `engine`, which whatever hands tasks to a Ray cluster has; `what` they do, as in "writes shards"."""
    return setting(
        "local", f"What {what}: this process, or a Ray cluster (`pip install 'rawlabel[ray]'`).", role=role
    )


def cluster_address(role: Role = Role.RESULT) -> Any:
    """Declare `ray_address`, which stands beside `engine`."""
    return setting(
        None, "Address of the Ray cluster: HOST:PORT or auto; by default one on this machine.", role=role
    )


class Section(BaseModel):
    """Base of all sections: frozen, and strict about unknown keys."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, validate_default=True
    )

    refused: ClassVar[dict[str, str]] = {}
    """Keys of published files that cannot be obeyed, and what to do instead where they ask for something."""

    replaced: ClassVar[dict[str, str]] = {}
    """Keys of published files that no longer make sense, and what to do instead, which is said once."""

    stages: ClassVar[tuple[str, ...]] = ()
    """Settings that are tables for other verbs, called as these; a file may have them, and there are no flags."""

    @classmethod
    def named(cls, *roles: Role) -> frozenset[str]:
        """Names of the settings that have one of these roles."""
        extras: Mapping[str, Any] = {name: field.json_schema_extra for name, field in cls.model_fields.items()}
        return frozenset(name for name, extra in extras.items() if extra["role"] in roles)

    @classmethod
    def named_defaults(cls) -> Mapping[str, Mapping[str, object]]:
        """Defaults that settings have under a name, by it, where others hold; most sections have none."""
        return {}

    @classmethod
    def in_order(cls) -> list[str]:
        """Names of the settings as help shows them: a section's own first, then those of each base in turn."""
        own = (vars(kind).get("__annotations__", {}) for kind in cls.__mro__)
        return [name for names in own for name in names if name in cls.model_fields]

    def as_json(self) -> JsonObject:
        """Plain values under the fields' own names and in their order, as written beside each artifact."""
        values = self.model_dump(mode="json")
        return {name: values[name] for name in self.in_order()}

    def fingerprint(self, *, exclude: frozenset[str] = frozenset()) -> str:
        """Sixteen hex digits that change when a setting changes, `exclude`d fields aside."""
        values = {key: value for key, value in self.as_json().items() if key not in exclude}
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()[:16]
