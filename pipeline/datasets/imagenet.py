"""ImageNet (ILSVRC2012): its archives, which need an account, and how pictures are keyed and labelled.

The training archive is a tar of one tar for each of 1,000 synsets. A key is `n01440764/n01440764_10026.JPEG`, whether
the picture comes from the archive or from an unpacked tree of one folder a synset.
"""

from pathlib import PurePosixPath

from pipeline.datasets.published import Published
from pipeline.datasets.readers import Entry, Source

_WHERE = "https://image-net.org/download-images (register, then ILSVRC2012: Training images, Task 1 & 2)"

ARCHIVES = {
    "ILSVRC2012_img_train.tar": Published(
        147_897_477_120, _WHERE, md5="1d675b47d978889d74fa0da5fadfb00e", entries=1_281_167
    ),
    "ILSVRC2012_img_val.tar": Published(6_744_924_160, _WHERE, md5="29b22e2961454d5413ddabcf34fc5622", entries=50_000),
}
"""What is known of each archive, by file name."""


def entries(source: Source) -> list[Entry]:
    """The pictures of an ImageNet source, in key order, each labelled with its synset: the folder it stands in."""
    return [entry._replace(label=PurePosixPath(entry.key).parent.name or None) for entry in source.entries()]
