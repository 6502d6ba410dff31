"""The Orthanc of the tests, which skip without it."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tools.orthanc import AUTH_ID, PASSWORD, USER, NotInstalled, Orthanc
from tools.orthanc import running_orthanc as running

__all__ = ["AUTH_ID", "PASSWORD", "USER", "Orthanc", "running_orthanc"]


@contextlib.contextmanager
def running_orthanc(folder: Path, **options: Any) -> Iterator[Orthanc]:
    """Run a server of one's own."""
    with contextlib.ExitStack() as stack:
        try:
            server = stack.enter_context(running(folder, **options))
        except NotInstalled as error:
            pytest.skip(str(error))
        yield server
