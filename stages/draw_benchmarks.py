"""Draw the files of a labelled benchmark, if its profile says so."""

import typer

from stages.common import JsonOption, ParamsOption, QuietOption, SeedOption, SetOption, ToOption, VersionOption, stage

app = typer.Typer(add_completion=False)


@app.command()
def draw_benchmarks(
    name: SetOption,
    seed: SeedOption,
    to: ToOption,
    params: ParamsOption,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Draw the files of a labelled benchmark, if its profile says so.

    With `source: miniature`, writes drawn textures or digits in the layout of the benchmark's own files; with any other
    source, writes only a note that nothing was drawn.
    """
    from pipeline.acquire.config import BenchmarkConfig
    from pipeline.core.params import load_section
    from pipeline.miniature.draw_benchmark import draw_benchmark

    with stage("draw-benchmarks", quiet, as_json) as report:
        section = load_section(params, f"acquire.{name}", BenchmarkConfig)
        drawn = draw_benchmark(section, to=to, seed=seed)
        report(
            {"drawn": section.train + section.test if drawn else 0},
            f"{section.train:,} train and {section.test:,} test pictures in {to}; next: dcgan download-benchmarks"
            if drawn
            else f"nothing drawn: acquire.{name}.source is {section.source}",
        )


if __name__ == "__main__":
    app()
