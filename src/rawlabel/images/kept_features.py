"""Features in the place of images: what the training loop measures and makes batches of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from rawlabel.images.decoding import AUTO_SHARE, free_memory

_CHUNK = 4096


class KeptFeatures:
    """Features [images, features] of some images, which lie in `pieces` that are mapped from a disk.

    They are brought to the device where they fit, and else are read as they are asked for.
    """

    place = "features"

    def __init__(
        self,
        pieces: Sequence[npt.NDArray[np.float32]],
        numbers: npt.NDArray[np.int64],
        rows: npt.NDArray[np.int64],
        device: torch.device,
    ) -> None:
        """Image i is row `rows[i]` of piece `numbers[i]`."""
        self._pieces, self._numbers, self._rows, self._device = pieces, numbers, rows, device
        self.num_features = pieces[int(numbers[0])].shape[1] if len(rows) else 0
        needed = 4 * len(rows) * self.num_features
        free = torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else free_memory()
        self._whole = self._read(np.arange(len(rows))).to(device) if needed <= AUTO_SHARE * free else None

    def __len__(self) -> int:
        return len(self._rows)

    def at(self, ids: Tensor) -> Tensor:
        """The features of the images at `ids` [some], in that order, on the device."""
        if self._whole is not None:
            return self._whole.index_select(0, ids.to(self._whole.device))
        return self._read(ids.cpu().numpy()).to(self._device)

    def select(self, ids: npt.NDArray[np.int64]) -> KeptFeatures:
        """Those of the images at `ids`, in that order."""
        return KeptFeatures(self._pieces, self._numbers[ids], self._rows[ids], self._device)

    def numpy(self) -> npt.NDArray[np.float32]:
        """All features [images, features] as one array in the memory of the machine, wherever they are kept."""
        whole: npt.NDArray[np.float32] = self.at(torch.arange(len(self))).cpu().numpy()
        return whole

    def mean(self) -> Tensor:
        """Their mean [features]; the sums are exact enough not to depend on how they are added up."""
        total = torch.zeros(self.num_features, dtype=torch.float64)
        for some in self._in_order():
            total += some.sum(dim=0, dtype=torch.float64)
        return (total / max(1, len(self))).float()

    def deviation(self) -> Tensor:
        """Their standard deviation [features], as exact."""
        mean, total = self.mean().double(), torch.zeros(self.num_features, dtype=torch.float64)
        for some in self._in_order():
            total += (some.double() - mean).square().sum(dim=0)
        return (total / max(1, len(self))).sqrt().float()

    def _in_order(self) -> Iterator[Tensor]:
        """All features, some [images, features] at a time, on the processor."""
        if self._whole is not None:
            yield from (some.cpu() for some in torch.split(self._whole, _CHUNK))
        else:
            yield from (self.at(ids).cpu() for ids in torch.split(torch.arange(len(self)), _CHUNK))

    def _read(self, ids: npt.NDArray[np.int64]) -> Tensor:
        read = np.empty((len(ids), self.num_features), dtype=np.float32)
        numbers, rows = self._numbers[ids], self._rows[ids]
        for number in np.unique(numbers):
            chosen = np.flatnonzero(numbers == number)
            read[chosen] = self._pieces[number][rows[chosen]]
        return torch.from_numpy(read)
