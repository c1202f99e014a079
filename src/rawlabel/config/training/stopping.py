"""Sections of training: stopping."""

from __future__ import annotations

from rawlabel.config.declaring import Role, Section, setting


class StoppingSettings(Section):
    """Which epoch is selected, and what is done with it."""

    stop: str = setting(
        "noisy_holdout", "Rule that selects the epoch; `rawlabel methods` lists them.", common=True
    )
    stop_option: tuple[str, ...] = setting(
        (),
        "Option of the rule as KEY=VALUE, such as window=5; may be given several times. Those given take the "
        "place of all of the recipe's.",
    )
    refit: bool = setting(
        False,
        "Afterwards, train anew on all raw data, the holdout included, for as many steps as the selected epoch "
        "took, in the folder `refit` of the run directory.",
        role=Role.PLACE,
    )
