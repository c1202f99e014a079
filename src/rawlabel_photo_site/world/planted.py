"""Classes that are made ambiguous on purpose, so that a detector of such classes can be judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rawlabel.config import PhotoSiteConfig
from rawlabel.errors import ConfigError, did_you_mean
from rawlabel_photo_site.world import rates


@dataclass(frozen=True, slots=True)
class Planted:
    """The planted classes of a site; none by default."""

    homonyms: frozenset[str] = frozenset()
    twins: tuple[tuple[str, str], ...] = ()
    """Pairs of classes that people hardly tell apart."""

    def twin(self, name: str) -> str | None:
        """The class with which `name` forms a planted pair."""
        return next((b if name == a else a for a, b in self.twins if name in (a, b)), None)

    def share(self, name: str) -> float:
        """Share of the results of class `name` that is wrong on purpose."""
        homonym = rates.PLANTED_HOMONYM if name in self.homonyms else 0.0
        return homonym + (rates.PLANTED_SIBLING if self.twin(name) else 0.0)


def read_planted(config: PhotoSiteConfig, classes: Sequence[str]) -> Planted:
    """What the settings plant; raises `ConfigError` when a class is unknown or in several roles."""
    pairs = []
    for text in config.sibling_pair:
        first, _, second = text.partition(":")
        if not second or first == second:
            raise ConfigError(f"--sibling-pair: '{text}' should name two classes, as CLASS:CLASS")
        pairs.append((first, second))
    named = [("--homonym-class", name) for name in config.homonym_class]
    named += [("--sibling-pair", name) for pair in pairs for name in pair]
    for i, (flag, name) in enumerate(named):
        if name not in classes:
            raise ConfigError(f"{flag}: no class is called '{name}'{did_you_mean(name, list(classes))}")
        if name in [other for _, other in named[:i]]:
            raise ConfigError(f"{flag}: '{name}' is named twice; a class has one planted role")
    for name in dict.fromkeys(name for _, name in named):
        share = Planted(frozenset(config.homonym_class), tuple(pairs)).share(name) + config.noise
        if share > 0.95:
            raise ConfigError(
                f"--noise: leaves no right photos of the planted class '{name}'; lower it to 0.5 or less"
            )
    return Planted(frozenset(config.homonym_class), tuple(pairs))
