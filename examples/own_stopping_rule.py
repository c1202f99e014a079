"""A stopping rule of your own. It sees raw labels and label-free signals only: no clean label can choose an epoch.

A rule that others shall use is an entry point of a package: docs/extending/index.md.
"""

from pathlib import Path

import numpy as np
from PIL import Image

import rawlabel as rl
from rawlabel.plugins import Selection, StoppingRule, families


class MostLearned(StoppingRule):
    """Take the epoch with the lowest running loss on the training images, and say so."""

    signals = ("train_loss",)

    def select(self, records):
        """The first record with the lowest loss."""
        best = min(records, key=lambda one: one.train_loss)
        return Selection(best.epoch, f"lowest training loss, {best.train_loss:.2f} nats")


families.add(families.Family.STOPPING_RULE, "most_learned", MostLearned)

rng = np.random.default_rng(0)
for channel, name in enumerate(("red", "green", "blue")):
    Path("photos", name).mkdir(parents=True, exist_ok=True)
    for number in range(20):
        pixels = rng.integers(0, 160, (24, 24, 3))
        pixels[..., channel] += 60
        Image.fromarray(pixels.astype(np.uint8)).save(Path("photos", name, f"{number}.png"))
run = rl.train(
    "photos", stop="most_learned", model="cifar_resnet8", image_size=24, epochs=3, batch_size=16, seed=0
)
print(f"the run is in {run.path}")
