"""The published trainer's command: `python train.py --config ./results/flickr_cls100/config.json`."""

import sys

from rawlabel.cli.command import main

if __name__ == "__main__":
    main(["train", *sys.argv[1:]])
