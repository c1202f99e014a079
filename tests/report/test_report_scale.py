"""A page about many photos of many classes stays small, and what does not fit is listed beside it."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
import pytest

from rawlabel.artifacts.catalogue.catalogue import Catalogue
from rawlabel.artifacts.decision import SCHEMA
from rawlabel.artifacts.manifest import write_manifest
from rawlabel.artifacts.project import catalogue_path
from rawlabel.config import CurateConfig, ReportConfig
from rawlabel.records import ClassSpec
from rawlabel.show.report.stage import build_report


@pytest.mark.integration
def test_all_photos_of_a_thousand_classes_are_on_a_small_page_or_listed_beside_it(tmp_path):
    events, classes = 30_000, [ClassSpec(f"n{i:08d}", f"class {i}", (f"class {i}",)) for i in range(1_000)]
    with Catalogue(catalogue_path(tmp_path), create=True) as catalogue:
        catalogue.plan(["flickr"], classes)
        fingerprint = catalogue.fingerprint()
    numbers = np.arange(events)
    fate = numbers % 10
    columns = {
        "source": ["flickr"] * events,
        "photo_id": numbers.astype(str),
        "class_id": [classes[i // 30].class_id for i in numbers],
        "keyword": [classes[i // 30].name for i in numbers],
        "rank": (numbers % 30).astype(np.int32),
        "part": ["{}"] * events,
        "verdict": np.array(["kept"] * 7 + ["rejected", "rejected", "failed"], dtype=object)[fate],
        "reason": np.array([None] * 7 + ["same_photo", "too_small", "http_gone"], dtype=object)[fate],
        "split": np.array(["train"] * 7 + [None] * 3, dtype=object)[fate],
        "path": [f"images/{i:064d}.jpg" for i in numbers],
        "title": [f"photo {i}" for i in numbers],
        "license_name": ["CC BY 2.0"] * events,
    }
    arrays = [pa.array(columns[one.name], one.type) if one.name in columns else pa.nulls(events, one.type)
              for one in SCHEMA]  # fmt: skip
    table = pa.table(arrays, schema=SCHEMA)
    settings = CurateConfig(project=tmp_path).as_json()
    write_manifest(tmp_path, table, classes, config=settings, catalogue_fingerprint=fingerprint)
    page = build_report(ReportConfig(project=tmp_path))
    html = page.read_text("utf-8")
    assert page.stat().st_size <= 15_000_000
    listed = sum(one.read_text("utf-8").count("<li") for one in (tmp_path / "report_photos").iterdir())
    counts = [
        int(one.replace(",", "")) for one in re.findall(r'data-verdict="[a-z]+">[^<]*[(]([0-9,]+)[)]</a>', html)
    ]
    assert listed == sum(counts) > 0
    before = page.read_bytes(), sorted(one.name for one in (tmp_path / "report_photos").iterdir())
    build_report(ReportConfig(project=tmp_path))
    assert (page.read_bytes(), sorted(one.name for one in (tmp_path / "report_photos").iterdir())) == before
