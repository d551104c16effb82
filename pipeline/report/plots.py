"""Plots of the report, as SVG text; equal inputs give equal bytes."""

import csv
import io
from pathlib import Path

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.figure import Figure

from pipeline.core.errors import CorruptData, MissingInput

History = dict[str, list[float]]
"""Columns of a `history.tsv`, each with one value per epoch."""

LOSSES = {"d_loss": "discriminator", "g_loss": "generator", "loss": "model"}
"""Columns of losses that a model family may have, each with its network."""

OUTPUTS = {"d_real": "for real pictures", "d_fake": "for generated pictures"}
"""Columns of the mean output of the discriminator, which only GANs have, each with its legend."""


def read_history(path: Path) -> History:
    """Read `epoch` and the existing columns of `LOSSES` and `OUTPUTS` from a `history.tsv`.

    Raises:
        MissingInput: there is no such file.
        CorruptData: `epoch` or all losses are missing, a value is not a number, or there are no rows.
    """
    if not path.exists():
        raise MissingInput(f"{path}: no training history here; train the model again")
    try:
        with path.open(newline="") as file:
            rows = list(csv.DictReader(file, delimiter="\t"))
        if not rows:
            raise ValueError("it has no rows")
        shown = ["epoch", *(name for name in (*LOSSES, *OUTPUTS) if name in rows[0])]
        if not set(shown) & set(LOSSES):
            raise ValueError(f"it has none of {', '.join(LOSSES)}")
        return {name: [float(row[name]) for row in rows] for name in shown}
    except (KeyError, ValueError, TypeError) as error:
        raise CorruptData(f"{path}: not a training history ({error}); train the model again") from None


def history_plot(columns: History) -> Markup:
    """Plot losses and, for a GAN, mean discriminator outputs over epochs."""
    # A fixed salt for the ids and no date: the same history gives the same bytes.
    with rc_context({"svg.hashsalt": "dcgan-pipeline", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(7.2, 2.6), layout="constrained")
        plots = [
            (title, {name: label for name, label in names.items() if name in columns})
            for title, names in (("loss", LOSSES), ("mean output of the discriminator", OUTPUTS))
        ]
        plots = [(title, names) for title, names in plots if names]
        for axes, (title, names) in zip(figure.subplots(1, len(plots), squeeze=False)[0], plots, strict=True):
            for (name, label), color in zip(names.items(), ("#1f6feb", "#d1570a", "#1a7f37"), strict=False):
                axes.plot(columns["epoch"], columns[name], color=color, label=label, linewidth=1.5)
            axes.set(title=title, xlabel="epoch")
            axes.spines[["top", "right"]].set_visible(False)
            axes.legend(frameon=False)
            if title != "loss":
                axes.set_ylim(0, 1)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    # The plot has fixed labels only, so nothing needs escaping.
    return Markup(svg[svg.index("<svg") :])
