"""A small project on disk, made with the real catalogue, image store and curation, and a run written by hand."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.catalogue.rows import Part, PartState
from rawlabel.artifacts.image_store.local import ImageStore
from rawlabel.artifacts.project import catalogue_path, images_path, runs_path
from rawlabel.base.files import write_json
from rawlabel.base.metrics import clopper_pearson
from rawlabel.config import CollectConfig, CurateConfig, TrainConfig
from rawlabel.gather.curate.stage import curate
from rawlabel.records import ClassSpec, LabelEvent, Outcome, Photo, Reason, Status

HOSTILE_TITLE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>\u202egnp'
VOID = {"meta", "img", "br", "rect", "line", "circle", "polyline", "link", "input", "hr"}


def picture(seed, side=64, file_format="JPEG"):
    """Bytes of a picture that no other seed has."""
    pixels = np.random.default_rng(seed).integers(0, 255, (4, 4, 3), dtype=np.uint8)
    stream = io.BytesIO()
    Image.fromarray(pixels).resize((side, side), Image.Resampling.NEAREST).save(stream, file_format)
    return stream.getvalue()


@dataclass
class Found:
    """One search result of the fixture; `data` None means that the download failed."""

    photo_id: str
    data: bytes | None
    facts: dict = field(default_factory=dict)


def noise_picture(noise):
    """Bytes of pure noise from a numpy generator, the picture that takes most space."""
    stream = io.BytesIO()
    Image.fromarray(noise.integers(0, 255, (112, 112, 3), dtype=np.uint8)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def collect_by_hand(project, classes, results, *, reported=500):
    """Fill the catalogue and the image store with `results`: {(class id, keyword): [Found]}."""
    store = ImageStore(images_path(project))
    store.open_for_writing()
    with Catalogue(catalogue_path(project), create=True) as catalogue:
        catalogue.plan(["flickr"], classes)
        for query in catalogue.queries():
            found = results[query.class_id, query.keyword]
            events = [
                (_photo(one), LabelEvent("flickr", one.photo_id, query.class_id, query.keyword, rank))
                for rank, one in enumerate(found)
            ]
            part = Part(query.source, query.class_id, query.keyword, "", {})
            catalogue.record_page(part, events, cursor=None, total_reported=reported, state=PartState.DONE)
            catalogue.record_outcomes(_outcome(store, one) for one in found)
    write_json(project / "collect.json", CollectConfig(project=project, contact="me@example.org").as_json())


def _photo(one):
    facts = {
        "title": f"photo {one.photo_id}",
        "author": f"author {one.photo_id}",
        "author_id": f"id-{one.photo_id}",
        "license_id": "4",
        "license_name": "CC BY 2.0",
        "license_url": "https://creativecommons.org/licenses/by/2.0/",
        "page_url": f"https://photos.example/{one.photo_id}",
    }
    return Photo("flickr", one.photo_id, f"https://images.example/{one.photo_id}.jpg", **facts | one.facts)


def _outcome(store, one):
    if one.data is None:
        return Outcome("flickr", one.photo_id, Status.FAILED, Reason.HTTP_GONE, 404)
    digest, media_type = store.put(one.data)
    size = len(one.data)
    return Outcome("flickr", one.photo_id, Status.FETCHED, None, 200, None, digest, size, media_type, digest)


def make_project(project):
    """Three classes with every kind of loss; `tram` and `bus` share one photo and one picture."""
    classes = [ClassSpec("bus", "bus", ("bus",)), ClassSpec("n00000002", "tram", ("tram", "streetcar"))]
    classes.append(ClassSpec("R&D <b>", "R&D <b>", ("lab",)))
    shared_photo, shared_pixels = picture(900), picture(901)
    results = {
        ("bus", "bus"): [
            *(Found(f"b{i}", picture(i)) for i in range(6)),
            Found("both", shared_photo),
            Found("twin-of-tram", shared_pixels),
            Found("small", picture(50, side=8)),
            Found("cut", picture(51)[:300]),
            Found("gone", None),
            Found("hostile", picture(52), {"title": HOSTILE_TITLE, "page_url": "javascript:alert(3)"}),
        ],
        ("n00000002", "tram"): [
            *(Found(f"t{i}", picture(100 + i)) for i in range(5)),
            Found("both", shared_photo),
            Found("twin-of-bus", shared_pixels),
        ],
        ("n00000002", "streetcar"): [Found("t0", picture(100)), Found("copy-of-t1", picture(101))],
        ("R&D <b>", "lab"): [
            Found(f"r{i}", picture(200 + i), {"license_url": "data:text/html,x"}) for i in range(3)
        ],
    }
    collect_by_hand(project, classes, results)
    return curate(CurateConfig(project=project, holdout=0.2))


def write_run(project, manifest, *, name="first", finished=True, evaluated=True, test=True, matrix=None):
    """A run of four epochs as `train` and `evaluate` leave it; epoch 1 is selected, epoch 2 the oracle."""
    run, folder = runs_path(project) / name, project / "test"
    config = TrainConfig(root=project, test="test" if test else None, epochs=4, lr=0.05, seed=7, decay_epochs=2)
    write_json(run / "config.json", config.as_json())
    start = {
        "started_at": "2026-01-02T03:04:05Z",
        "commit": "0123456789ab",
        "packages": {"torch": "2.11.0"},
        "processor": "Example Processor 9000",
        "device": "cpu",
        "precision": "float32",
        "data": {"origin": str(manifest.path), "fingerprint": manifest.fingerprint},
    }
    write_json(run / "environment.json", [start])
    tested = [40.0, 60.0, 70.0, 50.0]
    log = [
        {
            "epoch": epoch,
            "lr": 0.05 if epoch < 2 else 0.005,
            "train": {"acc1": 30.0 + 10 * epoch, "acc5": 99.0, "loss": 2.0 - epoch / 4},
            "holdout": {"acc1": 35.0 + epoch, "acc5": 99.0, "loss": 1.5},
            "selected_epoch": min(epoch, 1),
            "test": {"acc1": tested[epoch] if test else None, "acc5": None},
        }
        for epoch in range(4 if finished else 3)
    ]
    write_json(run / "log.json", log)
    if not finished:
        return run
    summary = {"rule": "noisy_holdout", "selected_epoch": 1, "why": "highest mean", "last_epoch": 3, "seed": 7}
    summary["data"] = manifest.fingerprint
    if evaluated:
        summary["test"] = _write_evidence(run, folder, manifest.class_ids, MATRIX if matrix is None else matrix)
    write_json(run / "summary.json", summary)
    return run


MATRIX = np.array([[6, 4, 0], [1, 9, 0], [0, 0, 0]])


def _write_evidence(run, folder, class_ids, matrix):
    rows = []
    for (i, j), count in np.ndenumerate(matrix):
        for number in range(count):
            file = Path(class_ids[i]) / f"{j}-{number}.png"
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(picture(1000 + 100 * i + 10 * j + number, 32, "PNG"))
            rows.append((file.as_posix(), class_ids[i], class_ids[j], 0.5 + number / 100, 0.2, i == j))
    names = ["file", "true_class", "predicted_class", "probability", "true_class_probability", "is_correct"]
    pq.write_table(pa.table(dict(zip(names, zip(*rows, strict=True), strict=True))), run / "predictions.parquet")
    np.save(run / "confmat.npy", matrix)
    write_json(run / "idx2cls.json", {str(i): class_id for i, class_id in enumerate(class_ids)})
    correct = {"selected": (1, 15), "last": (3, 10), "oracle": (2, 14)}
    return {
        "folder": str(folder),
        "images": 20,
        "confidence": 0.95,
        **{name: {"epoch": epoch, "top1": _accuracy(k, 20)} for name, (epoch, k) in correct.items()},
    }


def _accuracy(k, n):
    return {"correct": k, "accuracy": 100 * k / n, "interval": [100 * one for one in clopper_pearson(k, n)]}


class Page(HTMLParser):
    """What a browser would make of a page: tags with attributes, the text of elements with an id, tables."""

    def __init__(self, html):
        super().__init__()
        self.html, self.tags, self.texts, self.tables, self.text = html, [], {}, {}, ""
        self._open = []
        self.feed(html)
        self.close()
        self.text = " ".join(self.text.split())

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.tags.append((tag, attrs))
        if tag not in VOID:
            self._open.append((tag, attrs.get("id")))
        if tag == "tr" and (table := self._table()):
            self.tables.setdefault(table, []).append([])
        if tag in ("td", "th") and (table := self._table()):
            self.tables[table][-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        if tag not in VOID:
            assert self._open, f"</{tag}> closes nothing"
            opened, _ = self._open.pop()
            assert opened == tag, f"<{opened}> is closed by </{tag}>"

    def handle_data(self, data):
        if any(tag in ("style", "script") for tag, _ in self._open):
            return
        self.text += data + " "
        for _, element_id in self._open:
            if element_id:
                self.texts[element_id] = self.texts.get(element_id, "") + data
        if (table := self._table()) and any(tag in ("td", "th") for tag, _ in self._open):
            self.tables[table][-1][-1] += data.strip()

    def _table(self):
        return next(
            (element_id for tag, element_id in reversed(self._open) if tag == "table" and element_id), None
        )

    def all(self, tag):
        """Attributes of all elements of one kind."""
        return [attrs for name, attrs in self.tags if name == tag]

    def section(self, element_id):
        """Text of the element with an id, on one line."""
        return " ".join(self.texts[element_id].split())


def read_log(run):
    return json.loads((run / "log.json").read_text())
