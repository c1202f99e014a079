"""fastai's `vision_learner(...).fine_tune` on raw labels, taken at its last epoch; run by `raw_label_peers.py`.

The network is timm's tf_efficientnet_lite0 with the packaged weights, as everywhere in that comparison; head,
schedule and augmentation are fastai's own. One epoch of the head, then `_EPOCHS` of everything, at 128 pixels.
"""

from __future__ import annotations

import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

from copies_of_tool import peak_memory

_EPOCHS, _SIDE, _BATCH = 1, 128, 64


def main() -> None:
    """Train, test once, and print accuracy [percent] and seconds as JSON."""
    import pandas
    import torch
    from fastai.vision.all import ImageDataLoaders, Normalize, Resize, set_seed, vision_learner

    from rawlabel.models.encoder import load_encoder

    asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    set_seed(asked["seed"])
    # fastai wants a validation set; it looks at these photos and decides nothing by them.
    rows = pandas.DataFrame([[path, label, number < 8] for number, (path, label) in enumerate(asked["train"])],
                            columns=["path", "label", "is_valid"])  # fmt: skip
    began = time.perf_counter()
    encoder = load_encoder("efficientnet_lite0")
    # Where fastai loads no weights itself (`pretrained=False`), it leaves out the normalization that they want.
    loaders = ImageDataLoaders.from_df(
        rows, path="/", valid_col="is_valid", item_tfms=Resize(_SIDE), bs=_BATCH, num_workers=0,
        batch_tfms=Normalize.from_stats(encoder.mean, encoder.std, cuda=False),
    )  # fmt: skip
    learner = vision_learner(loaders, "tf_efficientnet_lite0", pretrained=False, n_out=len(loaders.vocab))
    missing, _ = learner.model[0].model.load_state_dict(encoder.network.state_dict(), strict=False)
    assert not missing, missing
    learner.freeze()
    learner.fine_tune(_EPOCHS)
    seconds = time.perf_counter() - began
    files = sorted(path for path in Path(asked["test"]).glob("*/*") if path.is_file())
    said, _ = learner.get_preds(dl=learner.dls.test_dl(files))
    right = torch.tensor([list(loaders.vocab).index(path.parent.name) for path in files])
    accuracy = float(100 * (said.argmax(dim=1) == right).float().mean())
    settings = f"one epoch of the head, {_EPOCHS} of all layers, {_SIDE} pixels, last epoch"
    print(json.dumps({"accuracy": accuracy, "seconds": seconds, "peak_mb": peak_memory(), "settings": settings,
                      "package": f"fastai {version('fastai')}", "threads": torch.get_num_threads()}))  # fmt: skip


if __name__ == "__main__":
    main()
