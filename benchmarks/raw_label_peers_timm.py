"""Fine-tuning as timm's training script does it, taken at its last epoch; run by `raw_label_peers.py`.

The network is timm's tf_efficientnet_lite0 with the packaged weights. Random resized crops and flips, label
smoothing 0.1, SGD with momentum and a cosine rate are what that script has by default or its recipes ask for.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

from copies_of_tool import peak_memory

_EPOCHS, _SIDE, _BATCH, _LR = 4, 128, 64, 0.02


def main() -> None:
    """Train, test once, and print accuracy [percent] and seconds as JSON."""
    import timm
    import torch
    from PIL import Image
    from timm.data import create_transform
    from timm.loss import LabelSmoothingCrossEntropy
    from timm.optim import create_optimizer_v2
    from timm.scheduler import CosineLRScheduler

    from rawlabel.models.encoder import load_encoder

    asked = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    torch.manual_seed(asked["seed"])
    began = time.perf_counter()
    classes = sorted({label for _, label in asked["train"]})
    model = timm.create_model("tf_efficientnet_lite0", num_classes=len(classes))
    missing, _ = model.load_state_dict(load_encoder("efficientnet_lite0").network.state_dict(), strict=False)
    assert set(missing) == {"classifier.weight", "classifier.bias"}, missing
    model = model.to(memory_format=torch.channels_last)
    half = (0.5, 0.5, 0.5)
    crop = create_transform(_SIDE, is_training=True, interpolation="bicubic", mean=half, std=half)
    whole = create_transform(_SIDE, interpolation="bicubic", mean=half, std=half, crop_pct=1.0)
    loss = LabelSmoothingCrossEntropy(0.1)
    optimizer = create_optimizer_v2(model, opt="sgd", lr=_LR, weight_decay=2e-5, momentum=0.9)
    scheduler = CosineLRScheduler(optimizer, t_initial=_EPOCHS)

    def batch(paths: list[str], view: object) -> torch.Tensor:
        views = [view(Image.open(path).convert("RGB")) for path in paths]  # type: ignore[operator]
        return torch.stack(views).contiguous(memory_format=torch.channels_last)

    model.train()
    for epoch in range(_EPOCHS):
        order = torch.randperm(len(asked["train"])).tolist()
        for start in range(0, len(order) - _BATCH + 1, _BATCH):
            rows = [asked["train"][i] for i in order[start : start + _BATCH]]
            said = model(batch([path for path, _ in rows], crop))
            optimizer.zero_grad()
            loss(said, torch.tensor([classes.index(label) for _, label in rows])).backward()
            optimizer.step()
        scheduler.step(epoch + 1)
    seconds = time.perf_counter() - began
    model.eval()
    files = sorted(path for path in Path(asked["test"]).glob("*/*") if path.is_file())
    right = 0
    with torch.inference_mode():
        for start in range(0, len(files), _BATCH):
            part = files[start : start + _BATCH]
            best = model(batch([str(path) for path in part], whole)).argmax(dim=1).tolist()
            right += sum(classes[one] == path.parent.name for one, path in zip(best, part, strict=True))
    print(json.dumps({"accuracy": 100 * right / len(files), "seconds": seconds, "peak_mb": peak_memory(),
                      "settings": f"{_EPOCHS} epochs of all layers, {_SIDE} pixels, last epoch",
                      "package": f"timm {timm.__version__}", "threads": torch.get_num_threads()}))  # fmt: skip


if __name__ == "__main__":
    main()
