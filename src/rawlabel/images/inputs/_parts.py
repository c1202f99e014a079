"""Which of several files are the training part, the test part, and the holdout: their names say so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

_KINDS = {"train": "train", "test": "test", "validation": "validation", "valid": "validation", "val": "validation",
          "holdout": "holdout"}  # fmt: skip


def files_of_part(files: Sequence[Path], part: str) -> tuple[list[Path], list[bool]]:
    """The files of `part` (`train` or `test`), sorted, and whether each is the holdout that an export made.

    A file belongs to the part that its name begins with. Only where training files lie beside test or validation
    files is there a choice; the test part is then the test files, or else the validation files.
    """
    kinds = {path: _KINDS.get(re.split(r"[-_.]", path.name.lower())[0], "") for path in sorted(files)}
    present = set(kinds.values())
    if part == "test" and "train" in present and present & {"test", "validation"}:
        wanted = {"test"} if "test" in present else {"validation"}
    elif part == "train" and "train" in present:
        wanted = {"train", "holdout"}
    else:
        wanted = present
    chosen = [path for path, kind in kinds.items() if kind in wanted]
    return chosen, [kinds[path] == "holdout" for path in chosen]
