"""Injected noise: exact counts, one seed one result, and what each kind promises."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.stats import truncnorm

from rawlabel.base.families import Family, load, names
from rawlabel.errors import ConfigError, DataError, PluginError
from rawlabel.gather.classes.wordnet import load_wordnet
from rawlabel.manifests.label_noise import Evidence, inject
from rawlabel.manifests.label_noises.sibling import nearest_by_gloss

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
LABELS = np.arange(600) % 6
EVIDENCE = Evidence(
    class_ids=("n02124075", "n02123045", "n02085620", "n02099601", "n07747607", "n07749582"),
    features=np.random.default_rng(1).standard_normal((600, 5)),
    second_labels=np.arange(2400) % 8 - 2,
)

rates = st.integers(0, 100).map(lambda percent: percent / 100)


@st.composite
def labelings(draw: st.DrawFn) -> tuple[list[int], int]:
    num_classes = draw(st.integers(2, 7))
    return draw(st.lists(st.integers(0, num_classes - 1), max_size=80)), num_classes


@given(labelings(), rates, st.integers(0, 3))
@example(([0, 1] * 25, 2), 0.29, 0)  # 14.5 labels, which binary fractions put below the half
@settings(max_examples=40)
def test_symmetric_noise_has_exact_counts(drawn: tuple[list[int], int], rate: float, seed: int) -> None:
    labels, num_classes = drawn
    injection = inject(labels, num_classes, "symmetric", rate, seed)
    after, share = injection.noisy.labels, Fraction(str(rate))
    is_wrong = after != np.array(labels, dtype=np.int64)
    assert (injection.noisy.is_changed == is_wrong).all()
    assert is_wrong.sum() == int(share * len(labels) + Fraction(1, 2))
    for one in injection.by_class():
        assert abs(one["changed"] - share * one["labels"]) < 1
        targets = np.bincount(after[(np.array(labels) == int(one["class"])) & is_wrong], minlength=num_classes)
        targets = np.delete(targets, int(one["class"]))
        assert targets.max(initial=0) - targets.min(initial=one["labels"]) <= 1


@pytest.mark.parametrize("kind", names(Family.LABEL_NOISE))
@given(rate=rates, seed=st.integers(0, 2**32))
@settings(max_examples=5)
def test_what_every_kind_promises(kind: str, rate: float, seed: int) -> None:
    def made(rate: float, seed: int) -> Any:
        return inject(LABELS, 6, kind, rate, seed, evidence=EVIDENCE).noisy

    noisy, again, other = made(rate, seed), made(rate, seed), made(0.5, seed + 1)
    np.testing.assert_allclose(noisy.transition.sum(axis=1), 1)
    assert (noisy.transition >= 0).all()
    assert (noisy.labels == again.labels).all() and (noisy.replaced_by == again.replaced_by).all()
    assert (noisy.is_changed == ((noisy.labels != LABELS) | (noisy.replaced_by >= 0))).all()
    assert (made(0.5, seed).is_changed != other.is_changed).any()
    assert not made(0.0, seed).is_changed.any()
    assert (np.arange(600) % 6 == LABELS).all()
    counts = np.bincount(noisy.labels[noisy.replaced_by >= 0], minlength=6)
    taken = noisy.replaced_by[noisy.replaced_by >= 0]
    assert len(np.unique(taken)) == len(taken)
    assert load(Family.LABEL_NOISE, kind).is_replacing or not len(taken)
    if kind in ("off_topic", "mix"):
        assert counts.tolist() == [round(rate * 100)] * 6
        wanted = -1 if kind == "off_topic" else noisy.labels[noisy.replaced_by >= 0]
        assert (np.maximum(EVIDENCE.second_labels[taken], -1) == wanted).all()  # type: ignore[index]


def test_a_seed_means_the_same_in_another_process() -> None:
    script = (
        "import numpy as np; from rawlabel.manifests.label_noise import inject;"
        "print(inject(np.arange(600) % 6, 6, 'symmetric', 0.4, 3).record()['labels_sha256'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == inject(LABELS, 6, "symmetric", 0.4, 3).record()["labels_sha256"]


def test_asymmetric_noise_follows_the_published_map() -> None:
    labels = np.repeat(np.arange(10), 10)
    noisy = inject(
        labels, 10, "asymmetric", 0.4, 0, options=["map=cifar10"], evidence=Evidence(class_ids=CIFAR10)
    ).noisy
    expected = np.eye(10)
    pairs = [("truck", "automobile"), ("bird", "airplane"), ("deer", "horse"), ("cat", "dog"), ("dog", "cat")]
    for first, second in pairs:
        i, j = CIFAR10.index(first), CIFAR10.index(second)
        expected[i, i], expected[i, j] = 0.6, 0.4
    np.testing.assert_allclose(noisy.transition, expected)
    following = inject(labels, 10, "asymmetric", 1.0, 0).noisy.labels
    assert (following == (labels + 1) % 10).all()


def test_asymmetric_noise_of_cifar100_goes_in_circles_of_five() -> None:
    """As `noisify_cifar100_asymmetric` of the published code: blocks of five on the diagonal, 4 to 0, 99 to 95."""
    noisy = inject(np.repeat(np.arange(100), 10), 100, "asymmetric", 0.4, 0, options=["map=cifar100"]).noisy
    block = np.array([
        [0.6, 0.4, 0.0, 0.0, 0.0],
        [0.0, 0.6, 0.4, 0.0, 0.0],
        [0.0, 0.0, 0.6, 0.4, 0.0],
        [0.0, 0.0, 0.0, 0.6, 0.4],
        [0.4, 0.0, 0.0, 0.0, 0.6],
    ])  # fmt: skip
    np.testing.assert_allclose(noisy.transition, np.kron(np.eye(20), block))


def test_siblings_are_those_of_a_group_or_the_nearest_in_wordnet() -> None:
    known = Evidence(class_ids=("a", "b", "c", "d"), class_names=("cat", "dog", "lynx", "owl"))
    labels = np.repeat(np.arange(4), 100)
    transition = inject(
        labels, 4, "sibling", 0.5, 0, options=["groups=cat,dog,lynx"], evidence=known
    ).noisy.transition
    np.testing.assert_allclose(transition[0], [0.5, 0.25, 0.25, 0])
    np.testing.assert_allclose(transition[3], [0, 0, 0, 1])
    # Persian cat and tabby; Chihuahua and golden retriever; orange and lemon.
    assert nearest_by_gloss(("n02123394", "n02123045", "n07747607", "n07749582"), 1, load_wordnet()) == [
        [1], [0], [3], [2]
    ]  # fmt: skip


def test_instance_dependent_noise_has_the_published_mean_rate_and_follows_the_features() -> None:
    rng = np.random.default_rng(0)
    labels = np.zeros(20_000, dtype=np.int64)
    # Two looks of one class, far apart: each is mistaken for another class.
    looks = np.repeat([[8.0, 0.0], [0.0, 8.0]], 10_000, axis=0) + 0.01 * rng.standard_normal((20_000, 2))
    noisy = inject(labels, 10, "instance_dependent", 0.3, 4, evidence=Evidence(features=looks)).noisy
    expected = truncnorm.mean(-3, 7, loc=0.3, scale=0.1)
    assert noisy.is_changed.mean() == pytest.approx(expected, abs=0.012)
    favorites = [np.bincount(part[part > 0], minlength=10) for part in np.split(noisy.labels, 2)]
    assert favorites[0].argmax() != favorites[1].argmax()
    assert all(counts.max() > 0.5 * counts.sum() for counts in favorites)


@pytest.mark.parametrize(
    ("kind", "rate", "options", "evidence", "kind_of_error", "message"),
    [
        ("symetric", 0.4, [], Evidence(), PluginError, "no label noise is called 'symetric'; did you mean"),
        ("symmetric", 1.5, [], Evidence(), ConfigError, "a rate of 1.5 is no share"),
        ("symmetric", float("nan"), [], Evidence(), ConfigError, "a rate of nan is no share"),
        ("symmetric", 0.4, ["q=1"], Evidence(), ConfigError, "--option q: unknown option"),
        ("asymmetric", 0.4, ["map=cifar100"], Evidence(), ConfigError, "circles of 5 classes, but there are 6"),
        ("asymmetric", 0.4, ["map=1:9"], Evidence(), ConfigError, "no class is called '9'"),
        ("asymmetric", 0.4, ["map=1:1"], Evidence(), ConfigError, "maps a class to itself"),
        ("asymmetric", 0.4, ["map=cifar10"], EVIDENCE, ConfigError, "no class is called 'truck'"),
        ("sibling", 0.4, [], Evidence(), ConfigError, "these classes are no WordNet ids"),
        ("sibling", 0.4, ["groups=1,2;2,3"], Evidence(), ConfigError, "in another group too"),
        ("instance_dependent", 0.4, [], Evidence(), DataError, "give them by --features"),
        ("instance_dependent", 0.4, [], Evidence(features=np.ones((5, 2))), DataError, "shape [5, 2], but 600"),
        ("instance_dependent", 0.4, [], Evidence(features=np.full((600, 2), np.inf)), DataError, "not finite"),
        ("off_topic", 0.4, [], Evidence(), DataError, "use `rawlabel noise --second`"),
        ("off_topic", 0.4, [], Evidence(second_labels=np.full(9, -1)), DataError, "has 9 photos of no class"),
        ("mix", 0.4, [], Evidence(second_labels=np.full(9, 0)), DataError, "has 9 new photos of class '0' of 40"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named_with_the_remedy(
    kind: str, rate: float, options: list[str], evidence: Evidence, kind_of_error: type[Exception], message: str
) -> None:
    with pytest.raises(kind_of_error) as caught:
        inject(LABELS, 6, kind, rate, 0, options=options, evidence=evidence)
    assert message in str(caught.value)


def test_the_record_says_each_change(tmp_path: Path) -> None:
    injection = inject(LABELS, 6, "symmetric", 0.25, 9)
    injection.write_record(tmp_path / "noise.json")
    record = json.loads((tmp_path / "noise.json").read_text())
    assert (record["num_changed"], record["num_labels"], record["share_changed"]) == (150, 600, 0.25)
    restored = injection.noisy.labels.copy()
    for place, before, after, second in record["changes"]:
        assert (restored[place], second) == (after, -1)
        restored[place] = before
    assert (restored == LABELS).all()


@pytest.mark.real_data
def test_forty_percent_of_cifar10_are_twenty_thousand_labels(shared_data: Path) -> None:
    path = shared_data / "cifar10n" / "train.parquet"
    if not path.is_file():
        pytest.skip(f"{path}: not here")
    for column in ("clean_label", "worst_label"):
        labels = pq.read_table(path, columns=[column])[column].to_numpy()
        noisy = inject(labels, 10, "symmetric", 0.4, 0).noisy
        assert (noisy.labels != labels).sum() == noisy.is_changed.sum() == 20_000
