"""Help, options, error messages, summaries and timing that all commands share."""

import contextlib
import ctypes
import errno
import importlib.metadata
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from pipeline.core import progress
from pipeline.core.errors import PipelineError

HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Context settings of all commands: the options that print the help, and its largest width in characters."""

GENERAL = "General"
"""The last group of options in each help: those that every command has."""


class Command(TyperCommand):
    """A command whose help lists the options in groups (`rich_help_panel`) and ends with examples (`epilog`).

    The help is plain text: typer's own groups are boxes, which leave half of a narrow terminal empty.
    """

    def format_options(self, ctx: Any, formatter: Any) -> None:
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            usual = GENERAL if parameter.name == "help" else usual
            record = parameter.get_help_record(ctx)
            if record:
                groups.setdefault(getattr(parameter, "rich_help_panel", None) or usual, []).append(record)
        for title in sorted(groups, key=lambda title: {"Arguments": 0, "Options": 1, GENERAL: 3}.get(title, 2)):
            with formatter.section(title):
                formatter.write_dl(groups[title])

    def format_epilog(self, ctx: Any, formatter: Any) -> None:
        if self.epilog:
            with formatter.section("Examples"):
                formatter.write("".join(f"  {line}\n" for line in self.epilog.splitlines()))


def new_app() -> typer.Typer:
    """The app of one command, whose function is registered with `cls=Command` and its examples as `epilog`."""
    return typer.Typer(add_completion=False, rich_markup_mode=None, context_settings=HELP)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(importlib.metadata.version("dcgan-pipeline"))
        raise typer.Exit


def _default_profile() -> Path:
    from pipeline.core.params import default_profile  # importing pydantic is slow, and help does not need it

    return default_profile()


def complete_set(ctx: typer.Context) -> list[str]:
    """Names of the profile's sets, for shell completion; none if the profile cannot be read."""
    from pipeline.core.params import load_profile

    try:
        profile = load_profile(ctx.params.get("params") or ctx.params.get("parameters") or _default_profile())
    except (PipelineError, OSError):
        return []
    return sorted({str(name) for sections in profile.values() for name in sections})


SetOption = Annotated[
    str,
    typer.Option(
        "--set", autocompletion=complete_set, help="Name of the set, which selects its sections of the profile."
    ),
]
ParamsOption = Annotated[
    Path,
    typer.Option(
        "--params",
        default_factory=_default_profile,
        show_default="the workstation profile",
        help="Profile: the YAML file of the parameters.",
    ),
]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help="Root seed, from which the seeds of all random numbers are derived.")
]
ToOption = Annotated[Path, typer.Option("--to", "-o", help="Folder to write the result to.")]
SourceOption = Annotated[
    Path,
    typer.Option(
        "--source",
        help="Archive (zip, tar, compressed tar, tar of tars, parquet, LMDB), folder of pictures, "
        "or result folder of a download command.",
    ),
]
ArchivesOption = Annotated[
    Path | None,
    typer.Option(
        "--archives",
        help="Folder that contains the archive and the lists of labels that belong to it. It is required "
        "if --source is the result folder of a download command. Otherwise, "
        "the default is the folder that contains --source.",
    ),
]
DrawnOption = Annotated[
    Path | None,
    typer.Option(
        "--drawn",
        help="Result folder of draw-miniature or draw-benchmarks (needed if the profile has source: miniature).",
    ),
]
ImagesOption = Annotated[Path, typer.Option("--images", help="Folder of the image set.")]
PreferOption = Annotated[
    list[str] | None,
    typer.Option(
        "--prefer",
        metavar="GLOB",
        help="Of a group, keep a picture whose key matches this pattern, such as 'camera/*'; repeat for several.",
        rich_help_panel="Which picture is kept",
    ),
]
WorkersOption = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-j",
        min=1,
        help="Number of processes or threads (default: DCGAN_JOBS, else the number of CPU cores).",
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print no progress and no summary on stderr.", rich_help_panel=GENERAL)
]
JsonOption = Annotated[
    bool, typer.Option("--json", help="Print a machine-readable summary on stdout.", rich_help_panel=GENERAL)
]
VersionOption = Annotated[
    bool,
    typer.Option(
        "--version",
        callback=_print_version,
        is_eager=True,
        help="Print the version and exit.",
        rich_help_panel=GENERAL,
    ),
]

Report = Callable[[Mapping[str, Any], str], None]


@contextlib.contextmanager
def stage(name: str, quiet: bool, as_json: bool) -> Iterator[Report]:
    """Run the body of a command; print a known error as one line and exit with status 1; record the wall time.

    Yields:
        A function to call at the end, with the summary (a JSON-like mapping) and the sentence to print on stderr.
    """
    other = int(os.environ.get("RANK", "0")) > 0  # a process of torchrun; only the first one prints
    progress.set_quiet(quiet or other)
    # `kill` and a closed terminal act like Ctrl-C: workers stop, locks are released, finished work is kept.
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # ignored under nohup
            signal.signal(number, _interrupt)
    _end_with_dvc()

    def report(summary: Mapping[str, Any], sentence: str) -> None:
        progress.say(f"{name}: {sentence}")
        if as_json and not other:
            typer.echo(json.dumps(summary, sort_keys=True))

    started = time.monotonic()
    try:
        with progress.silenced() if other else contextlib.nullcontext():
            yield report
    except PipelineError as error:
        _fail(str(error), silent=other)
    except OSError as error:
        _fail(_explain(error), silent=other)
    except KeyboardInterrupt as error:
        for number in (signal.SIGTERM, signal.SIGHUP):  # dvc and `_end_with_dvc` may each send one
            signal.signal(number, signal.SIG_IGN)
        if not other:
            what = str(error) or "interrupted"
            typer.echo(f"{name}: {what}; finished work is kept; run the command again to continue", err=True)
        raise typer.Exit(130) from None
    _note_time(name, time.monotonic() - started)


def _interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


def _end_with_dvc() -> None:
    """Send this process SIGTERM when the `dvc` that runs it is killed.

    Otherwise the stage would continue in the background, and the next `dvc repro` would delete its output.
    """
    if "DVC_STAGE" not in os.environ or not sys.platform.startswith("linux"):
        return
    parent = os.getppid()
    ctypes.CDLL(None).prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG, see prctl(2)
    if os.getppid() != parent:  # dvc ended before the call
        os.kill(os.getpid(), signal.SIGTERM)


def _fail(message: str, *, silent: bool) -> None:
    if not silent:
        typer.echo("error: " + " ".join(message.splitlines()), err=True)
    raise typer.Exit(1)


def _explain(error: OSError) -> str:
    where = error.filename or "output"
    if error.errno == errno.ENOSPC:
        return f"{where}: the disk is full; free some space and run the command again; finished work is kept"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"{where}: {error.strerror}; choose a folder that you may write to, or change its permissions"
    return f"{where}: {error.strerror or error}"


def _note_time(name: str, seconds: float) -> None:
    """Append the wall time to a file that git ignores, since tracked outputs must not contain times."""
    if not Path("dvc.yaml").exists():
        return
    with contextlib.suppress(OSError):
        Path(".dcgan").mkdir(exist_ok=True)
        with Path(".dcgan/timing.jsonl").open("a") as file:
            file.write(json.dumps({"command": name, "seconds": round(seconds, 2)}) + "\n")
