"""One model, five ways to ask it: `predict`, `serve`, the exported file, onnxruntime and plain timm, on flower
photos.

    python -m benchmarks.handover RUN TEST_FOLDER [--out results/measured/handover]

RUN is a finished run; TEST_FOLDER holds class folders with photos that it was not trained on. Writes what each
says of each photo in short, and images a second and peak memory of `predict` beside a plain loop of timm on the
same files, as JSON and as a page.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from benchmarks.copies_of_tool import peak_memory
from PIL import Image, ImageOps

import rawlabel as rl
from rawlabel.artifacts.run_directory import describe_environment

BATCH = 64
FORMATS = ("safetensors", "hub", "onnx")


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
    if process.returncode != 128 + signal.SIGTERM:
        raise SystemExit(f"rawlabel serve ended with {process.returncode}")
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


def speeds(run: Path, hub: Path, photos: list[Path], passes: int) -> list[dict[str, object]]:
    """Images a second from files, and peak memory, of each way; their passes take turns on the machine."""
    list_of_photos = hub.with_name("photos.txt")
    list_of_photos.write_text("".join(f"{photo}\n" for photo in photos))
    ways = {
        "rawlabel predict": ("predict", "auto", run),
        "rawlabel predict --precision fp32, features as they were kept": ("predict", "fp32", run),
        "plain timm loop, float32": ("timm", "fp32", hub),
        "plain timm loop, bfloat16 by autocast": ("timm", "bf16", hub),
    }
    with ExitStack() as stack:
        started = {
            name: stack.enter_context(_pass_process(kind, precision, place, list_of_photos))
            for name, (kind, precision, place) in ways.items()
        }
        seconds: dict[str, list[float]] = {name: [] for name in ways}
        memory: dict[str, float] = {}
        for turn in range(passes + 1):
            for name, process in started.items():
                said = _one_pass(process)
                memory[name] = said["peak_megabytes"]
                # The first pass pays for what is made once.
                if turn:
                    seconds[name].append(said["seconds"])
    return [
        {
            "way": name,
            "images_per_second": round(len(photos) / statistics.median(all_seconds), 1),
            "slowest_and_fastest_pass": [
                round(len(photos) / one, 1) for one in (max(all_seconds), min(all_seconds))
            ],
            "peak_megabytes": round(memory[name]),
        }
        for name, all_seconds in seconds.items()
    ]


@contextmanager
def _pass_process(kind: str, precision: str, place: Path, photos: Path) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-m", "benchmarks.handover", "--pass-of", kind, precision, str(place), str(photos)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield process
        assert process.stdin is not None
        process.stdin.close()


def _one_pass(process: subprocess.Popen[str]) -> dict[str, float]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write("\n")
    process.stdin.flush()
    said: dict[str, float] = json.loads(process.stdout.readline())
    return said


def run_passes(kind: str, precision: str, place: Path, photos: list[Path]) -> None:
    """One pass over the photos a line of the standard input; says its seconds, and the peak memory so far."""
    what = _predict_pass(place, precision, photos) if kind == "predict" else _timm_pass(place, precision, photos)
    for _ in sys.stdin:
        started = time.perf_counter()
        what()
        seconds = time.perf_counter() - started
        print(json.dumps({"seconds": seconds, "peak_megabytes": peak_memory()}), flush=True)


def _predict_pass(run: Path, precision: str, photos: list[Path]) -> Callable[[], object]:
    classifier = rl.load(run, precision=precision, device="cpu")
    return lambda: classifier.predict(photos)


def _timm_pass(hub: Path, precision: str, photos: list[Path]) -> Callable[[], object]:
    model, view = timm_of(hub)

    def plain() -> None:
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            for start in range(0, len(photos), BATCH):
                model(torch.stack([view(opened(photo)) for photo in photos[start : start + BATCH]]))

    return plain


def answers(run: Path, photos: list[Path], places: dict[str, Path]) -> dict[str, object]:
    """What each way says of each photo, in short, beside `predict`; `places` are exports by format."""
    classifier = rl.load(run)
    classes = list(classifier.class_ids)
    own = by_classifier(classifier, photos, classes)
    said = {
        "serve": by_server(run, photos, classes),
        "exported safetensors, by rl.load": by_classifier(rl.load(places["safetensors"]), photos, classes),
        "onnxruntime": by_onnx(places["onnx"], places["hub"], photos),
        **by_timm(places["hub"], photos),
    }
    labels = np.array([classes.index(photo.parent.name) for photo in photos])
    rows = {
        name: {
            "same_class_as_predict": int((one.argmax(axis=1) == own.argmax(axis=1)).sum()),
            "largest_difference": round(float(np.abs(one - own).max()), 5),
            "largest_difference_from_onnxruntime": round(float(np.abs(one - said["onnxruntime"]).max()), 5),
            "right": int((one.argmax(axis=1) == labels).sum()),
        }
        for name, one in (("predict", own), *said.items())
    }
    encoder = rl.Run(run).encoder
    return {
        "photos": len(photos),
        "arithmetic_of_predict": encoder.arithmetic if encoder else "the run's own arithmetic",
        "answers": rows,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("test", type=Path)
    parser.add_argument("--out", type=Path, default=Path("results/measured/handover"))
    parser.add_argument("--photos", type=int, help="So many of the photos, evenly spaced; by default all.")
    parser.add_argument("--passes", type=int, default=7, help="Passes of each way whose median is the speed.")
    given = parser.parse_args()
    command = "python -m benchmarks.handover RUN FLOWERS/test"
    command += f" --photos {given.photos}" if given.photos else ""
    command += f" --passes {given.passes}"
    photos = sorted(given.test.rglob("*.jpg"))
    photos = photos[:: max(1, len(photos) // given.photos)] if given.photos else photos
    with TemporaryDirectory() as folder:
        places = {name: rl.export_model(given.run, name, out=Path(folder, name)) for name in FORMATS}
        record = json.loads((places["onnx"] / "model.json").read_text())
        result = {
            **answers(given.run, photos, places),
            "speed": speeds(given.run, places["hub"], photos, given.passes),
            "passes": given.passes,
            "threads": torch.get_num_threads(),
            "load_average": round(os.getloadavg()[1], 1),
            "processors": os.cpu_count(),
            "commit": record["origin"]["commit"],
            "command": command,
            "seed": rl.Run(given.run).config.seed,
            "processor": describe_environment().processor,
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
        f"Speed from files, threads: {result['threads']}; medians of {result['passes']} passes, which took turns,",
        f"each way in a process of its own. Load of the machine's {result['processors']} processors meanwhile: "
        f"{result['load_average']} processes.",
        "",
        "| way | images a second | slowest and fastest pass | peak memory [MB] |",
        "|---|--:|--:|--:|",
    ]
    for one in result["speed"]:
        slowest, fastest = one["slowest_and_fastest_pass"]
        lines.append(
            f"| {one['way']} | {one['images_per_second']} | {slowest} to {fastest} | {one['peak_megabytes']} |"
        )
    lines += [
        "",
        "`predict` decodes photos on as many threads as there are processors, the plain loop on one. The encoder",
        "of a head computes in the arithmetic in which its features were kept, whatever `--precision` says: like",
        "with like is it in",
        f"{result['arithmetic_of_predict']}.",
    ]
    run = f"a run of seed {result['seed']} and commit {result['commit']}"
    lines += ["", f"`{result['command']}`, {run}, {result['processor']}"]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    if sys.argv[1:2] == ["--pass-of"]:
        asked, arithmetic, at, listed = sys.argv[2:]
        run_passes(asked, arithmetic, Path(at), [Path(one) for one in Path(listed).read_text().splitlines()])
    else:
        main()
