"""Experiments: grids of trainings whose table answers one question, one file each.

An experiment lists its trials for a scale, each trial is trained as `rawlabel train` would train it, and the
finished runs are made into `table.json` and `table.md`. Killed at any moment, the same command goes on: finished
trials stay, those that were cut off go on from their checkpoints. To add one, write `<name>.py` with `PLUGIN`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rawlabel.artifacts.run_directory import describe_environment
from rawlabel.base import families
from rawlabel.base.files import atomic_write, write_json
from rawlabel.base.metrics import mean_interval
from rawlabel.config import ExperimentConfig
from rawlabel.errors import ConfigError
from rawlabel.experiments.table_records import Mean, RowSummary, RunValues, Table, TableEnvironment
from rawlabel.experiments.trials import Trial, train_all
from rawlabel.judge.evaluate.finished_runs import FinishedRun, read_run

TableType = TypeVar("TableType", bound=Table)
SEEDS = {"tiny": (0, 1), "cpu": (0, 1, 2), "gpu": (0, 1, 2), "transfer": tuple(range(10))}
"""Seeds of each scale: `tiny` shows that everything runs, `cpu` is for two cores and some hours, `gpu` is the
whole thing, `transfer` the whole set with heads on kept features."""


@dataclass(frozen=True)
class Row:
    """Finished runs of one setting, which differ in their seed alone."""

    name: str
    runs: tuple[FinishedRun, ...]

    def summary(self) -> RowSummary:
        """Mean test accuracies [percent] with half of their 95 % Student-t interval, and regrets of the rule."""
        values: RunValues = {
            "selected": [run.test[run.selected_epoch] for run in self.runs],
            "last": [run.test[run.last_epoch] for run in self.runs],
            "oracle": [run.test[run.oracle_epoch] for run in self.runs],
            "regret": [run.regret(run.selected_epoch) for run in self.runs],
        }
        return {
            "row": self.name,
            "seeds": [run.seed for run in self.runs],
            "selected_epochs": [run.selected_epoch for run in self.runs],
            "runs": values,
            "selected": _mean(values["selected"]),
            "last": _mean(values["last"]),
            "oracle": _mean(values["oracle"]),
            "regret": _mean(values["regret"]),
        }


def _mean(values: Sequence[float]) -> Mean:
    mean, half_width = mean_interval(values)
    return {"mean": mean, "half_width": half_width}


def seeds_of(config: ExperimentConfig) -> tuple[int, ...]:
    """The seeds with which every setting is trained."""
    return SEEDS[config.scale] if config.seeds is None else tuple(range(config.seeds))


class Experiment(ABC, Generic[TableType]):
    """Base of all experiments; `TableType` is `Table` with the keys of what one concludes."""

    takes_parts: ClassVar[bool] = False
    """Whether a table can be made of some of the trials."""

    def at_scale(self, scale: str) -> Experiment[Any]:
        """What answers the question at that scale. Raises `ConfigError` where nothing does."""
        if scale == "transfer":
            raise ConfigError("--scale transfer: is for cifar10n and raw_against_clean; name tiny, cpu or gpu")
        return self

    @abstractmethod
    def trials(self, config: ExperimentConfig) -> list[Trial]:
        """All trainings, at the scale that `config` asks for."""

    @abstractmethod
    def conclude(self, table: Table, rows: Sequence[Row], config: ExperimentConfig) -> TableType:
        """The table with what its rows say beyond themselves; may write files into `config.out`."""

    def remarks(self, table: TableType) -> list[str]:
        """Sentences under the table, each of which its numbers bear out."""
        return []

    def further_tables(self, table: TableType) -> list[str]:
        """Lines of Markdown to stand behind the remarks; none by default. `table` is what was written as JSON."""
        return []


def run_experiment(config: ExperimentConfig) -> Table:
    """Train all trials that are not trained yet, write the table, and return it.

    Raises what `rawlabel.training.stage.train` raises, and `ConfigError`, `DiskError`.
    """
    if config.name is None or config.data is None:
        raise ConfigError("NAME and --data: name an experiment (`rawlabel methods` lists them) and its data")
    named: Experiment[Table] = families.load(families.Family.EXPERIMENT, config.name)()
    experiment = named.at_scale(config.scale)
    trials = experiment.trials(config)
    if config.finished:
        trials = _finished(trials, experiment)
    else:
        train_all(trials, config)
    finished: dict[str, list[FinishedRun]] = defaultdict(list)
    for trial in trials:
        assert trial.config.outpath is not None
        finished[trial.row].append(read_run(trial.config.outpath))
    asked = f" --seeds {config.seeds}" if config.seeds else ""
    asked += " --finished" if config.finished else ""
    rows = [Row(name, tuple(runs)) for name, runs in finished.items()]
    plain: Table = {
        "experiment": config.name,
        "scale": config.scale,
        "command": f"rawlabel experiment {config.name} --scale {config.scale}{asked} --data DATA --out OUT",
        "environment": _environment(rows),
        "rule": _rule(rows),
        "rows": [row.summary() for row in rows],
    }
    table: Table = experiment.conclude(plain, rows, config)
    write_json(config.out / "table.json", table)
    with atomic_write(config.out / "table.md") as stream:
        stream.write(as_markdown(table, experiment).encode())
    return table


def _finished(trials: Sequence[Trial], experiment: Experiment[Any]) -> list[Trial]:
    """Those of which a table can be made now. Raises `ConfigError` where there is none, or one needs all."""
    if not experiment.takes_parts:
        raise ConfigError("--finished: this table needs all trials; leave it out, which trains those that lack")
    done = [one for one in trials if one.config.outpath and (one.config.outpath / "summary.json").exists()]
    if not done:
        raise ConfigError("--finished: no trial is finished in --out; leave it out, which trains them")
    return done


def _environment(rows: Sequence[Row]) -> TableEnvironment:
    """Where the trials ran: of the first, every commit that one ran from, and the one that made the table."""
    starts = [start for row in rows for run in row.runs for start in run.run.starts]
    first = starts[0]
    return {
        "commit": first.commit,
        "processor": first.processor,
        "device": first.device,
        "precision": first.precision,
        "threads": first.threads,
        "python": first.python,
        "packages": first.packages,
        "commits": sorted({one.commit for one in starts}),
        "table_commit": describe_environment().commit,
    }


def _rule(rows: Sequence[Row]) -> str:
    """The rule that selected the epochs, with its options; where there are several, each with its rows."""
    found: dict[str, list[str]] = defaultdict(list)
    for row in rows:
        for rule in dict.fromkeys(run.rule for run in row.runs):
            found[rule].append(row.name)
    if len(found) == 1:
        return next(iter(found))
    return "; ".join(f"{rule} (rows {'; '.join(names)})" for rule, names in found.items())


def as_markdown(table: TableType, experiment: Experiment[TableType]) -> str:
    """The table for people, made of its JSON alone."""
    where = table["environment"]
    lines = [
        f"# {table['experiment']}, scale {table['scale']}",
        "",
        "Test top-1 accuracy [%] on clean test images, mean ± 95 % interval (Student's t) over the seeds. The "
        "rule selects its epoch from raw labels alone; the oracle is the best epoch on the test set, which "
        "nobody could have chosen.",
        "",
        f"Rule: {table['rule']}",
        "",
        "| setting | selected by the rule | last epoch | oracle | regret of the rule | selected epochs |",
        "|---|--:|--:|--:|--:|---|",
    ]
    for row in table["rows"]:
        cells = [_cell(one) for one in (row["selected"], row["last"], row["oracle"], row["regret"])]
        epochs = ", ".join(map(str, row["selected_epochs"]))
        lines.append(f"| {row['row']} | {' | '.join(cells)} | {epochs} |")
    lines += ["", *(f"- {remark}" for remark in experiment.remarks(table)), ""]
    lines += experiment.further_tables(table)
    lines += [
        f"- command: `{table['command']}`",
        f"- commit of the trainings: {', '.join(where['commits'])}; of the table: {where['table_commit']}",
        f"- processor: {where['processor']}, {where['threads']} threads, device {where['device']}, "
        f"{where['precision']}; torch {where['packages']['torch']}, Python {where['python']}",
        "- every setting is in the `config.json` of each run directory, which the command writes under OUT",
    ]
    return "\n".join(lines) + "\n"


def _cell(value: Mean) -> str:
    interval = f" ± {value['half_width']:.2f}" if value["half_width"] is not None else " (one seed)"
    return f"{value['mean']:.2f}{interval}"
