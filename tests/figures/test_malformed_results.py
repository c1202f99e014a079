"""Damaged or mismatched result files are refused in one line that names the file."""

from __future__ import annotations

import io
import json
import shutil

import numpy as np
import pytest

from rawlabel.config import FiguresConfig
from rawlabel.errors import DataError
from rawlabel.show.figures.published_layout import (
    read_accuracy_log,
    read_candidate_counts,
    read_class_counts,
    read_class_index,
    read_confusion_matrix,
    read_keywords,
)
from rawlabel.show.figures.stage import draw_figures
from tests.helpers.published_tree import log_entry


def array_file(array) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def log_file(*entries) -> bytes:
    return json.dumps(entries).encode()


LOG = "results/flickr_cls100/log.json"
MATRIX = "results/flickr_conf/confmat.npy"
INDEX = "metadata/idx2cls.json"
COUNTS = "metadata/num_imgs_per_class.txt"
EXCLUDED = "metadata/num_imgs_per_class_excluded.txt"
KEYWORDS = "metadata/tiny_classes_to_search.json"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        pytest.param(LOG, b'[{"epoch": 0,', id="log cut short"),
        pytest.param(LOG, b"\xff\xfe\x00", id="log not text"),
        pytest.param(LOG, b"[]", id="log empty"),
        pytest.param(LOG, b'{"epoch": 0}', id="log no list"),
        pytest.param(LOG, b"[3]", id="log entry no object"),
        pytest.param(LOG, b'[{"epoch": 0, "test": {"acc1": 3}}]', id="log without training accuracy"),
        pytest.param(LOG, log_file(log_entry(0, 140, 3)), id="accuracy over 100"),
        pytest.param(LOG, b'[{"epoch": 0, "train": {"acc1": NaN}, "test": {"acc1": 3}}]', id="accuracy NaN"),
        pytest.param(LOG, b'[{"epoch": 0, "train": {"acc1": "9"}, "test": {"acc1": 3}}]', id="accuracy text"),
        pytest.param(LOG, log_file(log_entry(1, 4, 3), log_entry(1, 4, 3)), id="epoch twice"),
        pytest.param("results/flickr_cls100/summary.json", b'{"selected_epoch": 7}', id="epoch not in log"),
        pytest.param("results/flickr_err/corr.json", b'{"n01": 0.5}', id="fraction correct"),
        pytest.param("results/flickr_err/corr.json", b'{"n01": 0, "n02": 9}', id="class missing"),
        pytest.param("results/flickr_err/corr.json", b'{"n01": 0, "n02": 11, "n03": 1}', id="more than trials"),
        pytest.param("results/flickr_conf/corr.json", b'{"n01": 1, "n02": 9, "n03": 10}', id="other diagonal"),
        pytest.param(MATRIX, b"", id="matrix empty file"),
        pytest.param(MATRIX, b"not an array", id="matrix no array"),
        pytest.param(MATRIX, array_file(np.array([[None]])), id="matrix pickled"),
        pytest.param(MATRIX, array_file(np.ones((3, 4), int)), id="matrix not square"),
        pytest.param(MATRIX, array_file(np.ones((2, 2), int)), id="matrix of other classes"),
        pytest.param(MATRIX, array_file(np.ones((3, 3))), id="matrix of fractions"),
        pytest.param(MATRIX, array_file(-np.ones((3, 3), int)), id="matrix negative"),
        pytest.param(MATRIX, array_file(np.zeros((3, 3), int)), id="matrix without images"),
        pytest.param(INDEX, b'{"1": "n01", "2": "n02", "3": "n03"}', id="index from 1"),
        pytest.param(INDEX, b'{"0": "n01", "1": "n01", "2": "n03"}', id="class twice"),
        pytest.param(INDEX, b'["n01", "n02", "n03"]', id="index no object"),
        pytest.param(KEYWORDS, b'{"n01": "cricket"}', id="keywords no list"),
        pytest.param(COUNTS, b"n01 7\n", id="counts without header"),
        pytest.param(COUNTS, b"wnid num\nn01 seven\n", id="count no number"),
        pytest.param(COUNTS, b"wnid num\nn01 7\nn01 8\n", id="count twice"),
        pytest.param(EXCLUDED, b"idx num\n9 70\n", id="excluded row out of range"),
        pytest.param(EXCLUDED, b"idx num\n0 70\n", id="excluded row with another count"),
        pytest.param(EXCLUDED, b"idx num\nn01 70\n", id="excluded by class id"),
    ],
)
def test_damage_is_one_line_that_names_the_file(published, tmp_path, path, content):
    damaged = published.parent / path
    damaged.write_bytes(content)
    if damaged.parent.name != "flickr_cls100":
        # Figures 2 and 7 would only take time before the damaged file is read.
        for folder in published.glob("*_cls*"):
            shutil.rmtree(folder)
    with pytest.raises(DataError) as caught:
        draw_figures(FiguresConfig(results=published, out=tmp_path / "out"))
    message = str(caught.value)
    assert damaged.name in message
    assert "\n" not in message
    assert "; " in message, "the remedy follows a semicolon"


@pytest.mark.parametrize(
    ("read", "name"),
    [
        (lambda folder: read_accuracy_log(folder), "log.json"),
        (lambda folder: read_candidate_counts(folder), "num_imgs_per_class.txt"),
        (lambda folder: read_class_counts(folder / "corr.json"), "corr.json"),
        (lambda folder: read_class_index(folder / "idx2cls.json"), "idx2cls.json"),
        (lambda folder: read_confusion_matrix(folder / "confmat.npy"), "confmat.npy"),
        (lambda folder: read_keywords(folder / "words.json"), "words.json"),
    ],
)
def test_a_missing_file_is_named_with_what_it_should_hold(tmp_path, read, name):
    with pytest.raises(DataError, match=rf"{name}: no such file; it should hold ."):
        read(tmp_path)
