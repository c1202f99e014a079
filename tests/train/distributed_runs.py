"""Several runs one after the other in the same processes, for what starts several: `torchrun` is slow to start.

Arguments: folder of the data, folder for the runs, then one JSON object of changed settings for each run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rawlabel.evaluate import make_epoch_evaluator
from rawlabel.train import train
from rawlabel.train.distributed import joined
from tests.train.conftest import tiny


def main(data: str, out: str, *changes: str) -> None:
    with joined():
        for number, change in enumerate(changes):
            train(tiny(Path(data), outpath=Path(out) / str(number), **json.loads(change)), make_epoch_evaluator)


if __name__ == "__main__":
    main(*sys.argv[1:])
