"""An image set as a `torch.utils.data.Dataset`, with items of the same types as in torchvision's datasets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch.utils.data import Dataset

from pipeline.core.errors import BadParameters
from pipeline.imageset.format.image_set import ImageSet, Rows
from pipeline.imageset.format.kept_rows import load_kept
from pipeline.imageset.format.labels import class_numbers


class ImageDataset(Dataset[Any]):
    """Pictures of an image set, in row order, as PIL images: in RGB, or in mode L if the image set is read in grey.

    `torchvision.datasets` return the same type, and torchvision's transforms, v1 and v2, accept it. Pictures are read
    on access, so the dataset needs little memory; a worker of a `DataLoader` receives only paths and row numbers.

    Args:
        images: an image set or its folder.
        kept: rows to use: path of a dedup result's `kept.npy`, or int64 row numbers; None for all rows.
        side: side of the centre crop in pixels; None for the stored side. Not allowed with an `ImageSet`, which has its
            own.
        transform: applied to each PIL image.
        labels: whether an item is the pair (picture, index of its class in `classes`) instead of only the picture.

    Attributes:
        images: the image set.
        rows: int64 (n,), row of each item in the image set.
        classes: names of the classes of the whole set, sorted; empty without `labels`.

    Raises:
        MissingInput, CorruptData: the image set or `kept` does not exist or is damaged.
        BadParameters: `labels` is set and a picture has no label; or `side` is given with an `ImageSet`.
    """

    def __init__(
        self,
        images: ImageSet | Path | str,
        kept: Rows | Path | str | None = None,
        side: int | None = None,
        transform: Callable[[Any], Any] | None = None,
        labels: bool = False,
    ) -> None:
        if isinstance(images, ImageSet) and side not in (None, images.side):
            raise BadParameters(f"side: {side}, but the image set is read at {images.side}; give its folder instead")
        self.images = images if isinstance(images, ImageSet) else ImageSet(Path(images), side)
        if isinstance(kept, str | Path):
            self.rows = load_kept(Path(kept), len(self.images))
        else:
            self.rows = np.arange(len(self.images)) if kept is None else np.asarray(kept, np.int64)
        self.transform = transform
        self.classes: list[str] = []
        self._targets: list[int] | None = None
        if labels:
            numbers, self.classes = class_numbers(self.images)
            self._targets = numbers[self.rows].tolist()

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, item: int) -> Any:
        """Picture number `item`, transformed; with `labels`, the pair of the picture and the index of its class."""
        pixels = self.images.read(self.rows[[item]])[0]
        picture: Any = Image.fromarray(pixels[:, :, 0] if self.images.colours == 1 else pixels)
        if self.transform is not None:
            picture = self.transform(picture)
        return picture if self._targets is None else (picture, self._targets[item])

    def __repr__(self) -> str:
        side = self.images.side
        return f"ImageDataset({str(self.images.folder)!r}, {len(self):,} pictures of {side}×{side})"

    def __getstate__(self) -> dict[str, Any]:
        """The state without the open image set: pickled memory maps would be copies of all pictures."""
        return {**self.__dict__, "images": (self.images.folder, self.images.side, self.images.colours)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Open the image set again."""
        self.__dict__.update(state)
        self.images = ImageSet(*state["images"])
