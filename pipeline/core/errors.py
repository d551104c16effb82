"""Every error that a user can cause, in one tree.

    PipelineError
    ├── BadParameters      a key, type or value in a parameter file, or an option, is wrong
    ├── MissingInput       a file, folder or archive is not there
    ├── CorruptData        a file has not the content that it must have
    │   └── ChecksumMismatch   its size or digest is not the expected one
    ├── DownloadFailed     the server, the network or the disk failed
    ├── Busy               another process holds the lock of the same output
    ├── Unsupported        the family of a model does not offer what a command needs
    └── TrainingDiverged   a loss is no longer a finite number

A message names the option or file, what was found, what was expected and the next step. The commands print it as one
line and exit with status 1.
"""


class PipelineError(Exception):
    """Base class of all errors whose message is meant for the user."""


class BadParameters(PipelineError):
    """A parameter file or an option has an unknown, missing or ill-typed value."""


class MissingInput(PipelineError):
    """A file, folder or archive that the work needs is not there."""


class CorruptData(PipelineError):
    """A file has not the content that it must have."""


class ChecksumMismatch(CorruptData):
    """A file's size or digest differs from the expected one."""


class DownloadFailed(PipelineError):
    """A transfer failed; the bytes received are kept for the next try."""


class Busy(PipelineError):
    """Another process holds the lock of the same output and did not finish in time."""


class Unsupported(PipelineError):
    """A model is of a family that does not offer what the command needs."""


class TrainingDiverged(PipelineError):
    """A loss is no longer finite; the last good checkpoint is kept."""
