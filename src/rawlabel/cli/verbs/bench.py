"""`rawlabel bench`."""

from __future__ import annotations

from rawlabel.base import messages
from rawlabel.cli.options import section_command
from rawlabel.cli.output import Ending, give, say
from rawlabel.config import BenchConfig

GROUP = "research"
PLACE = 50
SUMMARY = "measure training speed against other loops on the same work"


def _bench(config: BenchConfig) -> Ending:
    from rawlabel_bench.bench import bench, failed_gates
    from rawlabel_bench.table import lines

    report = bench(config)
    for line in lines(report):
        say(line)
    give(report)
    faults = failed_gates(report)
    if faults:
        messages.warn(f"accuracy gate: {'; '.join(faults)}; the speeds do not count")
    return Ending(("train", "--help"), exit_code=int(bool(faults)))


COMMAND = section_command("bench", BenchConfig, _bench)
