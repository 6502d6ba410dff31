import contextlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

from gateway.files.output_set import OutputSet
from gateway.files.roots import Roots

NOBODY = 65534
MARKER = "P_predictions.json"
NAMES = ("P_source.png", "P_heatmap.png", MARKER, "P_report.pdf")


@pytest.fixture
def open_fds():
    """Tell how many descriptors are open, to find leaks."""
    return lambda: len(os.listdir("/proc/self/fd"))


@pytest.fixture
def public_path():
    """A folder whose parents any user may search, unlike tmp_path's."""
    path = Path(tempfile.mkdtemp(dir="/tmp"))
    path.chmod(0o755)
    yield path
    for folder in [path, *(entry for entry in path.iterdir() if entry.is_dir())]:
        folder.chmod(0o700)  # what a test closed, to be removable by others than root
    shutil.rmtree(path)


@pytest.fixture
def as_nobody():
    """A context in which file permissions count, which they do not for root."""

    @contextlib.contextmanager
    def drop():
        if os.geteuid() != 0:
            yield
            return
        os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(0)

    return drop


@pytest.fixture
def mount(tmp_path):
    """Mount a small filesystem; skips where that is not allowed."""
    mounted = []

    def make(options):
        point = tmp_path / f"mount{len(mounted)}"
        point.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(point)], check=False, capture_output=True
        )
        if done.returncode:
            pytest.skip("may not mount")
        mounted.append(point)
        return point

    yield make
    for point in mounted:
        subprocess.run(["umount", "-l", str(point)], check=True)


@pytest.fixture
def publish():
    """Publish a set of four files that all hold `text`."""

    def run(path, text, name="P", names=NAMES):
        with (
            Roots().open_output_folder(str(path)) as folder,
            OutputSet(folder, name, marker=MARKER) as output,
        ):
            for file in names:
                output.write(file, text.encode())
            output.publish()

    return run


@pytest.fixture
def contents():
    """Give a folder's files as a dict."""
    return lambda path: {file.name: file.read_text() for file in Path(path).iterdir()}
