"""Child processes: they never outlive the gateway, and their deaths are seen."""

import ctypes
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it is gone, however it went.

    Called in the child. A pool's idle worker would otherwise wait for ever on a queue whose other end
    died; Linux only, elsewhere it does nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def children_of(pid: int) -> list[int]:
    """Give the process ids of a process's children; none where it has ended or /proc is another system's."""
    try:
        tasks = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for task in tasks for child in (task / "children").read_text().split()]
    except OSError:  # ended meanwhile
        return []


def is_zombie(pid: int, *, named: str) -> bool:
    """Whether a process whose name begins so has died and nobody has asked for its exit code."""
    try:
        # The state follows the command name, which is in parentheses and may hold any character.
        head, _, tail = Path(f"/proc/{pid}/stat").read_text().rpartition(")")
    except OSError:
        return False
    return tail.split()[0] == "Z" and head.partition("(")[2].startswith(named)
