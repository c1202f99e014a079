"""`rawlabel bench`."""

from __future__ import annotations

import click

from rawlabel.cli.options import section_command
from rawlabel.config import BenchConfig


def _bench(config: BenchConfig) -> int:
    from rawlabel_bench.bench import bench, failed_gates
    from rawlabel_bench.table import lines

    report = bench(config)
    for line in lines(report):
        click.echo(line)
    faults = failed_gates(report)
    if faults:
        click.echo(f"rawlabel: accuracy gate: {'; '.join(faults)}; the speeds do not count", err=True)
    return int(bool(faults))


COMMAND = section_command("bench", BenchConfig, _bench)
