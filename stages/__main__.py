"""The command `dcgan`. It imports the module of a subcommand only when that one runs, so that help needs no torch."""

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from stages.common import VersionOption

COMMANDS = {
    "doctor": "Check device, disk and archives before anything runs.",
    "draw-miniature": "Draw the archive of a set of pictures, if its profile says so.",
    "draw-benchmarks": "Draw the files of a labelled benchmark, if its profile says so.",
    "download-lsun": "Download, verify and unpack LSUN scenes.",
    "download-imagenet": "Find and verify ImageNet's training archive.",
    "download-benchmarks": "Download, verify and unpack CIFAR-10, SVHN or MNIST.",
    "download-faces": "Find and verify an archive of photographs with faces, or download those of a list.",
    "crop-scenes": "Scenes to an image set: short side to 64, centre crop.",
    "downsample-imagenet": "ImageNet to an image set: 32×32 min-resize centre crops.",
    "crop-faces": "Photographs to faces: found by OpenCV, cut out with a margin, 128×128.",
    "train-autoencoder": "Train the 3072-128-3072 denoising autoencoder.",
    "hash-images": "Compute the 128-bit code of every picture.",
    "find-pairs": "Find the pairs of copies in an image set.",
    "remove-duplicates": "Decide which pictures are kept: one of each group of duplicates.",
    "probe-duplicates": "Measure the recall of the search on planted copies of the set's pictures.",
    "audit-duplicates": "Write a gallery of the removed pictures, and metrics.",
    "review-duplicates": "Browse removed pictures and judge them, in a browser on this machine.",
    "dedup": "Find and list the duplicates in your own pictures: all steps in one command.",
    "restore": "Restore removed pictures: by key, by group, or all.",
    "export": "Export the kept pictures in the format of another program.",
    "train-dcgan": "Train a DCGAN on the kept pictures.",
    "sample": "Generate pictures with a trained generator: a grid and single files.",
    "review-samples": "Draw boxes on generated samples and choose exemplars, in a browser on this machine.",
    "evaluate-features": "Classify a benchmark with an L2-SVM on the features of a trained discriminator.",
    "walk-latent": "Generate pictures along lines between random latents, as in the paper's Figure 4.",
    "write-report": "Write HTML pages: a comparison of the sets, and one page for each set.",
}
"""Every subcommand with the first line of its help, in the order of the data flow."""


class _LazyGroup(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"stages.{cmd_name.replace('-', '_')}")
        return typer.main.get_command(module.app)

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Commands, in the order of the data flow"):
            formatter.write_dl(list(COMMANDS.items()))


app = typer.Typer(
    cls=_LazyGroup,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def main(version: VersionOption = False) -> None:
    """Rebuild the DCGAN paper: from picture archives to trained generators, with every removal accounted for."""


if __name__ == "__main__":
    app(prog_name="dcgan")
