"""Every error that a user can cause or meet, in one tree.

    PipelineError
    ├── BadParameters      a key, type or value in a parameter file, or an option, is wrong
    ├── MissingInput       a file, folder or archive is not there
    ├── CorruptData        a file is there but does not hold what it must
    │   └── ChecksumMismatch   its size or digest is not the expected one
    ├── DownloadFailed     the other side, the network or the disk gave up
    ├── Busy               another process is working on the same output
    ├── Unsupported        a model's family does not offer what a command needs
    └── TrainingDiverged   a loss is no longer a finite number

A message says which option or file, what was found against what was expected, and what to do next; the commands print
it as one line and exit with status 1.
"""


class PipelineError(Exception):
    """Base of every error with a message meant for the user."""


class BadParameters(PipelineError):
    """A parameter file or an option has an unknown, missing or ill-typed value."""


class MissingInput(PipelineError):
    """A file, folder or archive that the work needs is not there."""


class CorruptData(PipelineError):
    """A file is there, but does not hold what it must."""


class ChecksumMismatch(CorruptData):
    """A file's size or digest differs from the expected one."""


class DownloadFailed(PipelineError):
    """A transfer could not be completed; what arrived is kept for the next try."""


class Busy(PipelineError):
    """Another process holds the same output and did not finish in time."""


class Unsupported(PipelineError):
    """A model is of a family that does not offer what the command needs."""


class TrainingDiverged(PipelineError):
    """A loss is no longer finite; the last good checkpoint is kept."""
