"""Draw the archive of a set of pictures, if its profile says so."""

import typer

from stages.common import (
    JsonOption,
    ParamsOption,
    QuietOption,
    SeedOption,
    SetOption,
    ToOption,
    VersionOption,
    WorkersOption,
    stage,
)

app = typer.Typer(add_completion=False)


@app.command()
def draw_miniature(
    name: SetOption,
    seed: SeedOption,
    to: ToOption,
    params: ParamsOption,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Draw the archive of a set of pictures, if its profile says so.

    With `source: miniature`, writes drawn rooms, textures or portraits in the layout of upstream's archive, with tables
    of what was drawn; with any other source, writes only a note that nothing was drawn.
    """
    from pipeline.acquire.config import AcquireConfig
    from pipeline.core import engine
    from pipeline.core.params import load_section
    from pipeline.miniature.draw_set import draw_set

    with stage("draw-miniature", quiet, as_json) as report:
        section = load_section(params, f"acquire.{name}", AcquireConfig)
        drawn = draw_set(section, to=to, seed=seed, workers=workers or engine.default_workers())
        report(
            {"drawn": section.count if drawn else 0},
            f"{section.count:,} pictures in {to / section.archive}; next: dcgan crop-scenes, downsample-imagenet or "
            "crop-faces with it as --source"
            if drawn
            else f"nothing drawn: acquire.{name}.source is {section.source}",
        )


if __name__ == "__main__":
    app()
