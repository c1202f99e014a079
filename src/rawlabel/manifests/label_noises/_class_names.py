"""Classes as options name them: by id, by name or by index."""

from __future__ import annotations

from collections.abc import Mapping

from rawlabel.errors import ConfigError, did_you_mean
from rawlabel.manifests.label_noise import Evidence


def index_of(name: str, known: Mapping[str, int]) -> int:
    """The index of the class called `name`; raises `ConfigError` that suggests the nearest."""
    index = known.get(name.strip().casefold())
    if index is None:
        raise ConfigError(f"no class is called '{name.strip()}'{did_you_mean(name, known)}")
    return index


def class_names(evidence: Evidence, num_classes: int) -> dict[str, int]:
    """Index by id, else by name that one class alone has; without ids the indices are the names."""
    ids = evidence.class_ids or tuple(str(index) for index in range(num_classes))
    found = [name.casefold() for name in evidence.class_names]
    names = {name: index for index, name in enumerate(found) if found.count(name) == 1}
    return names | {class_id.casefold(): index for index, class_id in enumerate(ids)}
