"""Execute the notebooks and keep what comes out in them; `--check` only says whether they hold it.

    python tools/notebooks.py [--check]

Texts must be equal. Images are kept with few colours, which makes them small, and must look the same: their bytes
differ from one version of matplotlib's libraries to the next.
"""

from __future__ import annotations

import base64
import io
import os
import sys
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbclient import NotebookClient
from PIL import Image

FOLDER = Path(__file__).parents[1] / "notebooks"
COLORS = 48
# What tqdm says of a notebook without widgets depends on what else is installed.
os.environ["PYTHONWARNINGS"] = "ignore:IProgress"
MOST_DIFFERENCE = 3.0
"""Mean difference of two images that look the same [of 255]."""


def execute(path: Path) -> nbformat.NotebookNode:
    """The notebook with the outputs of a fresh kernel, in a form that is the same each time."""
    notebook = nbformat.read(path, as_version=4)
    place, quiet = {"metadata": {"path": str(path.parent)}}, ["--log-level=ERROR"]
    client = NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place, extra_arguments=quiet)
    client.execute()
    for cell in notebook.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            if "image/png" in output.get("data", {}):
                output.data = {"image/png": shrunk(output.data["image/png"])}
                output.metadata = {}
    notebook.metadata = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}}
    return notebook


def shrunk(encoded: str) -> str:
    """A PNG image with few colours."""
    stream = io.BytesIO()
    picture(encoded).quantize(COLORS, dither=Image.Dither.NONE).save(stream, "PNG", optimize=True)
    return base64.b64encode(stream.getvalue()).decode("ascii")


def picture(encoded: str) -> Image.Image:
    """The image of an output."""
    return Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGB")


def difference(kept: nbformat.NotebookNode, made: nbformat.NotebookNode) -> str | None:
    """The first output of `made` that `kept` does not hold, in words."""
    for number, (before, after) in enumerate(zip(kept.cells, made.cells, strict=True), start=1):
        old, new = before.get("outputs", []), after.get("outputs", [])
        if len(old) != len(new) or not all(same(one, other) for one, other in zip(old, new, strict=True)):
            return f"cell {number}"
    return None


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two outputs say or show the same."""
    data, more = one.get("data", {}), other.get("data", {})
    if "image/png" not in data or "image/png" not in more:
        return (one.get("text"), data) == (other.get("text"), more)
    first, second = picture(data["image/png"]), picture(more["image/png"])
    if first.size != second.size:
        return False
    return float(np.abs(np.asarray(first, float) - np.asarray(second, float)).mean()) < MOST_DIFFERENCE


def main() -> int:
    """Bring the notebooks up to date, or say with exit code 1 which one is not."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        made = execute(path)
        if "--check" not in sys.argv[1:]:
            nbformat.write(made, path)
            continue
        found = difference(nbformat.read(path, as_version=4), made)
        if found:
            sys.stderr.write(f"{path}: {found} does not hold what comes out; run `python tools/notebooks.py`\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
