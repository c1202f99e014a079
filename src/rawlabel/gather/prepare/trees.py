"""Unpacked photos: in class folders, or in one folder with a list of labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from rawlabel.base.image_files import is_image_name
from rawlabel.gather.classes.reading import is_wordnet_id
from rawlabel.gather.prepare.archives import labeled_photo
from rawlabel.gather.prepare.found import Batch, Found, LeftOut, PartSource, Wanted, sorted_names


class ClassTree(PartSource):
    """Folders that are named by WordNet ids, with photos in them."""

    def __init__(self, folder: Path) -> None:
        self._names = sorted_names(folder)
        super().__init__(folder, f"{folder} (class folders)", num_batches=len(self._names))

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """One batch a class, sorted. Raises `DataError`."""
        for name in self._names:
            if not is_wordnet_id(name) or not (self.where / name).is_dir():
                yield Batch(name, iter([Found(name, left_out=LeftOut.NO_PHOTO)]))
            elif wanted is not None and name not in wanted:
                self.skipped_classes += 1
            else:
                yield Batch(name, self._photos(name))

    def _photos(self, class_id: str) -> Iterator[Found]:
        folder = self.where / class_id
        for name in sorted_names(folder):
            if is_image_name(name) and (folder / name).is_file():
                yield Found(name, class_id, path=folder / name)
            else:
                yield Found(name, left_out=LeftOut.NO_PHOTO)


class FlatTree(PartSource):
    """Photos of all classes in one folder, whose labels are elsewhere."""

    def __init__(self, folder: Path, labels: Mapping[str, str], labels_from: Path) -> None:
        self._labels = labels
        super().__init__(folder, f"{folder} (a folder of all photos), labels from {labels_from.name}", labels, 1)

    def batches(self, wanted: Wanted) -> Iterator[Batch]:
        """All photos of the folder as a single batch, which is gone through anew each time. Raises `DataError`."""
        yield Batch("all", self._photos(wanted))

    def _photos(self, wanted: Wanted) -> Iterator[Found]:
        for name in sorted_names(self.where):
            path = self.where / name
            # A folder or a pipe of such a name is no photo, and reading a pipe would wait for its writer.
            if path.is_file():
                yield labeled_photo(name, self._labels, wanted, Found(name, path=path))
            else:
                yield Found(name, left_out=LeftOut.NO_PHOTO)
