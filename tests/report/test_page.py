"""The report: self-contained pages with the provenance of their numbers; missing inputs are named."""

import base64
import html
import io
import json
import re
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
from PIL import Image

from pipeline.core.errors import BadParameters, CorruptData, MissingInput
from pipeline.core.workspace import MARK
from pipeline.imageset.image_grid import grid, write_png
from pipeline.report.page import Folders, write_report
from tests.conftest import folder_bytes
from tests.report.conftest import METRICS, MODEL, SAMPLES, evaluation, folders_in, upstream, write_evaluation, write_set

NAMES = ("rooms", "faces & more", "natural")


@pytest.fixture
def three(tmp_path: Path) -> Folders:
    """Three sets, one of them evaluated."""
    for name in NAMES:
        write_set(tmp_path, name)
    write_evaluation(tmp_path, evaluation())
    return folders_in(tmp_path)


def make(folders: Folders, to: Path, benchmarks: tuple[str, ...] = ()) -> str:
    """Write a report on the set `rooms` alone; the text of its page."""
    write_report(folders, ["rooms"], ["rooms"] if benchmarks else [], benchmarks, to)
    return (to / "rooms.html").read_text()


def test_every_set_has_a_page_and_links_work(three: Folders, tmp_path: Path) -> None:
    """Pictures and plots are embedded; links are relative, and their targets exist."""
    to = tmp_path / "pages" / "report"
    summary = write_report(three, NAMES, ["rooms"], ["cifar10"], to)
    assert summary == {"sets": list(NAMES), "not_upstream": list(NAMES), "evaluations": ["rooms-cifar10"]}
    assert summary == json.loads((to / "report.json").read_text())
    assert {path.name for path in to.iterdir()} == {
        MARK,
        "index.html",
        "report.json",
        *(f"{name}.html" for name in NAMES),
    }
    for path in to.glob("*.html"):
        page = path.read_text()
        assert not re.search(r"<script|<link|<iframe|@import|url\((?!#)", page)
        links = re.findall(r'(?:src|href)="(?!data:)([^"]*)"', page)
        assert {"index.html", "rooms.html", "faces%20%26%20more.html", "natural.html"} <= set(links)
        for link in links:
            file, _, anchor = html.unescape(link).partition("#")
            target = to / unquote(file) if file else path
            assert ":" not in file and not file.startswith("/") and target.exists(), link
            assert not anchor or f'id="{anchor}"' in target.read_text(), link
        assert page.count("<h1>") == 1 and page.count('aria-current="page"') == 1
    middle = (to / "faces & more.html").read_text()
    assert '<a rel="prev" href="rooms.html">' in middle and '<a rel="next" href="natural.html">' in middle
    assert 'rel="prev"' not in (to / "rooms.html").read_text() and 'rel="next"' not in (to / "natural.html").read_text()


def test_the_page_of_a_set_is_complete(three: Folders, tmp_path: Path) -> None:
    """Samples, training pictures, walk, three epochs, plots, counts; features only if the set was evaluated."""
    write_report(three, NAMES, ["rooms"], ["cifar10"], tmp_path / "report")
    page = (tmp_path / "report" / "rooms.html").read_text()
    assert len(re.findall(r'src="data:image/png;base64,', page)) == 6
    assert len(re.findall(r'src="data:image/svg\+xml;base64,', page)) == 1
    assert 'href="../audit/rooms/gallery.html"' in page
    for text in ("1,003", "3 of 20", "3.0 % to 38.0 %", "same code", "after epoch 3", "2.5 of 255", "28,672 features"):
        assert text in page, text
    assert "28,672 features" not in (tmp_path / "report" / "natural.html").read_text()


def test_the_comparison_has_all_sets(three: Folders, tmp_path: Path) -> None:
    """Three pictures and a column for each set; precision and recall only if they are known."""
    write_set(tmp_path, "natural", upstream())
    write_report(three, NAMES, ["rooms"], ["cifar10"], tmp_path / "report")
    page = (tmp_path / "report" / "index.html").read_text()
    assert len(re.findall(r'src="data:image/png;base64,', page)) == 9
    assert page.count('class="banner"') == 1
    assert (
        "Drawn pictures in place of the real data: drawn rooms; CIFAR-10. Their figures test the pipeline;"
        in html.unescape(page)
    )
    assert (
        page.index('class="banner"') < page.index('id="pictures"') < page.index('id="provenance"') < page.index("<img")
    )
    for row in (
        ("sources", *["1,003"] * 3),
        ("unreadable", *["2"] * 3),
        ("filtered out", *["1"] * 3),
        ("near-duplicates removed", *["90 (9.0 %)"] * 3),
        ("read", *["1,000"] * 3),
        ("kept", *["910"] * 3),
        ("trained on", *["909"] * 3),
        ("torch", *["2"] * 3),
        ("family", *["dcgan"] * 3),
        ("networks", *["paper64, base width 16"] * 3),
        ("loss of the discriminator, last epoch", *["1.20"] * 3),
        ("largest step / mean step", *["1.4"] * 3),
        ("same pixels", *["20"] * 3),
        ("precision", *["100.0 % (90 of 90)"] * 2, "not known"),
        ("recall, 95 % interval", *["51.0 % to 73.1 %"] * 2, "not known"),
    ):
        cells = "".join(f"<td>{cell}</td>" for cell in row[1:])
        assert f'<tr><th scope="row">{row[0]}</th>{cells}</tr>' in page, row
    assert page.index("same bytes") < page.index("same pixels") < page.index("same code")  # strongest reason first
    assert "28,672 features" in page and 'href="rooms.html#features"' in page


def test_the_comparison_shows_the_start_of_the_walk(tmp_path: Path) -> None:
    """It shows three of the four rows; the page of the set shows all."""
    folders = write_set(tmp_path)
    rows = np.repeat(np.arange(4, dtype=np.uint8), 2)[:, None, None]
    Image.fromarray(np.broadcast_to(rows, (8, 8, 3)).copy()).save(folders.walks / "rooms" / "walk.png")
    make(folders, tmp_path / "report")
    index = (tmp_path / "report" / "index.html").read_text()
    found = re.search(r'src="data:image/png;base64,([^"]*)" alt="The first rows of the latent walk', index)
    assert found is not None
    with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
        assert picture.size == (8, 6) and np.asarray(picture).max() == 2


def test_training_pictures_are_shown_as_the_network_sees_them(tmp_path: Path) -> None:
    """Pictures that are stored larger than those of the model are cropped to their centres, as in training."""
    folders = write_set(tmp_path, metrics={**METRICS, "side": 16})
    stored = np.zeros((4, 16, 16, 3), np.uint8)
    stored[:, 4:12, 4:12] = np.arange(50, 250, 50)[:, None, None, None]
    write_png(folders.audit / "rooms" / "kept.png", grid(stored))
    write_png(folders.samples / "rooms" / "grid.png", grid(np.zeros((64, 8, 8, 3), np.uint8)))
    make(folders, tmp_path / "report")
    for name in ("index", "rooms"):
        page = (tmp_path / "report" / f"{name}.html").read_text()
        found = re.search(r'src="data:image/png;base64,([^"]*)" alt="Grid of training pictures', page)
        assert found is not None
        with Image.open(io.BytesIO(base64.b64decode(found[1]))) as picture:
            assert np.array_equal(np.asarray(picture), grid(stored[:, 4:12, 4:12]))


def test_the_provenance_is_that_of_the_files(tmp_path: Path) -> None:
    """The profile, if it is known, and commands for the commit and the changes; digests of the inputs."""
    folders = write_set(tmp_path)
    write_report(folders, ["rooms"], [], [], tmp_path / "report", profile="miniature")
    page = (tmp_path / "report" / "index.html").read_text()
    for words in (
        "<code>miniature</code>",
        "profiles/miniature.yaml",
        "git log -1 dvc.lock",
        "dvc metrics diff HEAD~1",
    ):
        assert words in page
    for digest in ("abab", "5656", "cdcd", "efef"):
        assert f"<td>{digest * 4}…</td>" in page
    make(folders, tmp_path / "report")
    assert "Profile" not in (tmp_path / "report" / "index.html").read_text()


def test_the_pages_repeat_to_the_byte(three: Folders, tmp_path: Path) -> None:
    """Pages and plots have no times and no random ids; a new report replaces the old one."""
    for name in ("one", "two", "one"):
        write_report(three, NAMES, ["rooms"], ["cifar10"], tmp_path / name)
    assert folder_bytes(tmp_path / "one") == folder_bytes(tmp_path / "two")
    assert not list(tmp_path.glob(".*.partial"))


@pytest.mark.parametrize(
    ("source", "upstream", "words"),
    [
        ("miniature", False, "Drawn pictures in place of the real data: drawn rooms."),
        ("archive", False, "Not the original archive: drawn rooms."),
        ("upstream", True, None),
    ],
)
def test_sets_without_the_original_data_have_a_banner(
    tmp_path: Path, source: str, upstream: bool, words: str | None
) -> None:
    """The banner keeps readers from comparing such figures with the paper's."""
    metrics = {**METRICS, "source": {**METRICS["source"], "source": source, "upstream": upstream}}
    make(write_set(tmp_path, metrics=metrics), tmp_path / "report")
    for name in ("rooms", "index"):
        page = (tmp_path / "report" / f"{name}.html").read_text()
        assert page.count('class="banner"') == (words is not None)
        assert (words or "") in page


@pytest.mark.parametrize(
    ("batch_statistics", "caption", "made_by"),
    [
        (False, "A sample depends only on the model, the seed and its number", "sample, seed 5, running statistics"),
        (True, "Batch norm uses the statistics of this batch", "sample, seed 5, batch statistics"),
    ],
)
def test_samples_state_their_statistics(tmp_path: Path, batch_statistics: bool, caption: str, made_by: str) -> None:
    """The caption names the statistics of batch norm; the provenance has seed and model."""
    folders = write_set(tmp_path)
    record = json.dumps(SAMPLES | {"batch_statistics": batch_statistics})
    (folders.samples / "rooms" / "samples.json").write_text(record)
    page = make(folders, tmp_path / "report")
    assert caption in page and made_by in page and "64 pictures of the model efefefefefefefef…" in page
    assert page.count("Batch norm uses") == batch_statistics


def test_a_model_of_another_family(tmp_path: Path) -> None:
    """A model without a latent space has no walk and needs no walk files; the losses are those in its history."""
    folders = write_set(tmp_path)
    (folders.walks / "rooms" / "walk.json").unlink()
    with pytest.raises(MissingInput, match=r"walk\.json"):
        make(folders, tmp_path / "report")
    other = MODEL | {"family": "pixelcnn", "architecture": "15 layers", "latent_shape": None}
    (folders.models / "rooms" / "model.json").write_text(json.dumps(other))
    (folders.models / "rooms" / "history.tsv").write_text("epoch\tstep\tloss\n1\t7\t3.5\n2\t14\t3.25\n")
    page = make(folders, tmp_path / "report")
    index = (tmp_path / "report" / "index.html").read_text()
    assert "pixelcnn, 15 layers, 3 epochs" in page and "latent walk" not in (page + index).replace(
        "latent walk</th>", ""
    )
    assert '<th scope="row">loss of the model, last epoch</th><td>3.25</td>' in index
    assert "loss of the discriminator" not in index


def test_texts_from_files_are_escaped(tmp_path: Path) -> None:
    """Names of archives, reasons, transforms, networks, benchmarks and sets are escaped; plots run no scripts."""
    bad = "<script>alert(1)</script>"
    planted = {**METRICS["planted"], "recall": {f"all{bad}": METRICS["planted"]["recall"]["all"]}}
    metrics = {**METRICS, "title": "<b>rooms", "planted": planted, "by_reason": {bad: 3}}
    metrics["source"] = {**METRICS["source"], "archive": bad}
    name = "<b>rooms"
    write_set(tmp_path, name, metrics)
    found = evaluation(data_set=bad, archives=[{"name": bad, "bytes": 1, "sha256": bad}])
    found["networks"][f"untrained-{bad}"] = found["networks"].pop("untrained-2")
    found["parameters"]["norm"] = found["model"]["architecture"] = bad
    folder = write_evaluation(tmp_path, found, model=name, name="<i>")
    (folder / "features.svg").write_text(f"<svg>{bad}</svg>")
    write_report(folders_in(tmp_path), [name], [name], ["<i>"], tmp_path / "report")
    for path in (tmp_path / "report").glob("*.html"):
        page = path.read_text()
        assert "&lt;script&gt;alert(1)" in page and "&lt;b&gt;rooms" in page
        assert not re.search(r"<script|<b>rooms|<i>", page)
        assert 'href="%3Cb%3Erooms.html"' in page


@pytest.mark.parametrize(
    ("names", "evaluated", "words"),
    [
        (["index"], [], "sets: index: cannot be the name of a page"),
        (["../rooms"], [], r"sets: \.\./rooms: cannot be the name of a page"),
        (["rooms"], ["faces"], "evaluated: faces: not among the sets, which are rooms"),
    ],
)
def test_wrong_names_are_refused(tmp_path: Path, names: list[str], evaluated: list[str], words: str) -> None:
    """A set with the name of the comparison, a name outside the folder, an evaluated set that is not shown."""
    with pytest.raises(BadParameters, match=words):
        write_report(write_set(tmp_path), names, evaluated, ["cifar10"], tmp_path / "report")


@pytest.mark.parametrize(
    "part",
    [
        *("audit/rooms/metrics.json", "audit/rooms/kept.png", "audit/rooms/gallery.html", "models/rooms/model.json"),
        *("models/rooms/history.tsv", "models/rooms/samples", "samples/rooms/samples.json", "samples/rooms/grid.png"),
        *("walks/rooms/walk.json", "walks/rooms/walk.png"),
        *("features/rooms-cifar10/metrics.json", "features/rooms-cifar10/features.svg"),
    ],
)
def test_a_missing_input_is_named(tmp_path: Path, part: str) -> None:
    """The error is one line with the path, and nothing is written."""
    folders = write_set(tmp_path)
    write_evaluation(tmp_path, evaluation())
    (tmp_path / part).rename(tmp_path / "elsewhere")
    with pytest.raises(MissingInput, match=re.escape(part)) as raised:
        make(folders, tmp_path / "report", ("cifar10",))
    assert "\n" not in str(raised.value) and not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("part", "keys", "maker"),
    [
        ("audit/rooms/metrics.json", "planted.precision.low", "audit-duplicates"),
        ("audit/rooms/metrics.json", "source.upstream", "audit-duplicates"),
        ("models/rooms/model.json", "architecture", "train-dcgan"),
        ("samples/rooms/samples.json", "model_sha256", "sample"),
        ("walks/rooms/walk.json", "smoothness.largest_step_ratio", "walk-latent"),
        ("features/rooms-cifar10/metrics.json", "benchmark.source.upstream", "evaluate-features"),
        ("features/rooms-cifar10/metrics.json", "networks.trained", "evaluate-features"),
        ("features/rooms-cifar10/metrics.json", "networks.untrained-1.whole", "evaluate-features"),
        ("features/rooms-cifar10/metrics.json", "networks.untrained-2.few.held_out.spread", "evaluate-features"),
    ],
)
def test_a_missing_key_is_named(tmp_path: Path, part: str, keys: str, maker: str) -> None:
    """The error names file, key and command; a key of another type gives another error than a missing one."""
    folders = write_set(tmp_path)
    write_evaluation(tmp_path, evaluation())
    content = json.loads((tmp_path / part).read_text())
    *parents, last = keys.split(".")
    section = content
    for key in parents:
        section = section[key]
    del section[last]
    (tmp_path / part).write_text(json.dumps(content))
    with pytest.raises(CorruptData, match=re.escape(f"{part}: {keys}: missing key; run {maker} again")):
        make(folders, tmp_path / "report", ("cifar10",))
    section[last] = ["of another type"]
    (tmp_path / part).write_text(json.dumps(content))
    with pytest.raises(CorruptData, match=re.escape(f"{part}: {keys}")) as raised:
        make(folders, tmp_path / "report", ("cifar10",))
    assert "missing key" not in str(raised.value) and "\n" not in str(raised.value)
    assert not (tmp_path / "report").exists()


@pytest.mark.parametrize(
    ("part", "text", "words"),
    [
        ("models/rooms/history.tsv", "epoch\tother\n1\t2\n", "not a training history"),
        ("models/rooms/history.tsv", "epoch\td_loss\tg_loss\td_real\td_fake\n", "it has no rows"),
        ("models/rooms/model.json", "[]", "run train-dcgan again"),
        ("walks/rooms/walk.png", "no picture", "not readable as a picture"),
    ],
)
def test_wrong_content_is_refused(tmp_path: Path, part: str, text: str, words: str) -> None:
    """Each kind of wrong content has its own error."""
    folders = write_set(tmp_path)
    (tmp_path / part).write_text(text)
    with pytest.raises(CorruptData, match=rf"{re.escape(part)}: .*{words}"):
        make(folders, tmp_path / "report")


def test_other_folders_are_not_overwritten(tmp_path: Path) -> None:
    """A report replaces only an earlier report."""
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.tex").write_text("mine")
    with pytest.raises(BadParameters, match=r"thesis\.tex"):
        make(write_set(tmp_path), tmp_path / "report")


def test_drawn_sets_are_called_what_they_are(three: Folders, tmp_path: Path) -> None:
    """Headings, links and columns have the title of a set; its name is in the heading and in file names."""
    write_set(tmp_path, "natural", upstream())
    write_report(three, NAMES, [], [], tmp_path / "report")
    index = (tmp_path / "report" / "index.html").read_text()
    assert '<a href="rooms.html">drawn rooms (rooms)</a></h2>' in index and ">natural</a></h2>" in index
    assert '<th scope="col">drawn rooms</th>' in index and '<th scope="col">natural</th>' in index
    assert "<h1>drawn rooms (rooms)</h1>" in (tmp_path / "report" / "rooms.html").read_text()
