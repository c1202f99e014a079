"""A training method of your own: a batch with raw labels in, a loss and logits out.

A method that others shall use is an entry point of a package: docs/extending/index.md.
"""

import numpy as np
from torch.nn import functional

import rawlabel as rl
from rawlabel.plugins import Method, Section, StepOutput, families, setting


class FocalOptions(Section):
    """Options of the method."""

    gamma: float = setting(2.0, "How little images count that are fitted already.", ge=0)


class Focal(Method[FocalOptions]):
    """Focal loss: mean of (1 - p)^gamma times cross-entropy (Lin et al., arXiv 1708.02002, equation 4)."""

    Options = FocalOptions

    def forward(self, batch):
        """The loss [nats] and the logits of a batch."""
        logits = self.predict(batch.images)
        losses = functional.cross_entropy(logits, batch.labels, reduction="none")
        return StepOutput((((1 - (-losses).exp()) ** self.options.gamma) * losses).mean(), logits)


families.add(families.Family.METHOD, "focal", Focal)

pixels = np.random.default_rng(0).integers(0, 200, (40, 24, 24, 3), dtype=np.uint8)
pixels[20:] += 50
np.savez("photos.npz", X_train=pixels, y_train=["dark"] * 20 + ["bright"] * 20)
small = {"model": "cifar_resnet8", "image_size": 24, "batch_size": 16, "epochs": 2, "seed": 0}
print(rl.load(rl.train("photos.npz", method="focal", method_option=["gamma=1"], **small)))
