"""`rawlabel export-model`."""

from __future__ import annotations

from pathlib import Path

from rawlabel.cli.next_steps import after_exporting_model
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import ExportModelConfig

GROUP = "model"
PLACE = 60
SUMMARY = "write the model for other programs, and prove that it answers as the run does"


def _export_model(config: ExportModelConfig) -> Ending:
    from rawlabel.chain.export_model import export_model

    made = export_model(config)
    record = made.record
    say(f"{config.format} in {made.out}: {len(record.classes)} classes, epoch {record.origin.epoch}")
    for proof in record.proofs:
        which = "all of the" if proof.is_all else "of the"
        say(
            f"  {proof.read_by}: the same class as the run in {proof.same_class} of {proof.images} images "
            f"({which} run's "
            f"own), in batches of {' and '.join(map(str, proof.batch_sizes))}; probabilities differ by at most "
            f"{proof.largest_difference:.6f}"
        )
        if proof.preprocessed_by:
            say(
                f"  from the files, cut by {proof.preprocessed_by} as the export says: the same class in "
                f"{proof.preprocessed_same_class} of {proof.preprocessed_images}"
            )
    if (own := record.own_arithmetic) is not None:
        say(
            f"  in {own.arithmetic}, as `rawlabel predict` computes it on this machine, the run sees the same "
            f"class in "
            f"{own.same_class} of {own.images}; probabilities differ by {own.mean_difference:.4f} on average"
        )
    if (small := record.int8) is not None:
        say(
            f"  8-bit integers agree with {small.correct} of {small.images} held-out raw labels, float32 with "
            f"{small.correct_float32}; some of these labels may be wrong"
        )
    give({"out": made.out, **record.as_json()})
    return Ending(after_exporting_model(config.run or Path(), made.out, config.format))


COMMAND = section_command("export-model", ExportModelConfig, _export_model)
