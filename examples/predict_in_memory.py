"""Classify images that are in memory: Pillow's, arrays, or a list of both and of paths."""

from pathlib import Path

import numpy as np
from PIL import Image

import rawlabel as rl

colors = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}
rng = np.random.default_rng(0)
for name, color in colors.items():
    Path("photos", name).mkdir(parents=True, exist_ok=True)
    for number in range(20):
        pixels = np.clip(rng.normal(color, 40, (24, 24, 3)), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(Path("photos", name, f"{number}.png"))
run = rl.train("photos", model="cifar_resnet8", image_size=24, epochs=4, batch_size=16, lr=0.02, seed=0)

classifier = rl.load(run)  # once; each call is a batch, so a list is faster than one by one
path = Path("photos", "red", "0.png")
picture = Image.new("RGB", (40, 30), colors["green"])
array = np.full((30, 40, 3), colors["blue"], dtype=np.uint8)
for best in classifier.predict([path, picture, array]):
    print(f"{best[0].class_id}: {best[0].probability:.2f}")
