"""Programs that lie in a folder for the hub: they need timm, torch and safetensors, and no rawlabel."""

PROBABILITIES = '''\
"""The probabilities of the run that this model was made of, exactly.

The run brings the features of each photo to one length before its last layer, which no layer of timm does. So the
model here sees the same class, and is surer or less sure of it; this puts that right:

    model = timm.create_model("local-dir:THIS FOLDER", pretrained=True).eval()
    probabilities(model, images, "THIS FOLDER")
"""

from pathlib import Path

import torch
from safetensors.torch import load_file


@torch.inference_mode()
def logits(model, images, folder):
    """Logits [batch, classes] of normalised images [batch, 3, side, side]."""
    head = load_file(Path(folder) / "length.safetensors")
    features = model.forward_head(model.forward_features(images), pre_logits=True)
    length = (features - head["mean"]).norm(dim=1, keepdim=True)
    return (model.get_classifier()(features) - head["bias"]) * head["length"] / length + head["bias"]


def probabilities(model, images, folder):
    """Probabilities [batch, classes] of the same."""
    return logits(model, images, folder).softmax(dim=1)
'''

APP = '''\
"""A page to drop photos on, for a hosted demo (a Space with Gradio): `python app.py` runs it here as well.

MODEL is where the model lies: a folder, or NAME of the hub as `hf-hub:USER/NAME`.
"""

import os
import sys
from pathlib import Path

import gradio
import timm
from PIL import Image, ImageOps

MODEL = os.environ.get("MODEL", str(Path(__file__).resolve().parent.parent))
Image.MAX_IMAGE_PIXELS = 64_000_000

if MODEL.startswith("hf-hub:"):
    from huggingface_hub import snapshot_download

    MODEL = snapshot_download(MODEL.removeprefix("hf-hub:"))
model = timm.create_model(f"local-dir:{MODEL}", pretrained=True).eval()
view = timm.data.create_transform(**timm.data.resolve_data_config(model=model))
names = model.pretrained_cfg["label_names"]
labels = model.pretrained_cfg.get("label_descriptions") or {}
sys.path.insert(0, MODEL)
try:
    from probabilities import probabilities
except ImportError:  # the model alone is exact

    def probabilities(model, images, folder):
        return model(images).softmax(dim=1)


def classify(photo):
    """Classes and probabilities of a photo."""
    if photo is None:
        return {}
    upright = ImageOps.exif_transpose(photo).convert("RGB")
    found = probabilities(model, view(upright)[None], MODEL)[0].tolist()
    return {labels.get(name, name): probability for name, probability in zip(names, found, strict=True)}


page = gradio.Interface(
    classify,
    gradio.Image(type="pil", label="Photo"),
    gradio.Label(num_top_classes=5, label="Classes"),
    title=TITLE,
    description="It knows these classes and no other. Its card says what it was trained on, and how right it is.",
    flagging_mode="never",
)

if __name__ == "__main__":
    page.launch()
'''

SPACE = """\
---
title: {title}
sdk: gradio
app_file: app.py
---

`MODEL` (a variable of the Space) names the model, as `hf-hub:USER/NAME`.
"""

REQUIREMENTS = "gradio>=5\nhuggingface_hub\npillow\nsafetensors\ntimm>=1.0.15\ntorch\n"
