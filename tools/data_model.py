"""Write docs/data-model.md from the descriptions in the code; `--check` only says whether it is up to date.

python tools/data_model.py [--check]
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterable
from contextlib import closing
from pathlib import Path

from rawlabel.artifacts.catalogue.columns import TABLES
from rawlabel.artifacts.catalogue.schema import MIGRATIONS
from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.review.answer_file import AnswerRecord, LookRecord
from rawlabel.records import Reason

PATH = Path(__file__).parents[1] / "docs" / "data-model.md"
MANIFEST = """# The data model

Written by `tools/data_model.py` from the descriptions in the code; do not edit it here.

## Manifest

`manifests/<fingerprint>/manifest.parquet`: one row a label event. The descriptions are in the file too, as
metadata of its columns (`pyarrow.parquet.read_schema`).
"""
REASONS = """
## Reasons

Why a label event is not kept (`reason`). Those that may pass are asked for again by the next `rawlabel collect`.
"""
CATALOGUE = """
## Catalogue

`catalogue.sqlite`: facts, which are added and never deleted.
"""


ANSWERS = """
## Answers of people

`review.jsonl` in a project: a line a look (`rawlabel review`), only ever added to. A look stands until another
takes it back; of those that stand, the newest one about a photo under a class counts.
"""
EACH_ANSWER = """
Each of `answers`:
"""


def document() -> str:
    """The whole page."""
    columns = [(one.name, str(one.type), (one.metadata or {})[b"description"].decode()) for one in SCHEMA]
    reasons = [(one.value, one.describe(), "yes" if one.may_pass else "") for one in Reason]
    parts = [MANIFEST, table(("column", "type", "meaning"), columns)]
    parts += [REASONS, table(("reason", "meaning", "may pass"), reasons), CATALOGUE]
    with closing(sqlite3.connect(":memory:")) as database:
        for _, script in MIGRATIONS:
            database.executescript(script)
        for name, (meaning, described) in TABLES.items():
            # A column without a description, and a description without a column, are mistakes that end here.
            kinds = {row[1]: row[2] for row in database.execute(f"PRAGMA table_info({name})")}
            assert kinds.keys() == described.keys(), (name, kinds.keys() ^ described.keys())
            rows = [(column, kinds[column].lower(), text) for column, text in described.items()]
            parts += [f"\n### {name}\n\n{meaning}\n", table(("column", "type", "meaning"), rows)]
        found = {row[0] for row in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        assert found == TABLES.keys(), found ^ TABLES.keys()
    for title, record in ((ANSWERS, LookRecord), (EACH_ANSWER, AnswerRecord)):
        keys = [(name, field.description or "") for name, field in record.model_fields.items()]
        parts += [title, table(("key", "meaning"), keys)]
    return "".join(parts)


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    """A Markdown table, the first column as code."""
    lines = [f"\n| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    lines += [f"| `{name}` | {' | '.join(text.replace('<', '&lt;') for text in rest)} |" for name, *rest in rows]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Bring the page up to date, or say with exit code 1 that it is not."""
    text = document()
    if "--check" in sys.argv[1:]:
        is_new = not PATH.is_file() or PATH.read_text("utf-8") != text
        if is_new:
            sys.stderr.write(f"{PATH.name} does not say what the code says; run `python tools/data_model.py`\n")
        return int(is_new)
    PATH.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
