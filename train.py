"""The published trainer's command: `python train.py --config ./results/flickr_cls100/config.json`.

What it trains is the paper's recipe, unless --recipe names another.
"""

import sys

from rawlabel.cli.command import main

if __name__ == "__main__":
    main(["train", "--recipe", "paper", *sys.argv[1:]])
