"""Plots of the report, as SVG text that repeats to the byte."""

import csv
import io
from pathlib import Path

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from pipeline.core.errors import CorruptData, MissingInput

History = dict[str, list[float]]
"""Columns of a `history.tsv`, a value for each epoch."""


def read_history(path: Path) -> History:
    """The columns of a `history.tsv` that the report shows.

    Raises:
        MissingInput: there is no such file.
        CorruptData: a column is missing or holds no numbers, or there are no rows.
    """
    if not path.exists():
        raise MissingInput(f"{path}: no training history here; run train-dcgan again")
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        if not rows:
            raise ValueError("it has no rows")
        return {name: [float(row[name]) for row in rows] for name in ("epoch", "d_loss", "g_loss", "d_real", "d_fake")}
    except (KeyError, ValueError, TypeError) as error:
        raise CorruptData(f"{path}: not a training history ({error}); run train-dcgan again") from None


def history_plot(columns: History) -> Markup:
    """Losses and mean outputs of the discriminator by epoch."""
    # A fixed salt for the ids and no date: the same history gives the same bytes.
    with rc_context({"svg.hashsalt": "dcgan-pipeline", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        losses, outputs = figure.subplots(1, 2)
        for axes, names, title in (
            (losses, {"d_loss": "discriminator", "g_loss": "generator"}, "loss"),
            (
                outputs,
                {"d_real": "of real pictures", "d_fake": "of generated ones"},
                "mean output of the discriminator",
            ),
        ):
            for (name, label), color in zip(names.items(), ("#1f6feb", "#d1570a"), strict=True):
                axes.plot(columns["epoch"], columns[name], color=color, label=label, linewidth=1.5)
            axes.set(title=title, xlabel="epoch")
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
        outputs.set_ylim(0, 1)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    # Our own plot, and its labels are fixed: nothing in it needs escaping.
    return Markup(svg[svg.index("<svg") :])
