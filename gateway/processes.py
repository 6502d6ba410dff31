"""Child processes that never outlive the gateway."""

import ctypes
import signal
import sys

PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Have the kernel kill this process when the thread that started it is gone, however it went.

    Called in the child. A pool's idle worker would otherwise wait for ever on a queue whose other end
    died; Linux only, elsewhere it does nothing.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
