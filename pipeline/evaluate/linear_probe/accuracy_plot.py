"""Plot the test accuracies of the trained and the untrained networks, with a dot for each random set of labels."""

import io
from typing import Any

from matplotlib import rc_context
from matplotlib.figure import Figure

from pipeline.seeding import numpy_rng

_COLOURS = {"trained": "#1f6feb", "untrained": "#8a8f98"}


def accuracies_plot(metrics: dict[str, Any]) -> str:
    """SVG text of the metrics of `linear_probe`, one panel per way to choose C; equal metrics give equal bytes."""
    networks = metrics["networks"]
    panels = [
        (title, key)
        for key, title in (
            ("cross_validation", "C from these labels only"),
            ("held_out", f"C from {metrics['parameters']['held_out']:,} held-out labels"),
        )
        if networks["trained"]["few"][key]
    ]
    whole = bool(networks["trained"]["whole"])
    # A fixed salt for the ids and no date: the same metrics give the same bytes.
    with rc_context({"svg.hashsalt": "dcgan-pipeline", "svg.fonttype": "none", "font.size": 9}):
        figure = Figure(figsize=(2.6 * (len(panels) + whole) + 0.6, 2.9), layout="constrained")
        axes = figure.subplots(1, len(panels) + whole, sharey=True, squeeze=False)[0]
        for panel, (title, key) in zip(axes, panels, strict=False):
            for position, (network, found) in enumerate(networks.items()):
                values = [100 * value for value in found["few"][key]["accuracies"]]
                jitter = numpy_rng(0, "plot", network).uniform(-0.16, 0.16, len(values))
                colour = _COLOURS[network.partition("-")[0]]
                panel.plot(position + jitter, values, ".", color=colour, markersize=5, alpha=0.6)
                mean = 100 * found["few"][key]["mean"]
                panel.plot([position - 0.3, position + 0.3], [mean, mean], color=colour, linewidth=2)
            per_class = networks["trained"]["few"]["per_class"]
            panel.set_title(f"{per_class} labels a class\n{title}", fontsize=9)
        if whole:
            for position, (network, found) in enumerate(networks.items()):
                entry = found["whole"]
                value, low, high = (100 * entry[key] for key in ("accuracy", "low", "high"))
                colour = _COLOURS[network.partition("-")[0]]
                axes[-1].errorbar(position, value, [[value - low], [high - value]], fmt="o", color=colour, capsize=3)
            axes[-1].set_title(f"all {metrics['benchmark']['train']:,} labels\n95 % interval", fontsize=9)
        for panel in axes:
            panel.set_xticks(range(len(networks)), [name.replace("untrained-", "init ") for name in networks])
            panel.set_xlim(-0.6, len(networks) - 0.4)
            panel.spines[["top", "right"]].set_visible(False)
            panel.grid(axis="y", color="#e3e6ea", linewidth=0.6)
            panel.set_axisbelow(True)
        axes[0].set_ylabel("test accuracy, %")
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None})
    svg = text.getvalue()
    return svg[svg.index("<svg") :]
