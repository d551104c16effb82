"""Pictures in parquet: columns as they are published, labels by name, and every way of being broken."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.acquire.archives.acquire import acquire
from pipeline.acquire.config import AcquireConfig
from pipeline.core.errors import CorruptData
from pipeline.datasets.pictures import imagenet
from pipeline.datasets.pictures.raw_folder import open_source
from pipeline.imageset.format.image_set import ImageSet
from pipeline.prepare.squares import SquaresConfig, make_squares
from pipeline.readers.base import UnreadableEntry
from pipeline.readers.parquet_reader import Parquet

NAMES = ["tench", "goldfish"]


def write(path, pictures, labels=None, row_group_size=2):
    """A shard as Hugging Face writes it, with small row groups."""
    columns = {"image": [{"bytes": data, "path": f"{n}.JPEG"} for n, data in enumerate(pictures)]}
    schema = {"image": pa.struct([("bytes", pa.binary()), ("path", pa.string())])}
    metadata = None
    if labels is not None:
        columns["label"], schema["label"] = labels, pa.int64()
        metadata = {"huggingface": json.dumps({"info": {"features": {"label": {"names": NAMES}}}})}
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns, pa.schema(schema.items(), metadata)), path, row_group_size=row_group_size)
    return path


def read_all(source):
    with source.open() as read:
        return [(entry.key, entry.label, read(entry.place)) for entry in source.entries()]


def test_shards_of_a_folder_are_one_source(tmp_path):
    """Keys say shard and row and are in the order of both; labels go by name, one without a name by number."""
    write(tmp_path / "data" / "train-1.parquet", [b"c"], [5])
    write(tmp_path / "data" / "train-0.parquet", [b"a", b"", b"b"], [1, 0, None])
    assert read_all(Parquet(tmp_path)) == [
        ("data/train-0/0000000", "goldfish", b"a"),
        ("data/train-0/0000001", "tench", b""),
        ("data/train-0/0000002", None, b"b"),
        ("data/train-1/0000000", "5", b"c"),
    ]
    assert [entry.label for entry in imagenet.entries(Parquet(tmp_path), tmp_path)][:2] == ["goldfish", "tench"]


@pytest.mark.parametrize("name", ["image", "img", "bytes"])
def test_a_column_of_bytes_will_do(tmp_path, name):
    """Not everybody nests."""
    pq.write_table(pa.table({name: [b"one", b"two"], "caption": ["x", "y"]}), tmp_path / "x.parquet")
    assert read_all(Parquet(tmp_path / "x.parquet")) == [("x/0000000", None, b"one"), ("x/0000001", None, b"two")]


def test_a_row_without_bytes_is_one_bad_picture(tmp_path):
    """Some tables only name files."""
    write(tmp_path / "x.parquet", [b"one", None])
    source = Parquet(tmp_path / "x.parquet")
    with source.open() as read:
        assert read((0, 0)) == b"one"
        with pytest.raises(UnreadableEntry, match="only the name of a file elsewhere"):
            read((0, 1))


@pytest.mark.parametrize("share", [0.0, 0.4, 0.99])
def test_a_cut_file_is_an_error(tmp_path, share):
    """The footer stands at the end."""
    path = write(tmp_path / "x.parquet", [bytes(500)] * 5)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(CorruptData, match=r"x\.parquet: truncated \(.*; download or copy it again"):
        Parquet(path).entries()


def test_a_table_without_pictures_is_an_error(tmp_path):
    """What is there is named."""
    pq.write_table(pa.table({"text": ["a"], "image": ["path.jpg"]}), tmp_path / "x.parquet")
    with pytest.raises(CorruptData, match="expected a column `image` with the bytes of pictures, found text, image"):
        Parquet(tmp_path / "x.parquet").entries()


@pytest.mark.parametrize("name", ["shards", "shards/data/train-0.parquet"])
def test_from_parquet_to_set(tmp_path, encode, name):
    """A folder and a file are read where they are, by any number of workers; labels stand in the index."""
    archives = tmp_path / "archives"
    write(archives / "shards" / "data" / "train-0.parquet", [encode(n) for n in range(7)], [n % 2 for n in range(7)])
    where = archives / name if name == "shards" else (archives / name).parent
    section = AcquireConfig(
        **{"source": "archive", "checksum": "any", "keep_archive": True, "count": 1, "planted_share": 0.0},
        archive=(archives / name).name,
    )
    described = acquire(section, archives=(archives / name).parent, to=tmp_path / "raw")
    assert (described["kind"], described["count"], described["place"]) == ("parquet", 7, "archives")
    source = open_source(tmp_path / "raw", (archives / name).parent)
    assert len(source.entries()) == 7 and where.exists()
    squares = SquaresConfig(side=8, resize="area", chunk_keys=2, max_bad=0.0, max_pixels=10**6, keep_damaged=False)
    made = []
    for workers in (1, 2):
        to = tmp_path / f"set{workers}"
        make_squares(
            "imagenet", squares, source=tmp_path / "raw", archives=(archives / name).parent, to=to, workers=workers
        )
        made.append({path.name: path.read_bytes() for path in to.iterdir()})
    assert made[0] == made[1]
    assert ImageSet(tmp_path / "set1").index.column("label").to_pylist()[:2] == NAMES
