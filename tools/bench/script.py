"""The plain sequential script, as a process that takes work."""

import contextlib
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from gateway.settings import Settings


@contextlib.contextmanager
def running_script() -> Iterator["subprocess.Popen[str]"]:
    """Start the script, which waits for work."""
    model = Settings().model_repository / "chest_xray_classifier" / "1" / "model.onnx"
    command = [sys.executable, "-m", "tools.bench.plain_script", str(model)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def script_rate(script: "subprocess.Popen[str]", films: Sequence[Path], output: Path) -> float:
    """Let it assess films; gives films per second."""
    work = [[str(film), str(output / f"BENCH-{number:04}")] for number, film in enumerate(films)]
    assert script.stdin is not None and script.stdout is not None
    script.stdin.write(json.dumps(work) + "\n")
    script.stdin.flush()
    return len(films) / float(script.stdout.readline())
