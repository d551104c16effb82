"""Tables of feature evaluations; the paper's rows are shown only if all data are the original ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.report import paper
from pipeline.report.evaluations import Evaluation, notes, provenance, read_evaluation, read_list, result_tables
from pipeline.report.page import write_report
from pipeline.report.records import Source
from pipeline.report.tables import Table
from tests.report.conftest import evaluation, upstream, write_evaluation, write_set

DRAWN, SUBSTITUTE, REAL = (
    Source(source="miniature", upstream=False),
    Source(source="archive", upstream=False),
    Source(source="archive", upstream=True),
)


def read(folder: Path, found: dict[str, Any], trained_on: Source = DRAWN) -> Evaluation:
    name = found["benchmark"]["source"]["data_set"]
    return read_evaluation(write_evaluation(folder, found, name=name), "rooms", name, trained_on)


def rows(table: Table) -> dict[str, list[tuple[str, ...]]]:
    """The rows of each group, by its title."""
    return {group.title: list(group.rows) for group in table.groups}


def test_trained_and_untrained_networks(tmp_path: Path) -> None:
    """Spread over draws and interval of the mean are different columns; titles of groups tell how C was chosen."""
    whole, few = result_tables(read(tmp_path, evaluation()), each=True)
    assert few.header[1:4] == (
        "mean accuracy of 2 draws",
        "spread over draws, ± percentage points",
        "95 % interval of the mean",
    )
    assert "4,000 labels, 400 of each class" in few.caption and "50,000 training labels" in whole.caption
    assert rows(few) == {
        "C from the 10,000 held-out labels": [
            ("trained", "51.0 %", "± 2.8", "42.0 % to 60.0 %", "0.001"),
            ("untrained 1", "41.0 %", "± 2.8", "32.0 % to 50.0 %", "0.001"),
            ("untrained 2", "31.0 %", "± 2.8", "22.0 % to 40.0 %", "0.001"),
            ("untrained, range of 2", "31.0 % to 41.0 %", "", "", ""),
        ],
        "C from the 4,000 labels only, 5-fold cross-validation": [
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
    """Accuracies and intervals are converted to error rates; without results for all labels there is one table."""
    (few,) = result_tables(read(tmp_path, evaluation("svhn")), each=False)
    assert few.header[1] == "mean error rate of 2 draws"
    assert rows(few) == {
        "C from the 10,000 held-out labels": [
            ("trained", "49.0 %", "± 2.8", "40.0 % to 58.0 %", "0.001"),
            ("untrained, range of 2", "59.0 % to 69.0 %", "", "", ""),
        ]
    }


@pytest.mark.parametrize("trained_on", [DRAWN, SUBSTITUTE, REAL])
@pytest.mark.parametrize("tested_on", [DRAWN, SUBSTITUTE, REAL])
@pytest.mark.parametrize("data_set", ["cifar10", "svhn"])
def test_the_rows_of_the_paper_need_original_data(
    tmp_path: Path, trained_on: Source, tested_on: Source, data_set: str
) -> None:
    """For other data, the paper's rows are missing."""
    found = read(tmp_path, evaluation(data_set, **tested_on.model_dump()), trained_on)
    both = trained_on.upstream and tested_on.upstream
    for table in result_tables(found, each=False):
        assert any(title.startswith("the paper, section 5") for title in rows(table)) == both
        assert {len(row) for group in table.groups for row in group.rows} == {len(table.header)}
    assert found.original == both


def test_the_rows_of_the_paper(tmp_path: Path) -> None:
    """Values as printed, in the same table as ours; 28.87 is labelled as a validation error."""
    real = {"source": "archive", "upstream": True}
    whole, few = result_tables(read(tmp_path, evaluation(**real), REAL), each=False)
    title = "the paper, section 5.1, Table 1 (–: not given)"
    assert rows(few)[title][-1] == ("DCGAN + L2-SVM, at most 512 feature units", "73.8 %", "± 0.4", "–", "–")
    assert rows(whole)[title][-1] == ("DCGAN + L2-SVM, at most 512 feature units", "82.8 %", "–", "–", "–")
    (few,) = result_tables(read(tmp_path, evaluation("svhn", **real), REAL), each=False)
    *_, ours, supervised = rows(few)["the paper, section 5.2, Table 2 (–: not given)"]
    assert ours == ("DCGAN + L2-SVM", "22.48 %", "–", "–", "–")
    assert "validation error" in supervised[0] and supervised[1] == "28.87 %"
    assert [len(results.rows) for results in paper.RESULTS.values()] == [5, 9]


def test_the_row_for_few_labels_needs_the_same_number(tmp_path: Path) -> None:
    """With 40 labels of each class, the paper's result for 400 is not shown, and a note says so."""
    found = read(tmp_path, evaluation(per_class=40, source="archive", upstream=True), REAL)
    whole, few = result_tables(found, each=False)
    assert len(whole.groups) == 2 and not any(title.startswith("the paper") for title in rows(few))
    assert "for 400 of each class, so it is not shown beside results for 40." in notes(found)[1]


def test_without_untrained_networks_and_at_the_end_of_the_grid(tmp_path: Path) -> None:
    """No range without untrained networks; a note if C is at the end of the grid; unknown keys are ignored."""
    found = evaluation()
    found["networks"] = {"trained": found["networks"]["trained"]}
    found["networks"]["trained"]["few"]["held_out"]["at_end"] = True
    read_back = read(tmp_path, {**found, "further": {"key": 1}})
    whole, few = result_tables(read_back, each=True)
    assert [row[0] for group in [*whole.groups, *few.groups] for row in group.rows] == ["trained"] * 3
    assert "at the end of the grid" in notes(read_back)[-1]


def test_provenance(tmp_path: Path) -> None:
    """The provenance has archives, statistics, seed and network."""
    text = json.dumps(provenance(read(tmp_path, evaluation("svhn"))), ensure_ascii=False)
    for words in (
        "svhn.tar.gz, 1,234 bytes, SHA-256 3434",
        "batch norm statistics of 640 training pictures of the network",
        "seed 1",
    ):
        assert words in text
    assert "network 1212121212121212…" in text


def test_original_and_other_data_on_one_page(tmp_path: Path) -> None:
    """A set of original data, tested on the original CIFAR-10 and on another archive in place of SVHN."""
    folders = write_set(tmp_path, metrics=upstream())
    write_evaluation(tmp_path, evaluation(source="upstream", upstream=True), name="cifar10")
    write_evaluation(tmp_path, evaluation("svhn", source="archive"), name="svhn")
    write_report(folders, ["rooms"], ["rooms"], ["cifar10", "svhn"], tmp_path / "report")
    for name in ("index", "rooms"):
        page = (tmp_path / "report" / f"{name}.html").read_text()
        cifar10, svhn = page.split('id="features-')[1:]
        assert "Exemplar CNN" in cifar10 and "SWWAE" not in svhn
        assert page.count('class="banner"') == 1
        assert '<p class="banner">Not the original archive: SVHN. Their figures test the pipeline;' in page
        assert ("untrained 1" in page) == (name == "rooms") and "untrained, range of 2" in page


def test_lists_in_params(tmp_path: Path) -> None:
    """An empty or missing key gives an empty list."""
    (tmp_path / "params.yaml").write_text("evaluated: [rooms]\nbenchmarks: []\n")
    names = [read_list(tmp_path / "params.yaml", key) for key in ("evaluated", "benchmarks", "sets")]
    assert names == [["rooms"], [], []]
