"""The parts of a training that settings name, found before anything is read or downloaded for it."""

from __future__ import annotations

from typing import Any

from rawlabel.base import families
from rawlabel.config import TrainConfig, load_options
from rawlabel.models.method import Method
from rawlabel.training import run_logger
from rawlabel.training.stopping_rule import StoppingRule


def find_named_parts(config: TrainConfig) -> StoppingRule[Any]:
    """The stopping rule of `config`, once its logger, its method and the options of both are known to be there.

    Raises `ConfigError`, which names the nearest name, and `PluginError`.
    """
    run_logger.require(config.logger)
    method: type[Method[Any]] = families.load(families.Family.METHOD, config.method)
    load_options(method.Options, config.method_option, "--method-option")
    rule: type[StoppingRule[Any]] = families.load(families.Family.STOPPING_RULE, config.stop)
    return rule(load_options(rule.Options, config.stop_option, "--stop-option"))
