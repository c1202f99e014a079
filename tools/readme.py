"""Write the tables of README.md from their one home, the result files; `--check` only says whether they agree.

python tools/readme.py [--check]
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rawlabel.base.metrics import mean_interval

ROOT = Path(__file__).parents[1]
SHOWN = {"flowers_choice": ("wrong", 0.4), "cifar10n_recipe": ("labels", "worst")}
"""Of tables with several sets of labels: the column and its value whose rows the page shows."""
BEGIN, END = "<!-- results:begin -->\n", "<!-- results:end -->\n"
RESULTS = (
    ("flower photos from Flickr, 40 % of labels made wrong, by recipe transfer", "flowers_choice"),
    ("the same photos, 40 % simulated search noise, by scratch", "flowers"),
    ("digits of a simulated photo site, 40 % search noise, by transfer: `rawlabel demo`", "demo_transfer"),
    ("the same, by scratch: `rawlabel demo --recipe scratch`", "demo"),
    ("CIFAR-10N, worst human labels, by transfer", "cifar10n_recipe"),
    ("CIFAR-10N, human noise, ResNet-34", "cifar10n"),
)


def table() -> str:
    """The result table: measured rows from `results/measured/<name>/seeds.json`, the others said to be missing."""
    lines = [
        "| data | raw labels right | test accuracy, chosen epoch | last epoch | oracle epoch | seeds |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for title, name in RESULTS:
        path = ROOT / "results" / "measured" / name / "seeds.json"
        if not path.is_file():
            lines.append(f"| {title} | | not yet measured | | | |")
            continue
        rows = json.loads(path.read_text("utf-8"))["rows"]
        if name in SHOWN:
            column, value = SHOWN[name]
            rows = [row for row in rows if row[column] == value]
        # Labels that were made wrong on purpose say how many are.
        rows = [{"raw_labels_right": 100 * (1 - row["wrong"]), **row} if "wrong" in row else row for row in rows]
        cells = (
            describe([row[key] for row in rows]) for key in ("raw_labels_right", "selected", "last", "oracle")
        )
        lines.append(f"| [{title}](results/measured/{name}/seeds.md) | {' | '.join(cells)} | {len(rows)} |")
    return "\n".join(lines) + "\n"


def describe(values: list[float]) -> str:
    """Mean and 95 % interval over seeds [percent]."""
    mean, half_width = mean_interval(values)
    if half_width is None:
        return f"{mean:.1f} % (one seed)"
    return f"{mean:.1f} ± {half_width:.1f} %" if max(values) > min(values) else f"{mean:.1f} %"


def main() -> int:
    """Bring README.md up to date, or say with exit code 1 that it is not."""
    path = ROOT / "README.md"
    before = path.read_text("utf-8")
    start, stop = before.index(BEGIN) + len(BEGIN), before.index(END)
    after = before[:start] + table() + before[stop:]
    if "--check" in sys.argv[1:]:
        if before != after:
            sys.stderr.write("README.md does not show what results/measured holds; run `python tools/readme.py`\n")
        return int(before != after)
    path.write_text(after, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
