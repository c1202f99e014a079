"""One model, five ways to ask it: `predict`, `serve`, the exported file, onnxruntime and plain timm, on flower
photos.

    python benchmarks/handover.py RUN TEST_FOLDER [--out results/measured/handover]

RUN is a finished run; TEST_FOLDER holds class folders with photos that it was not trained on. Writes what each
says of each photo in short, and images a second of `predict` beside a plain loop of timm on the same files, as
JSON and as a page.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from PIL import Image, ImageOps

import rawlabel as rl

BATCH = 64


def by_classifier(classifier: rl.Classifier, photos: list[Path], classes: list[str]) -> np.ndarray:
    """Probabilities [photos, classes]."""
    rows = classifier.predict(photos, top=len(classes))
    return np.array([[{one.class_id: one.probability for one in row}[name] for name in classes] for row in rows])


def by_server(run: Path, photos: list[Path], classes: list[str]) -> np.ndarray:
    command = [
        sys.executable,
        "-m",
        "rawlabel",
        "serve",
        str(run),
        "--port",
        "0",
        "--nearest",
        "0",
        "--rate",
        "100000",
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        address = process.stdout.readline().split()[0]
        found = []
        for photo in photos:
            request = urllib.request.Request(f"{address}v1/predict?top={len(classes)}", photo.read_bytes())  # noqa: S310
            with urllib.request.urlopen(request) as reply:  # noqa: S310
                said = {one["class_id"]: one["probability"] for one in json.load(reply)["classes"]}
            found.append([said[name] for name in classes])
        process.terminate()
    return np.array(found)


def timm_of(folder: Path) -> tuple[torch.nn.Module, object]:
    import timm

    model = timm.create_model(f"local-dir:{folder}", pretrained=True).eval()
    return model, timm.data.create_transform(**timm.data.resolve_data_config(model=model))


def opened(photo: Path) -> Image.Image:
    return ImageOps.exif_transpose(Image.open(photo)).convert("RGB")


def by_timm(folder: Path, photos: list[Path]) -> dict[str, np.ndarray]:
    model, view = timm_of(folder)
    images = torch.stack([view(opened(photo)) for photo in photos])
    with torch.inference_mode():
        parts = [model(part).softmax(dim=1) for part in images.split(BATCH)]
    found = {"plain timm": torch.cat(parts).numpy()}
    if (folder / "probabilities.py").is_file():
        sys.path.insert(0, str(folder))
        from probabilities import probabilities

        exact = [probabilities(model, part, folder) for part in images.split(BATCH)]
        found["plain timm with probabilities.py"] = torch.cat(exact).numpy()
    return found


def by_onnx(folder: Path, hub: Path, photos: list[Path]) -> np.ndarray:
    import onnxruntime

    _, view = timm_of(hub)
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    images = np.stack([view(opened(photo)).numpy() for photo in photos])
    logits = [
        session.run(None, {"images": images[start : start + BATCH]})[0] for start in range(0, len(images), BATCH)
    ]
    return torch.from_numpy(np.concatenate(logits)).softmax(dim=1).numpy()


def speeds(run: Path, hub: Path, photos: list[Path]) -> dict[str, float]:
    """Images a second, from files, the faster of two passes."""
    classifier = rl.load(run)
    model, view = timm_of(hub)

    def plain() -> None:
        with torch.inference_mode():
            for start in range(0, len(photos), BATCH):
                model(torch.stack([view(opened(photo)) for photo in photos[start : start + BATCH]]))

    found = {}
    for name, what in (("rawlabel predict", lambda: classifier.predict(photos)), ("plain timm loop", plain)):
        seconds = []
        for _ in range(2):
            started = time.perf_counter()
            what()
            seconds.append(time.perf_counter() - started)
        found[name] = round(len(photos) / min(seconds), 1)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results/measured/handover"))
    parser.add_argument("--photos", type=int, help="So many of the photos, evenly spaced; by default all.")
    given = parser.parse_args()
    photos = sorted(given.test.rglob("*.jpg"))
    photos = photos[:: max(1, len(photos) // given.photos)] if given.photos else photos
    with TemporaryDirectory() as folder:
        places = {name: given.run / "exports" / name for name in ("safetensors", "hub", "onnx")}
        for name, place in places.items():
            if not (place / "model.json").is_file():
                places[name] = rl.export_model(given.run, name, out=Path(folder, name))
        classifier = rl.load(given.run)
        classes = list(classifier.class_ids)
        own = by_classifier(classifier, photos, classes)
        said = {
            "serve": by_server(given.run, photos, classes),
            "exported safetensors, by rl.load": by_classifier(rl.load(places["safetensors"]), photos, classes),
            "onnxruntime": by_onnx(places["onnx"], places["hub"], photos),
            **by_timm(places["hub"], photos),
        }
        labels = np.array([classes.index(photo.parent.name) for photo in photos])
        record = json.loads((places["onnx"] / "model.json").read_text())
        rows = {
            name: {
                "same_class_as_predict": int((one.argmax(axis=1) == own.argmax(axis=1)).sum()),
                "largest_difference": round(float(np.abs(one - own).max()), 5),
                "largest_difference_from_onnxruntime": round(float(np.abs(one - said["onnxruntime"]).max()), 5),
                "right": int((one.argmax(axis=1) == labels).sum()),
            }
            for name, one in (("predict", own), *said.items())
        }
        encoder = rl.Run(given.run).encoder
        result = {
            "photos": len(photos),
            "arithmetic_of_predict": encoder.arithmetic if encoder else "the run's own arithmetic",
            "answers": rows,
            "images_per_second": speeds(given.run, places["hub"], photos),
            "threads": torch.get_num_threads(),
            "commit": record["origin"]["commit"],
        }
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "answers.json").write_text(json.dumps(result, indent=2) + "\n")
    (given.out / "README.md").write_text(page(result))
    print(page(result))


def page(result: dict) -> str:
    head = "| asked | same class as `predict` | largest difference from `predict` | from onnxruntime | right |"
    lines = [
        "# One model, asked in many ways",
        "",
        f"{result['photos']} test photos of flowers; a head of the recipe transfer, 40 % of whose labels",
        "were made wrong; by `benchmarks/handover.py`; differences are of probabilities. `predict` and `serve`",
        f"computed the encoder in {result['arithmetic_of_predict']} on this machine, all others in float32.",
        "",
        head,
        "|---|--:|--:|--:|--:|",
    ]
    for name, one in result["answers"].items():
        lines.append(
            f"| {name} | {one['same_class_as_predict']} | {one['largest_difference']} | "
            f"{one['largest_difference_from_onnxruntime']} | {one['right']} |"
        )
    lines += [
        "",
        f"Images a second from files, {result['threads']} threads, beside other work on the machine:",
        "",
    ]
    lines += [f"- {name}: {speed}" for name, speed in result["images_per_second"].items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
