"""What can be wrong with a path from outside; the texts never hold the path itself."""

from gateway.errors import InvalidRequest


class PathRefused(InvalidRequest):
    """The path is malformed, leaves the roots, is not readable by us, or is no plain file of its own."""


class PathUnreadable(PathRefused):
    """The path is fine and the permissions are not."""


class PathMissing(InvalidRequest):
    """Nothing is there, or a directory is where a file was asked for (or the other way round)."""


class FileTooLarge(InvalidRequest):
    """The file holds more than the caller is willing to read."""
