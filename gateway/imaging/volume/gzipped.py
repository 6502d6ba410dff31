"""Gzip without a time in it, so that equal content gives equal bytes."""

import gzip
from typing import IO

LEVEL = 1
"""Images are mostly noise: higher levels take several times as long for a few percent."""


def gzipped(target: IO[bytes]) -> gzip.GzipFile:
    """Open a compressed stream into a file; closing it leaves the file open."""
    return gzip.GzipFile(filename="", fileobj=target, mode="wb", compresslevel=LEVEL, mtime=0)
