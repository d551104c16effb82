"""Tables of features: ours, the paper's only where both data are upstream's, and what the columns say."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.report import paper
from pipeline.report.evaluations import Evaluation, listed, notes, provenance, read_evaluation, result_tables
from pipeline.report.page import write_report
from pipeline.report.records import Source
from pipeline.report.tables import Table
from tests.report.conftest import evaluation, upstream, write_evaluation, write_set

DRAWN, STAND_IN, REAL = (
    Source(source="miniature", upstream=False),
    Source(source="archive", upstream=False),
    Source(source="archive", upstream=True),
)


def read(folder: Path, found: dict[str, Any], learnt_from: Source = DRAWN) -> Evaluation:
    name = found["benchmark"]["source"]["data_set"]
    return read_evaluation(write_evaluation(folder, found, name=name), "rooms", name, learnt_from)


def rows(table: Table) -> dict[str, list[tuple[str, ...]]]:
    """Rows by the title of their group."""
    return {group.title: list(group.rows) for group in table.groups}


def test_trained_beside_untrained(tmp_path: Path) -> None:
    """Spread over draws and interval of the mean have columns of their own; how C was chosen is said in words."""
    whole, few = result_tables(read(tmp_path, evaluation()), each=True)
    assert few.header[1:4] == ("mean accuracy of 2 draws", "spread over draws, ± points", "95 % interval of the mean")
    assert "4,000 labels, 400 of each class" in few.caption and "50,000 training labels" in whole.caption
    assert rows(few) == {
        "C from the 10,000 held-out labels": [
            ("trained", "51.0 %", "± 2.8", "42.0 % to 60.0 %", "0.001"),
            ("untrained 1", "41.0 %", "± 2.8", "32.0 % to 50.0 %", "0.001"),
            ("untrained 2", "31.0 %", "± 2.8", "22.0 % to 40.0 %", "0.001"),
            ("untrained, range of 2", "31.0 % to 41.0 %", "", "", ""),
        ],
        "C from the 4,000 labels alone, 5-fold": [
            ("trained", "50.0 %", "± 2.8", "41.0 % to 59.0 %", "0.001 to 0.002"),
            ("untrained 1", "40.0 %", "± 2.8", "31.0 % to 49.0 %", "0.001 to 0.002"),
            ("untrained 2", "30.0 %", "± 2.8", "21.0 % to 39.0 %", "0.001 to 0.002"),
            ("untrained, range of 2", "30.0 % to 40.0 %", "", "", ""),
        ],
    }
    assert rows(whole)["C from the 10,000 held-out labels"][0] == (
        *("trained", "62.0 %", "61.0 % to 63.0 %"),
        *("6,200 of 10,000", "0.01"),
    )
    for table in (whole, few):
        assert {len(row) for group in table.groups for row in group.rows} == {len(table.header)}


def test_svhn_is_an_error_rate(tmp_path: Path) -> None:
    """Shares and both ends of an interval are turned round; without all labels there is one table."""
    (few,) = result_tables(read(tmp_path, evaluation("svhn")), each=False)
    assert few.header[1] == "mean error rate of 2 draws"
    assert rows(few) == {
        "C from the 10,000 held-out labels": [
            ("trained", "49.0 %", "± 2.8", "40.0 % to 58.0 %", "0.001"),
            ("untrained, range of 2", "59.0 % to 69.0 %", "", "", ""),
        ]
    }


@pytest.mark.parametrize("learnt_from", [DRAWN, STAND_IN, REAL])
@pytest.mark.parametrize("tested_on", [DRAWN, STAND_IN, REAL])
@pytest.mark.parametrize("data_set", ["cifar10", "svhn"])
def test_the_paper_s_rows_need_both_upstream_s(
    tmp_path: Path, learnt_from: Source, tested_on: Source, data_set: str
) -> None:
    """Anything else has tables of its own, and a banner that says what is not the paper's."""
    found = read(tmp_path, evaluation(data_set, **tested_on.model_dump()), learnt_from)
    both = learnt_from.upstream and tested_on.upstream
    for table in result_tables(found, each=False):
        assert any(title.startswith("the paper, section 5") for title in rows(table)) == both
        assert {len(row) for group in table.groups for row in group.rows} == {len(table.header)}
    assert (found.banner == "") == both
    if not both:
        for words, source in (("Learnt from", learnt_from), ("Tested on", tested_on)):
            assert f"{words}: {source.standing or 'upstream' + chr(39) + 's archive'}." in found.banner
        assert "test the machinery" in found.banner


def test_the_paper_s_rows(tmp_path: Path) -> None:
    """As printed, in the very table of ours; 28.87 is labelled as what it is."""
    real = {"source": "archive", "upstream": True}
    whole, few = result_tables(read(tmp_path, evaluation(**real), REAL), each=False)
    title = "the paper, section 5.1, Table 1 (–: not given there)"
    assert rows(few)[title][-1] == ("DCGAN + L2-SVM, at most 512 feature units", "73.8 %", "± 0.4", "–", "–")
    assert rows(whole)[title][-1] == ("DCGAN + L2-SVM, at most 512 feature units", "82.8 %", "–", "–", "–")
    (few,) = result_tables(read(tmp_path, evaluation("svhn", **real), REAL), each=False)
    *_, ours, supervised = rows(few)["the paper, section 5.2, Table 2 (–: not given there)"]
    assert ours == ("DCGAN + L2-SVM", "22.48 %", "–", "–", "–")
    assert "validation error" in supervised[0] and supervised[1] == "28.87 %"
    assert [len(results.rows) for results in paper.RESULTS.values()] == [5, 9]


def test_the_paper_s_row_of_few_labels_needs_as_many(tmp_path: Path) -> None:
    """With 40 labels of each class, the paper's 400 do not stand beside ours, and that is said."""
    found = read(tmp_path, evaluation(per_class=40, source="archive", upstream=True), REAL)
    whole, few = result_tables(found, each=False)
    assert len(whole.groups) == 2 and not any(title.startswith("the paper") for title in rows(few))
    assert "for 400 of each class, and does not stand here beside 40." in notes(found)[1]


def test_without_untrained_networks_and_at_the_end_of_the_grid(tmp_path: Path) -> None:
    """No range of nothing; a C that may not be the best is no secret; keys that are not known do no harm."""
    found = evaluation()
    found["networks"] = {"trained": found["networks"]["trained"]}
    found["networks"]["trained"]["few"]["held_out"]["at_end"] = True
    read_back = read(tmp_path, {**found, "further": {"key": 1}})
    whole, few = result_tables(read_back, each=True)
    assert [row[0] for group in [*whole.groups, *few.groups] for row in group.rows] == ["trained"] * 3
    assert "the last one tried" in notes(read_back)[-1]


def test_how_it_was_made(tmp_path: Path) -> None:
    """Archives, statistics, seed and network."""
    text = json.dumps(provenance(read(tmp_path, evaluation("svhn"))), ensure_ascii=False)
    for words in ("svhn.tar.gz, 1,234 bytes, SHA-256 3434", "batch norm by 640 of the pictures learnt from", "seed 1"):
        assert words in text
    assert "network 1212121212121212…" in text


def test_stand_ins_and_the_real_thing_on_one_page(tmp_path: Path) -> None:
    """A set of upstream's, tested on upstream's CIFAR-10 and on digits that stand in for SVHN."""
    folders = write_set(tmp_path, metrics=upstream())
    write_evaluation(tmp_path, evaluation(source="upstream", upstream=True), name="cifar10")
    write_evaluation(tmp_path, evaluation("svhn", source="archive"), name="svhn")
    write_report(folders, ["rooms"], ["rooms"], ["cifar10", "svhn"], tmp_path / "report")
    for name in ("index", "rooms"):
        page = (tmp_path / "report" / f"{name}.html").read_text()
        cifar10, svhn = page.split('id="features-')[1:]
        assert "Exemplar CNN" in cifar10 and 'class="banner"' not in cifar10
        assert "SWWAE" not in svhn and "Tested on: not upstream&#39;s archive. These figures test" in svhn
        assert ("untrained 1" in page) == (name == "rooms") and "untrained, range of 2" in page


def test_what_was_evaluated_is_listed(tmp_path: Path) -> None:
    """Nothing, or no such key, is no evaluation."""
    (tmp_path / "params.yaml").write_text("evaluated: [rooms]\nbenchmarks: []\n")
    names = [listed(tmp_path / "params.yaml", key) for key in ("evaluated", "benchmarks", "sets")]
    assert names == [["rooms"], [], []]
