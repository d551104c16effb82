"""The classes of all errors that a user can cause.

    PipelineError
    ├── BadParameters      a key, type or value in a parameter file, or an option, is wrong
    ├── MissingInput       a file, folder or archive does not exist
    ├── CorruptData        the content of a file is not valid
    │   └── ChecksumMismatch   size or digest of a file is not the expected one
    ├── DownloadFailed     the server, the network or the disk failed
    ├── Busy               another process holds the lock of the same output
    ├── Unsupported        a model family (such as dcgan) lacks what a command needs
    └── TrainingDiverged   a loss is no longer a finite number

A message gives the option or file, what was found, what was expected and the next step. The commands print it as one
line and exit with status 1.
"""


class PipelineError(Exception):
    """Base class of all errors whose message is meant for the user."""


class BadParameters(PipelineError):
    """A parameter file or an option has an unknown, missing or ill-typed value."""


class MissingInput(PipelineError):
    """A file, folder or archive that the work needs does not exist."""


class CorruptData(PipelineError):
    """The content of a file is not valid."""


class ChecksumMismatch(CorruptData):
    """A file's size or digest differs from the expected one."""


class DownloadFailed(PipelineError):
    """A transfer failed; the received bytes are kept for the next attempt."""


class Busy(PipelineError):
    """Another process holds the lock of the same output and did not finish in time."""


class Unsupported(PipelineError):
    """The family of a model lacks what the command needs."""


class TrainingDiverged(PipelineError):
    """A loss is no longer finite; the last good checkpoint is kept."""
