"""Render the synthetic files of a labelled benchmark, if the profile asks for them."""

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
    new_app,
    stage,
)

app = new_app()


@app.command(
    cls=Command,
    epilog="dcgan draw-benchmarks --set cifar10 --params profiles/miniature.yaml --seed 1 \\\n    --to drawn/cifar10",
)
def draw_benchmarks(
    name: SetOption,
    seed: SeedOption,
    to: ToOption,
    params: ParamsOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Render the synthetic files of a labelled benchmark, if the profile asks for them.

    If the section of the benchmark has `source: miniature`, synthetic textures or digits (pictures that this command
    renders) are written in the layout of the published files. Otherwise only a note is written.
    """
    from pipeline.acquire.config import BenchmarkConfig
    from pipeline.core.params import load_section
    from pipeline.miniature.draw_benchmark import draw_benchmark

    with stage("draw-benchmarks", quiet, as_json) as report:
        section = load_section(params, f"acquire.{name}", BenchmarkConfig)
        drawn = draw_benchmark(section, to=to, seed=seed)
        report(
            {"drawn": section.train + section.test if drawn else 0},
            f"{section.train:,} train and {section.test:,} test pictures rendered in {link(to)}; "
            f"next: dcgan download-benchmarks"
            if drawn
            else f"nothing rendered, because acquire.{name}.source is {section.source}",
        )


if __name__ == "__main__":
    app()
