"""The model card of an exported model: what it is, what it was trained on, how right it is, and where it ends.

Written from the run directory and the manifest that it was trained on, in the Markdown with a header that the
Hugging Face hub reads. What is not known is said to be so. Texts of strangers stand in it as plain text.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator

from rawlabel.artifacts.certificate import read_certificates
from rawlabel.artifacts.manifest import Manifest, read_manifest
from rawlabel.artifacts.projects import SIMULATED, has_simulated_photos
from rawlabel.artifacts.review.suspicion import SUSPICION, count_doubts
from rawlabel.artifacts.run import Run
from rawlabel.artifacts.run_records import EpochAccuracy
from rawlabel.base.untrusted_text import disarmed, plain_text, web_address
from rawlabel.models.portable.records import ModelRecord, Proof

TRIED = (
    "timm 1.0.31, transformers 5.24.0 (`pipeline`, `AutoModelForImageClassification`), huggingface_hub 2.4.0 and, "
    "for `demo/app.py`, gradio 6.31.0"
)
"""By `benchmarks/hub_folder.py`, whose result is in `results/measured/handover/hub.json`."""
CARD, ATTRIBUTIONS = "README.md", "attributions.csv"
_MOST_CLASSES, _MOST_LICENSES, _MOST_AUTHORS = 100, 20, 20
_CREDITS = (
    "class_id", "keyword", "source", "photo_id", "title", "author", "author_url", "license_name",
    "license_url", "page_url",
)  # fmt: skip


def card_files(run: Run, record: ModelRecord) -> dict[str, str]:
    """The texts of a card by the names of their files: the card, and who took the photos.

    `record` is what the export says of itself. Raises `DataError` for a damaged file of the run.
    """
    path = run.manifest_path
    manifest = None if path is None else read_manifest(path)
    files = {CARD: "\n".join(_lines(run, record, manifest)) + "\n"}
    if manifest is not None:
        files[ATTRIBUTIONS] = _attributions(manifest, has_simulated_photos(path))
    return files


def _lines(run: Run, record: ModelRecord, manifest: Manifest | None) -> Iterator[str]:
    yield from _header(record)
    yield f"# {_title(run, record)}\n"
    yield (
        f"An image classifier of {len(record.classes)} classes, trained by "
        f"[rawlabel](https://arxiv.org/abs/1910.09055) {record.origin.rawlabel} {_labels(manifest)}."
    )
    for title, lines in (
        ("Classes", _classes(record)),
        ("Use", _use(record)),
        ("Accuracy", _accuracy(run)),
        ("Training photos and their raw labels", _data(run, manifest)),
        ("How the epoch was chosen", _choice(run, record)),
        ("Encoder", _encoder(run)),
        ("Is a test photo among the training photos?", _certificate(run)),
        ("Does this file answer as the run did?", _proof(record)),
        ("Limits", _limits(run)),
        ("Attributions", _credits(manifest)),
    ):
        yield f"\n## {title}\n"
        yield from lines


def _labels(manifest: Manifest | None) -> str:
    """What the labels are, and whether a person had a part in the set."""
    if manifest is None:
        return "on the labels that came with its photos; who gave these is not recorded"
    raw = "on *raw labels*: each photo's label is the keyword whose search found it"
    if not manifest.reviewed.looked_at:
        return f"{raw}, and nobody looked at the photos"
    return f"{raw}. The set is not without any person's work: {manifest.reviewed.describe()}"


def _header(record: ModelRecord) -> Iterator[str]:
    """The fields that the hub reads; no license, since the photos' authors gave none for a model."""
    yield "---"
    yield f"library_name: {record.architecture.library if record.architecture.library == 'timm' else 'rawlabel'}"
    yield "pipeline_tag: image-classification"
    yield "tags:\n- image-classification\n- timm\n- rawlabel\n- noisy-labels"
    yield "---\n"


def _title(run: Run, record: ModelRecord) -> str:
    names = [_name(record, one) for one in record.classes]
    shown = ", ".join(names[:5]) + (", ..." if len(names) > 5 else "")
    return f"{shown} ({record.architecture.name})"


def _name(record: ModelRecord, class_id: str) -> str:
    return _escaped(record.labels.get(class_id, class_id))


def _escaped(text: object) -> str:
    """One line without Markdown or HTML of its own."""
    return re.sub(r"([\\`*_{}\[\]<>()#+!|~&])", r"\\\1", plain_text(text))


def _classes(record: ModelRecord) -> Iterator[str]:
    yield "In the order of the logits, from 0:\n"
    for number, one in enumerate(record.classes[:_MOST_CLASSES]):
        name = _name(record, one)
        yield f"{number}. {name}" + ("" if record.labels.get(one, one) == one else f" (`{one}`)")
    if len(record.classes) > _MOST_CLASSES:
        yield f"\nand {len(record.classes) - _MOST_CLASSES} more, in `config.json`."


def _use(record: ModelRecord) -> Iterator[str]:
    how, plain = record.preprocessing, _inexact(record)
    yield "```python"
    yield 'FOLDER = "."  # where this file lies'
    yield "import timm"
    yield "from PIL import Image, ImageOps"
    if plain is not None:
        yield "import sys; sys.path.insert(0, FOLDER)"
        yield "from probabilities import probabilities"
    yield ""
    yield 'model = timm.create_model(f"local-dir:{FOLDER}", pretrained=True).eval()'
    yield "view = timm.data.create_transform(**timm.data.resolve_data_config(model=model))"
    yield 'photo = ImageOps.exif_transpose(Image.open("photo.jpg")).convert("RGB")'
    exact = "probabilities(model, view(photo)[None], FOLDER)"
    yield f"found = {'model(view(photo)[None]).softmax(dim=1)' if plain is None else exact}[0].detach()"
    yield 'print(model.pretrained_cfg["label_names"][int(found.argmax())], float(found.max()))'
    yield "```\n"
    if plain is not None:
        yield (
            f"timm alone, and `transformers`, see the same class and are surer or less sure of it: on "
            f"{plain.images} of the run's images their probabilities differed from the run's by up to "
            f"{plain.largest_difference:.2g}. The run brings the features of each photo to one length, which no "
            "layer of timm does; `probabilities.py` does.\n"
        )
    yield (
        f"A photo is resized to {how.resize_shorter_side} pixels ({how.interpolation}, shorter side), its middle "
        f"{how.image_size} x {how.image_size} cut out, and normalised with mean {list(map(_short, how.mean))} and "
        f"deviation {list(map(_short, how.std))}. `demo/app.py` is a page to drop photos on, for a hosted demo.\n"
    )
    yield f"This kind of folder was tried with {TRIED}."


def _inexact(record: ModelRecord) -> Proof | None:
    """How the folder answers without its own program; None where it needs none."""
    return record.proofs[1] if len(record.proofs) > 1 else None


def _short(value: float) -> float:
    return round(value, 4)


def _accuracy(run: Run) -> Iterator[str]:
    measured = run.summary.test if run.is_finished else None
    if measured is None:
        yield (
            "Not measured on clean labels (`rawlabel evaluate RUN --test FOLDER` does). What agrees with raw "
            "labels "
            "that were held out is no accuracy, since some of these are wrong."
        )
        return
    yield f"On {measured.images} test images with clean labels, by which nothing in the training was chosen:\n"
    # With five classes or fewer it is always right, and not measured.
    has_top5 = measured.selected.top5 is not None
    yield f"| weights | top-1 | interval |{' top-5 |' if has_top5 else ''}"
    yield f"|---|--:|--:|{'--:|' if has_top5 else ''}"
    for name, one in (
        ("this model", measured.selected),
        ("last epoch", measured.last),
        ("oracle", measured.oracle),
    ):
        if one is not None:
            yield _accuracy_row(name, one, has_top5)
    copies = measured.decontamination
    if copies is not None and copies.overlapping and copies.clean is not None:
        lower, upper = copies.clean.interval
        yield (
            f"\nOf {copies.overlapping} of the test images there is a copy among the candidates; on the others "
            f"this model has {copies.clean.accuracy:.2f} % ({lower:.2f} to {upper:.2f} %)."
        )
    yield (
        f"\nThe intervals are exact ones of {100 * measured.confidence:g} %. The oracle is what is best "
        "on this test set, which nobody could have chosen without its labels."
    )
    if measured.classes is not None:
        yield f"Of {len(measured.classes)} of the {measured.training_classes} classes alone."


def _accuracy_row(name: str, one: EpochAccuracy, has_top5: bool) -> str:
    lower, upper = one.top1.interval
    top5 = "" if one.top5 is None else f" {one.top5.accuracy:.2f} %"
    row = f"| {name} ({one.where}) | {one.top1.accuracy:.2f} % | {lower:.2f} to {upper:.2f} % |"
    return f"{row}{top5} |" if has_top5 else row


def _data(run: Run, manifest: Manifest | None) -> Iterator[str]:
    start = run.last_start
    if start.training_images is not None:
        yield f"- {start.training_images} photos trained on, and {start.holdout_images or 0} held out"
    yield f"- fingerprint of the data: `{run.data_fingerprint or 'not recorded'}`"
    if has_simulated_photos(run.manifest_path):
        yield f"- **{SIMULATED}**"
    if manifest is not None:
        sources = Counter(manifest.kept()["source"].to_pylist())
        yield "- found at " + ", ".join(f"{_escaped(name)} ({count})" for name, count in sources.most_common())
    if (rate := run.config.inject_noise) > 0:
        yield f"- of the labels, {100 * rate:g} % were made wrong on purpose ({run.config.noise_kind})"
    yield from _noise(run)


def _noise(run: Run) -> Iterator[str]:
    """How many labels are doubted; no share of wrong ones, since estimates mostly missed it where it is known."""
    path = run.path / SUSPICION
    if not path.is_file():
        yield "- which raw labels to doubt was not looked for (`rawlabel labels` does)"
        return
    doubted, total = count_doubts(path)
    yield (
        f"- {doubted} of {total} photos look more like another class than like their raw label (`rawlabel "
        "labels`); how many labels really are wrong cannot be read off raw labels"
    )


def _escaped_sentence(text: str) -> str:
    return re.sub(r"([<>\[\]`*_])", r"\\\1", " ".join(text.split()))


def _choice(run: Run, record: ModelRecord) -> Iterator[str]:
    if not run.is_finished:
        yield f"The training was not finished; epoch {record.origin.epoch} is what its rule took so far."
        return
    summary = run.summary
    yield (
        f"Epoch {summary.selected_epoch} of 0 to {summary.last_epoch}, by the rule `{summary.rule}` from raw "
        f"labels "
        f"alone: {_escaped_sentence(summary.why_selected())}."
    )
    if record.origin.temperature != 1:
        yield (
            f"\nThe logits are divided by the temperature {record.origin.temperature:.3f}, fitted to held-out "
            f"raw labels: "
            "a probability is that of the raw label, and too low for the right one where many raw labels are "
            "wrong."
        )


def _encoder(run: Run) -> Iterator[str]:
    if run.encoder is None:
        yield (
            "None: the network was trained from random weights."
            if not run.config.pretrained
            else (
                f"The training began with the published weights of {run.config.model}, which people's labels made."
            )
        )
        return
    yield run.encoder.describe()
    yield f"\nSHA-256 of its weights: `{run.encoder.weights_sha256}`."


def _certificate(run: Run) -> Iterator[str]:
    """What is certified of just these photos and the test set that was measured, and what is not."""
    measured = run.summary.test if run.is_finished else None
    compared, found = measured.decontamination if measured else None, read_certificates(run.path)
    if compared is not None and compared.is_certified:
        yield f"Decontaminated (`decontamination.json`): {_escaped_sentence(compared.says)}."
        return
    if compared is not None:
        yield f"Not decontaminated: {_escaped_sentence(compared.says)}."
    elif found and measured is None:
        yield "Not yet known: no test set was measured, so none is known to be the one of the certificate."
    else:
        yield "Not decontaminated: nobody searched the training photos for copies of the test photos."
    for overlap in run.overlap.values():
        yield (
            f"\nCompared by fingerprints alone: {overlap.equal} of {overlap.test_images} test images are equal to "
            f"one of the run, {overlap.near} are near copies."
        )
    for one in found:
        whose = "another test set or other photos" if measured else "the test set"
        yield f"\nThere is a certificate for {whose} ({_escaped(one.test.place or 'not named')}): " + (
            f"{_escaped_sentence(one.describe())}."
        )


def _proof(record: ModelRecord) -> Iterator[str]:
    if not record.proofs:
        yield "Not yet compared."
    for proof in record.proofs:
        refused = "" if proof.tolerance is None else f", and more than {proof.tolerance:g} would have been refused"
        yield (
            f"- {proof.read_by}: the same class as the run in {proof.same_class} of {proof.images} images"
            f"{' (all that the run has)' if proof.is_all else ''}, in batches of "
            f"{' and '.join(map(str, proof.batch_sizes))}; probabilities differ by at most "
            f"{proof.largest_difference:.6f}{refused}."
        )
        if proof.preprocessed_by:
            yield (
                f"  From the image files, cut by {proof.preprocessed_by}: the same class in "
                f"{proof.preprocessed_same_class} of {proof.preprocessed_images}."
            )


def _limits(run: Run) -> Iterator[str]:
    yield "- It knows these classes and no other: any photo gets one of them."
    yield "- Photo sites show what their users like to photograph; no step here removes that bias."
    yield "- Raw labels are wrong in part, and wrong in the same way where a keyword means two things."
    yield "- It was not made to recognise people, nor for decisions about them."
    if run.config.inject_noise:
        yield "- Labels were made wrong on purpose: it is an experiment."


def _credits(manifest: Manifest | None) -> Iterator[str]:
    if manifest is None:
        yield "The run was not trained on a manifest, so authors and licenses of its photos are not recorded."
        return
    kept = manifest.kept().to_pylist()
    is_simulated = has_simulated_photos(manifest.path)
    licenses = Counter(
        (
            plain_text(one["license_name"] or one["license_id"]) or "not stated",
            None if is_simulated else web_address(one["license_url"]),
        )
        for one in kept
    )
    yield f"Author, license and page of each of the {len(kept)} photos: [{ATTRIBUTIONS}]({ATTRIBUTIONS}).\n"
    yield "| license, as the site states it | photos |"
    yield "|---|--:|"
    for (name, url), count in licenses.most_common(_MOST_LICENSES):
        shown = _escaped(name)
        yield f"| {f'[{shown}](<{url}>)' if url and '>' not in url else shown} | {count} |"
    authors = Counter(plain_text(one["author"]) or "not stated" for one in kept)
    most = ", ".join(f"{_escaped(name)} ({count})" for name, count in authors.most_common(_MOST_AUTHORS))
    more = f", and {len(authors) - _MOST_AUTHORS} more" if len(authors) > _MOST_AUTHORS else ""
    yield f"\nAuthors: {most}{more}."


def _attributions(manifest: Manifest, is_simulated: bool) -> str:
    """A table of the kept photos that no spreadsheet runs; simulated ones have no address on the web."""
    stream = io.StringIO()
    table = manifest.kept()
    names = [one for one in _CREDITS if one in table.column_names and not (is_simulated and one.endswith("_url"))]
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(names)
    for row in table.select(names).to_pylist():
        writer.writerow([disarmed(row[name]) for name in names])
    return stream.getvalue()
