"""The command `dcgan`. The module of a subcommand is imported only when the subcommand runs, so that help
does not import torch.
"""

import importlib
from typing import Any

import typer
from typer.core import TyperGroup

from stages.common import VersionOption

COMMANDS = {
    "doctor": "Check the device, the disk space and the archives before other commands run.",
    "draw-miniature": "Render the synthetic archive of a set, if the profile asks for one.",
    "draw-benchmarks": "Render the synthetic files of a labelled benchmark, if the profile asks for them.",
    "download-lsun": "Find or download an archive of LSUN, verify it and unpack it.",
    "download-imagenet": "Find and verify the training archive of ImageNet.",
    "download-benchmarks": "Find or download the files of CIFAR-10, SVHN or MNIST, then verify and unpack them.",
    "download-faces": "Find and verify an archive of photographs with faces, or download the pictures of a list.",
    "crop-scenes": "Make an image set of scenes: resize the short side to 64 pixels, then crop the centre.",
    "downsample-imagenet": "Make an image set of ImageNet: resize the short side to 32 pixels, then crop the centre.",
    "crop-faces": "Make an image set of faces: detect them with OpenCV and crop them with a margin to 128×128 pixels.",
    "train-autoencoder": "Train the denoising autoencoder (3072-128-3072) that computes the codes.",
    "hash-images": "Compute the 128-bit code of every picture.",
    "find-pairs": "Find the pairs of copies in an image set.",
    "compare-sources": "Compare the sources of duplicates: which picture of a group is the original.",
    "remove-duplicates": "Decide which pictures are kept: one of each group of duplicates.",
    "probe-duplicates": "Measure the recall of the search on copies that are made on purpose.",
    "audit-duplicates": "Make a gallery of the removed pictures and estimate the rate of false removals.",
    "review-duplicates": "Look at the removed pictures and judge them, in a local web page.",
    "dedup": "Find and list the duplicates in your own pictures: all steps in one command.",
    "restore": "Restore removed pictures: by key, by group, or all.",
    "export": "Export the kept pictures in the format of another program.",
    "train-dcgan": "Train a DCGAN on the kept pictures.",
    "sample": "Generate pictures with a trained model: a grid and single files.",
    "review-samples": "Mark objects on generated samples with boxes and choose exemplars, in a local web page.",
    "evaluate-features": "Classify a benchmark with an L2-SVM on the features of a trained discriminator.",
    "walk-latent": "Generate pictures along lines between random latents, as in Figure 4 of the paper.",
    "write-report": "Write HTML pages: one that compares the sets, and one for each set.",
}
"""Each subcommand with the first line of its help, in the order of the data flow."""


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
    """Reproduce the DCGAN paper, from archives of pictures to trained models; every removed picture is recorded."""


if __name__ == "__main__":
    app(prog_name="dcgan")
