"""docs/paper.md: each number is recomputed from the published files, or stands in the table that it names."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from rawlabel.show.figures.class_results import read_class_results
from rawlabel.show.figures.paired_accuracy import _make_pair
from rawlabel.show.figures.published_layout import read_accuracy_log, read_candidate_counts, read_keywords
from rawlabel.show.figures.text_logs import read_text_log

ROOT = Path(__file__).parents[1]
PAGE = " ".join((ROOT / "docs" / "paper.md").read_text("utf-8").split())
RESULTS = ROOT / "results"


def said(*sentences: str) -> None:
    for sentence in sentences:
        assert sentence in PAGE, sentence


def test_what_it_says_of_the_epochs_follows_from_the_logs() -> None:
    logs = {
        f"{of}{n}": read_accuracy_log(RESULTS / f"{of}_cls{n}")
        for of in ("flickr", "imagenet")
        for n in (100, 135)
    }
    best = {name: round(float(log.test[log.oracle_position]), 2) for name, log in logs.items()}
    last = {name: round(float(log.test[-1]), 2) for name, log in logs.items()}
    for name, log in logs.items():
        said(f"{best[name]:.2f}, epoch {log.epochs[log.oracle_position]} of 0 to {log.epochs[-1]} |")
    (table,) = read_text_log(RESULTS / "imagenet_cls100" / "imagenet_resnet50_cls100.txt")
    assert table.epochs[-1] == 111
    said(
        f"ends at epoch 111, where the best is {table.test.max():.2f} at epoch {table.epochs[table.test.argmax()]}"
    )
    said(
        f"89.44 − 85.10 = {best['flickr100'] - best['imagenet100']:.2f}",
        f"{best['flickr100'] - 85.00:.2f} is 89.44 − 85.00",
    )
    said(f"{last['flickr100']} − {last['imagenet100']} = {last['flickr100'] - last['imagenet100']:.2f}")
    gain = {name: best[name] - last[name] for name in logs}
    said(f"gives raw labels {gain['flickr100']:.2f} points (100 classes) and {gain['flickr135']:.2f} (135)")
    said(f"clean labels {gain['imagenet100']:.2f} and {gain['imagenet135']:.2f}")
    said(f"84.64 − 79.81 = {best['imagenet135'] - best['flickr135']:.2f}")
    raw = read_class_results(RESULTS / "flickr_err" / "corr.json", None).accuracy.mean()
    clean = read_class_results(RESULTS / "imagenet_err" / "corr.json", None).accuracy.mean()
    assert raw == pytest.approx(logs["flickr135"].test[91], abs=0.001) and logs["flickr135"].epochs[91] == 91
    assert clean == pytest.approx(logs["imagenet135"].test[-1], abs=0.001)


def test_what_it_says_of_the_classes_follows_from_the_counts() -> None:
    raw, clean = (read_class_results(RESULTS / f"{of}_err" / "corr.json", None) for of in ("flickr", "imagenet"))
    assert raw.class_ids == clean.class_ids
    counts = read_candidate_counts(ROOT / "metadata")
    excluded = np.array([one in (counts.excluded or ()) for one in raw.class_ids])
    loss = clean.accuracy - raw.accuracy
    assert loss[excluded].min() == 10 and loss[~excluded].max() == 10
    said(f"{excluded[np.argsort(-loss, kind='stable')[:35]].sum()} of the 35 are among the 35 largest losses")
    said(f"100 kept classes the two networks of Figure 5 have {raw.accuracy[~excluded].mean():.2f} and "
         f"{clean.accuracy[~excluded].mean():.2f}, on the excluded ones {raw.accuracy[excluded].mean():.2f} and "
         f"{clean.accuracy[excluded].mean():.2f}, on all 135 classes {raw.accuracy.mean():.2f} and "
         f"{clean.accuracy.mean():.2f}")  # fmt: skip
    photos = dict(zip(counts.class_ids, counts.counts.tolist(), strict=True))
    kept = sum(number for one, number in photos.items() if one not in (counts.excluded or ()))
    said(f"{kept:,} / 130,000 = {kept / 130_000:.1f} times")
    gain_by_photos = np.corrcoef(np.log([photos[one] for one in raw.class_ids]), -loss)[0, 1]
    said(f"the logarithm of its photos is {gain_by_photos:.2f}")
    pair = _make_pair(raw, clean)
    said(f"{pair.disjoint.sum()} of the 135 classes have intervals without a common point, and "
         f"{(pair.holm_p <= 0.05).sum()} differ")  # fmt: skip
    searched = set(read_keywords(ROOT / "metadata" / "tiny_classes_to_search.json"))
    said(f"has {len(searched)} classes, of which {len(searched & set(raw.class_ids))} were trained on")
    assert len(set(raw.class_ids) - searched) == 10


def test_what_we_measured_stands_in_the_table_that_is_named() -> None:
    rows = re.findall(r"^\| .+ \| (.+) \| \[[^]]+\]\((\.\./results/measured/[^)]+)\) \|$", page_text(), re.M)
    assert len(rows) == 5
    for words, link in rows:
        table = (ROOT / "docs" / link).read_text("utf-8").replace("-", "−")
        for number in re.findall(r"−?\d+\.\d+(?: ± \d+\.\d+)?", words):
            assert number in table, (number, link)


def page_text() -> str:
    return (ROOT / "docs" / "paper.md").read_text("utf-8")
