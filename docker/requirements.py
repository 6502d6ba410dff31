"""Print what the project needs in a container: its dependencies without the wheel's Triton.

Usage: python requirements.py pyproject.toml [extra ...]
"""

import re
import sys
from pathlib import Path

import tomllib

EMBEDDED_TRITON = "nvidia-pytriton"


def requirements(pyproject: Path, extras: list[str]) -> list[str]:
    """List the dependencies, and those of some extras."""
    project = tomllib.loads(pyproject.read_text())["project"]
    chosen = [
        *project["dependencies"],
        *(line for e in extras for line in project["optional-dependencies"][e]),
    ]
    return [line for line in chosen if not re.match(rf"{EMBEDDED_TRITON}\b", line)]


if __name__ == "__main__":
    print("\n".join(requirements(Path(sys.argv[1]), sys.argv[2:])))
