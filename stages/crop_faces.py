"""Make an image set of faces: detect them with OpenCV, crop them with a margin to 128×128 pixels."""

from pipeline.core.progress import link
from stages.common import (
    ArchivesOption,
    Command,
    JsonOption,
    ParamsOption,
    QuietOption,
    SetOption,
    SourceOption,
    ToOption,
    VersionOption,
    WorkersOption,
    new_app,
    stage,
)

app = new_app()


@app.command(cls=Command, epilog="dcgan crop-faces --source photos.zip --to sets/faces")
def crop_faces(
    source: SourceOption,
    to: ToOption,
    params: ParamsOption,
    name: SetOption = "faces",
    archives: ArchivesOption = None,
    workers: WorkersOption = None,
    quiet: QuietOption = False,
    as_json: JsonOption = False,
    version: VersionOption = False,
) -> None:
    """Make an image set of faces: detect them with OpenCV, crop them with a margin to 128×128 pixels."""
    from pipeline.core import engine
    from pipeline.core.params import load_section
    from pipeline.prepare.faces.face_crops import FacesConfig, make_faces

    with stage("crop-faces", quiet, as_json) as report:
        section = load_section(params, f"prepare.{name}", FacesConfig)
        counts = make_faces(
            section, source=source, archives=archives, to=to, workers=workers or engine.default_workers()
        )
        report(
            counts,
            f"{counts['pictures']:,} faces of {section.side}×{section.side} pixels from {counts['sources']:,} photos; "
            f"{counts['bad']:,} unreadable photos and {counts['filtered']:,} without a face are listed in "
            f"{link(to / 'skipped.parquet')}, as are faces that are too small; the originals were only read; "
            "next: dcgan train-autoencoder",
        )


if __name__ == "__main__":
    app()
