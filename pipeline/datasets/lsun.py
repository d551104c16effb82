"""LSUN scenes: where its archives are and what they are known to hold.

An archive is a zip of one LMDB; a key is 40 hexadecimal characters, a value an encoded picture (short side 256, WebP in
practice, though JPEG has been announced). LSUN itself states no checksums; lengths and SHA-256 are those of the
tensorflow-datasets project, which fetches the same files.
"""

from collections.abc import Mapping
from pathlib import Path

from pipeline.datasets.published import Published
from pipeline.datasets.readers import Entry, Source

_SITE = "http://dl.yf.io/lsun/scenes"  # answers plain HTTP only
_TRAIN = {
    "bedroom": (45_922_737_680, "a15644c2e7153106867f0adb3491fc41224102d1f01b24494fb47d9f5d1f174e"),
    "bridge": (16_478_644_518, "2701b2d421bbc4d8a5e9b0652ff7c3b57cd6495da8e0e85c39533275b5a925a3"),
    "church_outdoor": (2_448_463_466, "91128ae026840ac0c5982b4445ab5fc4e092d6847cca76793b2b1a0815c2e74a"),
    "classroom": (3_279_497_022, "73a8a3e318819e1cc602f229673c3f51a68f3ece61e3764ce22df6abea4d0873"),
    "conference_room": (4_048_461_633, "fa0a4cf72e7acfb103392eaf33640d5508a728e971f31877b01d64e1bde6068c"),
    "dining_room": (11_592_966_936, "e4ee24c7c309360c3bf019123ce5bbf17434b2ba33abec2b0b07cfae715a52cb"),
    "kitchen": (35_791_384_987, "b1993cf639aece5d207a27eb9ff872bcca9dff6472d8227a052c79d40ee753c4"),
    "living_room": (22_792_405_188, "bd2c52b812c80f73ce3062a221396d13a52b5cce2f813b4cdf61937651281d7a"),
    "restaurant": (13_489_345_463, "11a0a924b960cd0900e9b7477d684fb338bd99cc5f72db1caac592e4f497e09a"),
    "tower": (12_010_237_081, "440caec74c9641cb51fd235a5970c8e4931c3af875aeb044a8bcca956e106309"),
}
_VAL = {
    "bedroom": (4_670_661, "5d022e781b241c25ec2e1f1f769afcdb8091d7fd58362667aec03137b8114b12"),
    "bridge": (6_176_834, None),
    "church_outdoor": (5_957_308, "34635b7547a3e51a15f942a4a4082dd6bc9cca381a953515cb2275c0eed50584"),
    "classroom": (5_880_261, None),
    "conference_room": (5_316_084, None),
    "dining_room": (5_301_030, None),
    "kitchen": (4_867_891, None),
    "living_room": (5_167_755, None),
    "restaurant": (6_232_385, None),
    "tower": (5_223_709, None),
}
_ENTRIES = {"bedroom_train_lmdb.zip": 3_033_042}
"""Pictures where the number is known; each category's validation part has 300."""


def _publish(table: Mapping[str, tuple[int, str | None]], part: str) -> dict[str, Published]:
    archives = {}
    for category, (length, sha256) in table.items():
        name = f"{category}_{part}_lmdb.zip"
        entries = 300 if part == "val" else _ENTRIES.get(name)
        url = f"{_SITE}/{name}"
        archives[name] = Published(length, url, url, sha256, entries=entries)
    return archives


ARCHIVES = {**_publish(_TRAIN, "train"), **_publish(_VAL, "val")}
"""What is known of each archive, by file name."""


def entries(source: Source, beside: Path) -> list[Entry]:
    """The pictures of an LSUN source, in key order; they have no labels, and nothing lies beside them."""
    return source.entries()
