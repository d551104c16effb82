"""LSUN: addresses, lengths, checksums and contents of its archives.

An archive is a zip of one LMDB; a key is 40 hexadecimal characters, a value an encoded picture (short side 256; WebP,
although the publisher announced JPEG). Each of the ten categories of scenes has a training and a validation part; one
test set of 10,000 pictures is for all of them. Each of the twenty categories of objects has one part. LSUN publishes no
checksums; lengths and SHA-256 are from the tensorflow-datasets project, which downloads the same files. It lists none
for the test set.
"""

from pathlib import Path

from pipeline.datasets.published import Published
from pipeline.readers.base import Entry, Source

_SITE = "http://dl.yf.io/lsun"  # no HTTPS
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
    "bridge": (6_176_834, "83216a2974d6068c2e1d18086006e7380ff58540216f955ce87fe049b460cb0d"),
    "church_outdoor": (5_957_308, "34635b7547a3e51a15f942a4a4082dd6bc9cca381a953515cb2275c0eed50584"),
    "classroom": (5_880_261, "5e0e9a375d94091dfe1fa3be87d4a92f41c03f1c0b8e376acc7e05651de512d7"),
    "conference_room": (5_316_084, "927c94df52e10b9b374748c2b83b28b5860e946b3186dfd587985e274834650f"),
    "dining_room": (5_301_030, "bd604d4b91bb5a9611d4e0b85475efd20758390d1a4eb57b53973fcbb5aa8ab6"),
    "kitchen": (4_867_891, "329165f35ec61c4cf49f809246de300b8baad3ffcbda1ac30c27bdd32c84369a"),
    "living_room": (5_167_755, "30a23d9a3db5414e9c97865f60ffb2ee973bfa658a23dbca7188ea514c97c9fc"),
    "restaurant": (6_232_385, "efaa7bcb898ad6cb73b07b89fec3a9c670f4622912eea22fab3986c2cf9a1c20"),
    "tower": (5_223_709, "7f5257847bc01f4e40d4a1b3e24dd8fcd37063f12ca8cf31e726c2ee0b1ae104"),
}
_OBJECTS = {
    "airplane": (36_208_964_204, "2ee81354d3e0dcad6951174b553a6de68723195ae8953eb263c54beb733cf62f"),
    "bicycle": (138_765_790_182, "5e2054d3e7ffe53d39712441e4b9b88df2cb96189c33b458f2f7ecf3d2cafd48"),
    "bird": (69_904_880_212, "efe761e1f6aea5908e22d86c52c3604800448ac954242e8a486c57cb46d5a40f"),
    "boat": (91_971_666_516, "3fa0a500c17ac39b58914168d37011ff85e5cb5b5a609fb39b4fcdff87863f10"),
    "bottle": (68_353_217_120, "7458f010be9a3628e3a36cd51ce876ce6f7e137b7bbb3c89bf53875136118c32"),
    "bus": (26_125_831_118, "75b97476fac8ff40ed7a9044845df61e750131912dd9d6575f82c98a07d7e5ec"),
    "car": (185_788_496_846, "e6bd5b23b461177b69a5abd1b301fc41dd1c8fd719f389daf2d10f8b1098ba43"),
    "cat": (44_765_061_710, "cef7d1926d80f271ccfe2c55a610a1f9958eb2ac0bd188ddbe3cceb571eb9877"),
    "chair": (124_332_798_554, "7760ee4ee832359373a4564411839f929007dbbb8f0e275e52d95fe89ffce66f"),
    "cow": (16_039_812_046, "c6ed6cf1bcf96760b08ebaa61e216020ab96bec7f10a7bfc95afdacd59b2da25"),
    "dining_table": (51_826_252_804, "4c40a17884c7180a8f75a7891fb51c7c2954a02fb32e0ca158d1c2e0b985637e"),
    "dog": (155_606_131_278, "dab08a84ce3facb2ac7261f58c1eea7f070a6d118b82f9778b6a1cf56ed15db4"),
    "horse": (73_864_289_242, "2ec7893f3308da7f68cc2bdb1e9a75cde7abf842628feea1c49c30006e9c3a1b"),
    "motorbike": (44_948_708_338, "76cba2c366269bf86ce57ff496a229b0a237d1095e4bddeec02c9c6b9aa1b9a3"),
    "person": (511_754_125_920, "4f6c58c308dfde383d77a018eed37a14e328cd7115b40396a38e15db68b00520"),
    "potted_plant": (45_844_458_500, "98f723f17f256d7ad07018d19b4cb8d78ab17cedd994b49e5de366fec799d4d8"),
    "sheep": (19_063_172_058, "549234a3cb2608adddea405c0918c64b143ee5636a7d6426a90ccc870f0928d0"),
    "sofa": (60_484_209_620, "945c1a1a6106b57a47bda7287f223fcb95aa3fbd32fa7294d2a3741e4c143d95"),
    "train": (45_875_163_738, "da0d4a4c5dbccca62f7f813658c9987b1136fb64e4b733dddafd59b116ca6ec1"),
    "tv-monitor": (49_065_810_936, "69601a18ceb2ad7f5806d5bfcbe0cece66c4e5a4eae8b18931468f7bee016eda"),
}
_ENTRIES = {"bedroom_train_lmdb.zip": 3_033_042}
"""Number of pictures, if known; the validation part of each category has 300."""


def _publish() -> dict[str, Published]:
    archives = {}
    for part, table in (("train", _TRAIN), ("val", _VAL)):
        for category, (length, sha256) in table.items():
            name = archive_name(category, part)
            url = f"{_SITE}/scenes/{name}"
            archives[name] = Published(length, url, url, sha256, entries=300 if part == "val" else _ENTRIES.get(name))
    name = archive_name(None, "test")
    archives[name] = Published(None, f"{_SITE}/scenes/{name}", f"{_SITE}/scenes/{name}", entries=10_000)
    for category, (length, sha256) in _OBJECTS.items():
        url = f"{_SITE}/objects/{category}.zip"
        archives[f"{category}.zip"] = Published(length, url, url, sha256)
    return archives


def archive_name(category: str | None, split: str) -> str:
    """The file name of a part (`train`, `val`, `test`) of the scenes; the test set has no category."""
    return f"{category}_{split}_lmdb.zip" if category else f"{split}_lmdb.zip"


def folder_of(archive: str) -> str:
    """The address of the publisher's folder that holds an archive."""
    return f"{_SITE}/{'scenes' if archive.endswith('_lmdb.zip') else 'objects'}"


CATEGORIES = tuple(_TRAIN)
"""Categories of scenes; values of `--category` of `download-lsun`."""

OBJECTS = tuple(_OBJECTS)
"""Categories of objects."""

ARCHIVES = _publish()
"""What is published about each archive, by file name."""


def entries(source: Source, beside: Path) -> list[Entry]:
    """List the pictures of an LSUN source in key order; they have no labels. `beside` is not used."""
    return source.entries()
