"""Class indices from label values of any kind."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from rawlabel.errors import DataError


def classes_of(
    values: npt.NDArray[np.generic], names: Sequence[str] | None, place: str
) -> tuple[tuple[str, ...], npt.NDArray[np.int64]]:
    """Class ids, and the class index of each of `values` (integers, also as floats, or strings).

    With `names`, integers are indices into them. Without, each value is a class called by it; numbers are in
    numerical order, all else in alphabetical order. Raises `DataError`, which begins with `place`, for numbers
    that are no index of `names`, repeated names, and labels that are neither integers nor strings.
    """
    is_text = values.dtype.kind in "UTS" or (
        values.dtype.kind == "O" and all(isinstance(one, str) for one in values)
    )
    if values.dtype.kind == "f" and all(float(one).is_integer() for one in np.unique(values)):
        values = values.astype(np.int64)
    elif values.dtype.kind == "f":
        raise DataError(
            f"{place}: labels are {values.dtype}, and not all are whole numbers; name the column of the classes"
        )
    if not is_text and values.dtype.kind not in "iub":
        raise DataError(f"{place}: labels are {values.dtype}; give class numbers or class names")
    if names is not None and len(set(names)) != len(names):
        raise DataError(f"{place}: two classes have one name; rename one")
    if names is not None and values.dtype.kind in "iub":
        labels = values.astype(np.int64)
        wrong = int(((labels < 0) | (labels >= len(names))).sum())
        if wrong:
            raise DataError(f"{place}: {wrong} labels are not in 0..{len(names) - 1}; leave those images out")
        return tuple(names), labels
    unique, inverse = np.unique(values, return_inverse=True)
    return tuple(str(value) for value in unique), inverse.reshape(-1).astype(np.int64)
