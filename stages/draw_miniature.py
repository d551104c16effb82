"""Render the synthetic archive of a set, if the profile asks for one."""

from pipeline.core.progress import link
from stages.common import (
    Command,
    JsonOption,
    ParamsOption,
    QuietOption,
    SeedOption,
    SetOption,
    ToOption,
    VersionOption,
    WorkersOption,
    new_app,
    stage,
)

app = new_app()


@app.command(
    cls=Command, epilog="dcgan draw-miniature --set lsun --params profiles/miniature.yaml --seed 1 --to drawn/lsun"
)
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
    """Render the synthetic archive of a set, if the profile asks for one.

    If the section of the set has `source: miniature`, synthetic rooms, textures or portraits (pictures that this
    command renders) are written in the layout of the published archive, with tables that describe them. Otherwise only
    a note is written.
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
            f"{section.count:,} pictures rendered in {link(to / section.archive)}; next: dcgan crop-scenes, "
            "downsample-imagenet or "
            "crop-faces with this archive as --source"
            if drawn
            else f"nothing rendered, because acquire.{name}.source is {section.source}",
        )


if __name__ == "__main__":
    app()
