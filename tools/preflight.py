"""What the machine must have before anything is installed; runs on any Python 3, standard library only."""

import ctypes
import os
import platform
import shutil
import sys
import sysconfig

NEEDED_DISK_BYTES = 2 * 2**30
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
LIBPYTHON = f"libpython{VERSION}.so.1.0"


def problems() -> "list[str]":
    """List what is missing, a sentence each with its mend."""
    found = []
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        found.append(f"Python 3.10 to 3.13 is needed, this is {VERSION}: run make PYTHON=/path/to/python3.11")
    if not os.environ.get("RADGATE_TRITON_URL"):
        found += _triton_problems()
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError:
        found.append(f"Python's venv module is missing: install Debian's python{VERSION}-venv")
    if shutil.disk_usage(os.getcwd()).free < NEEDED_DISK_BYTES:
        found.append("less than 2 GB of disk are free here")
    return found


def _triton_problems() -> "list[str]":
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ("x86_64", "AMD64"):
        return [
            f"the embedded Triton runs on Linux x86-64 only, this is {system} {machine}: "
            "run an external Triton and set RADGATE_TRITON_URL"
        ]
    if not _has_libpython():
        return [
            f"Triton's Python backend needs the shared library {LIBPYTHON}: "
            f"install Debian's libpython{VERSION}, or build Python with --enable-shared"
        ]
    return []


def _has_libpython() -> bool:
    if os.path.exists(os.path.join(sysconfig.get_config_var("LIBDIR") or "", LIBPYTHON)):
        return True
    try:
        ctypes.CDLL(LIBPYTHON)
    except OSError:
        return False
    return True


if __name__ == "__main__":
    found_problems = problems()
    for problem in found_problems:
        print(f"radgate: {problem}", file=sys.stderr)
    sys.exit(1 if found_problems else 0)
