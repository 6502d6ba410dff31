"""Calls of `tools.models.worker`, and what became of a process that did not come to its end."""

import json
import signal
import subprocess
import sys
from typing import Any

from gateway.triton.networks.engine import EngineUnfit

TARGET_SECONDS = 120.0


def ask(work: str, order: dict[str, Any] | None = None, *, timeout_seconds: float) -> dict[str, Any]:
    """Have a process of its own do one thing.

    Raises
    ------
    EngineUnfit
        It could not, died or took too long; the message says which.
    """
    try:
        ended = subprocess.run(
            [sys.executable, "-m", "tools.models.worker", work],
            input=json.dumps(order),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout_seconds,
        )
    except subprocess.TimeoutExpired as error:
        raise EngineUnfit(f"it did not end within {timeout_seconds:g} s") from error
    last = (ended.stderr.strip().splitlines() or ["it does not say why"])[-1]
    if ended.returncode < 0:
        raise EngineUnfit(f"its process was ended by {signal.Signals(-ended.returncode).name}: {last}")
    if ended.returncode:
        raise EngineUnfit(last)
    # Libraries print, too; the answer is the last line.
    answer: dict[str, Any] = json.loads(ended.stdout.strip().splitlines()[-1])
    return answer
