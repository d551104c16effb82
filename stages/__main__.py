"""The command `dcgan`. The module of a subcommand is imported only when the subcommand runs, so that help
does not import torch.
"""

import importlib
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from stages.common import HELP, VersionOption

GROUPS = {
    "Start here": {
        "dedup": "Find and list the duplicates in your own pictures: all steps in one command.",
        "init": "Add a set of your own pictures to the pipeline: profile, verdicts and lists.",
        "doctor": "Check the profile, the archives, the disk space and the GPU before other commands run.",
    },
    "Prepare": {
        "draw-miniature": "Render the synthetic archive of a set, if the profile asks for one.",
        "draw-benchmarks": "Render the synthetic files of a labelled benchmark, if the profile asks for them.",
        "download-lsun": "Find or download an archive of LSUN, verify it and unpack it.",
        "download-imagenet": "Find and verify the training archive of ImageNet.",
        "download-benchmarks": "Find or download the files of CIFAR-10, SVHN or MNIST, then verify and unpack them.",
        "download-faces": "Find and verify an archive of photographs with faces, or download the pictures of a list.",
        "crop-scenes": "Make an image set of scenes: resize the short side to 64 pixels, crop the centre.",
        "downsample-imagenet": "Make an image set of ImageNet: resize the short side to 32 pixels, crop the centre.",
        "crop-faces": "Make an image set of faces: detect them with OpenCV, crop them with a margin to 128×128 pixels.",
    },
    "Find duplicates": {
        "train-autoencoder": "Train the denoising autoencoder (3072-128-3072) that computes the codes.",
        "hash-images": "Compute the 128-bit code of every picture.",
        "find-pairs": "Find the pairs of copies in an image set.",
        "compare-sources": "Compare the sources of duplicates: which picture of a group is the original.",
        "remove-duplicates": "Decide which pictures are kept: one of each group of duplicates.",
        "probe-duplicates": "Measure the recall of the search on copies that are made on purpose.",
        "audit-duplicates": "Make a gallery of the removed pictures and estimate the rate of false removals.",
        "restore": "Restore removed pictures: by key, by group, or all.",
        "export": "Export the kept pictures in the format of another program.",
    },
    "Train": {
        "train-dcgan": "Train a DCGAN on the kept pictures, or on all pictures of an image set.",
        "sample": "Generate pictures with a trained model: a grid, an array or a folder.",
    },
    "Evaluate": {
        "evaluate-features": "Classify a benchmark with an L2-SVM on the features of a trained discriminator.",
        "metrics": "Print the most important figures of each set.",
    },
    "Look": {
        "review-duplicates": "Look at the removed pictures and judge them, in a local web page.",
        "review-samples": "Mark objects on generated samples with boxes and choose exemplars, in a local web page.",
        "walk-latent": "Generate pictures along lines between random latents, as in Figure 4 of the paper.",
        "write-report": "Write HTML pages: one that compares the sets, and one for each set.",
    },
}
"""The groups of subcommands in the help, and each subcommand with the first line of its own help."""

COMMANDS = {name: summary for commands in GROUPS.values() for name, summary in commands.items()}


class _LazyGroup(TyperGroup):
    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=summary) for name, summary in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        if name is not None:
            command = typer.main.get_command(importlib.import_module(f"stages.{name.replace('-', '_')}").app)
        return name, command, rest

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        width = max(map(len, COMMANDS))  # the same in all groups
        for title, commands in GROUPS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:<{width}}", summary) for name, summary in commands.items()])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        with formatter.section("Examples"):
            formatter.write_dl(
                [
                    ("dcgan dedup photos --to found", "Find the duplicates in the folder photos."),
                    ("dcgan init mine --from photos", "Add the folder to the pipeline; then run dvc repro."),
                    ("dcgan COMMAND --help", "Print the options of a command, and an example."),
                ]
            )


app = typer.Typer(cls=_LazyGroup, rich_markup_mode=None, context_settings=HELP, no_args_is_help=True)


@app.callback()
def main(version: VersionOption = False) -> None:
    """Reproduce the DCGAN paper, from archives of pictures to trained models; every removed picture is recorded."""


if __name__ == "__main__":
    app(prog_name="dcgan")
