"""Whether a `hub` folder is opened by the programs that it is made for: transformers, and the demo page by Gradio.

    python -m venv /tmp/hub && /tmp/hub/bin/pip install timm transformers gradio huggingface_hub
    /tmp/hub/bin/python benchmarks/hub_folder.py FOLDER PHOTO [--out results/measured/handover/hub.json]

Needs no rawlabel, and fails where classes or probabilities differ from timm's.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

PACKAGES = ("timm", "transformers", "huggingface_hub", "gradio", "pillow", "torch")


def by_timm(folder: Path, photo: Path) -> dict[str, float]:
    import timm
    import torch
    from PIL import Image

    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    view = timm.data.create_transform(**timm.data.resolve_data_config(model=model))
    with torch.inference_mode():
        found = model(view(Image.open(photo).convert("RGB"))[None]).softmax(dim=1)[0].tolist()
    return dict(zip(model.pretrained_cfg["label_names"], found, strict=True))


def by_transformers(folder: Path, photo: Path) -> dict[str, float]:
    from transformers import pipeline

    opened = pipeline("image-classification", model=str(folder))
    return {one["label"]: one["score"] for one in opened(str(photo), top_k=opened.model.config.num_labels)}


def by_app(folder: Path, photo: Path) -> dict[str, float]:
    """What the demo page answers to one request, in a process of its own."""
    from gradio_client import Client, handle_file

    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "app.py"]
    with subprocess.Popen(
        command, cwd=folder / "demo", stdout=subprocess.PIPE, text=True, env=environment
    ) as page:
        try:
            assert page.stdout is not None
            lines = (line for line in page.stdout if "Running on" in line)
            client = Client(next(lines).split()[-1], verbose=False)
            said = client.predict(handle_file(photo), api_name="/classify")
        finally:
            page.terminate()
    return {one["label"]: one["confidence"] for one in said["confidences"]}


def processor() -> str:
    """What the machine computes with."""
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("photo", type=Path)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    folder, photo = given.folder.resolve(), given.photo.resolve()
    own = by_timm(folder, photo)
    others = {"transformers": by_transformers(folder, photo), "demo/app.py": by_app(folder, photo)}
    has_program = (folder / "probabilities.py").is_file()
    differences = {name: max(abs(own[one] - said[one]) for one in said) for name, said in others.items()}
    for name, difference in differences.items():
        # The page uses the folder's own program where there is one.
        if difference > 1e-5 and not (name == "demo/app.py" and has_program):
            raise SystemExit(f"{name} differs from timm by {difference}")
    origin = json.loads((folder / "model.json").read_text())["origin"]
    result = {
        "command": "python benchmarks/hub_folder.py FOLDER PHOTO",
        "commit": origin["commit"],
        "processor": processor(),
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        "classes": list(own),
        "has_probabilities_program": has_program,
        "largest_difference_from_plain_timm": {name: round(one, 6) for name, one in differences.items()},
    }
    print(json.dumps(result, indent=2))
    if given.out is not None:
        given.out.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    main()
