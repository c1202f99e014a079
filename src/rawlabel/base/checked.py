"""Records of files that may be damaged or of another version: checked as they are read, then frozen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, Strict, TypeAdapter, ValidationError

from rawlabel.base.json_values import JsonObject
from rawlabel.errors import DataError

Checked = TypeVar("Checked")

Number = Annotated[float, Strict()]
"""A number as JSON has them, NaN and infinity too; a text or a truth value is none."""
Measured = Annotated[float, Strict(), Field(allow_inf_nan=False)]
"""A finite number."""
Count = Annotated[int, Strict(), Field(ge=0)]


class Record(BaseModel):
    """Base of the records; what a later version wrote beside their fields is kept, and written again with them."""

    model_config = ConfigDict(frozen=True, extra="allow", populate_by_name=True)

    def as_json(self) -> JsonObject:
        """Plain values under the keys of the file, those alone that it had or that were given."""
        return self.model_dump(mode="json", exclude_unset=True, by_alias=True)


def check_record(kind: type[Checked], value: object, path: Path, remedy: str) -> Checked:
    """Return `value` as `kind`; raises `DataError` that names the file and the place in it."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the whole"
        message = f"{path}: {place} is not as expected ({first['msg'].lower()}); {remedy}"
        raise DataError(" ".join(message.split())) from error
