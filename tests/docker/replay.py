"""Run what a Dockerfile runs, without an engine: each stage in a folder of its own, its Python a clean venv.

    python -m tests.docker.replay docker/gateway.Dockerfile FOLDER

A RUN's commands come one after the other, and paths below the root stand for paths below the stage's folder.
What needs another machine is named and left out: making users, giving files away, packages of the system
other than to ask whether they exist.
"""

import itertools
import os
import re
import shlex
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PROGRAMS = ("python", "python3", "pip")
SECONDS = 1800


class Step(NamedTuple):
    """One command of a RUN; `skipped` says why it was not run, and is empty where it was."""

    stage: str
    command: str
    skipped: str


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Give a Dockerfile's instructions and what follows them, lines joined and comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, rest = line.strip().partition(" ")
            yield name.upper(), rest.strip()


def commands(run: str) -> list[str]:
    """Split a RUN at its `&&`."""
    return [each.strip() for each in run.split("&&")]


def reason_to_skip(command: str) -> str:
    """Say what a command needs that is not here; nothing where it can be run."""
    words = shlex.split(command)
    if words[0] in ("useradd", "groupadd", "adduser", "chown"):
        return "makes or names a user of the image"
    if words[0] == "install" and any(not owner.isdigit() for owner in _after(words, ("-o", "-g"))):
        return "gives a folder to a user of the image"
    if words[0] == "install" and os.geteuid() != 0 and _after(words, ("-o", "-g")):
        return "gives a folder away, which is root's to do"
    if words[0] in ("install", "rm", "mkdir", "apt-get") or words[0].rpartition("/")[2] in PROGRAMS:
        return ""
    return "is not known to this script"


class Stage:
    """One FROM and what follows it, laid out in a folder."""

    def __init__(self, name: str, root: Path) -> None:
        self.name = name
        self.root = root
        self.environment: dict[str, str] = {}
        self._folder = "/"
        self._venv = root.with_name(f"{root.name}.python")
        root.mkdir(parents=True)

    def work_in(self, path: str) -> None:
        self._folder = path
        self._place(path).mkdir(parents=True, exist_ok=True)

    def set(self, text: str) -> None:
        for word in shlex.split(text):
            name, _, value = word.partition("=")
            self.environment[name] = value

    def copy(self, words: list[str], source: Path) -> None:
        """Copy from the build's context or another stage, folders with what is in them."""
        *names, target = words
        for name in names:
            found = source / name.lstrip("/")
            place = self._place(target)
            if found.is_dir():
                shutil.copytree(found, place, symlinks=True, dirs_exist_ok=True)
            else:
                place = place / found.name if target.endswith("/") else place
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(found, place)

    def run(self, command: str) -> Step:
        """Run one command; fails as the build would."""
        skipped = reason_to_skip(command)
        if not skipped:
            if shlex.split(command)[0] == "apt-get":
                self._require_packages(shlex.split(command))
            else:
                subprocess.run(
                    ["/bin/sh", "-ec", self._below_root(command)],
                    cwd=self._place(self._folder),
                    env=self._variables(),
                    check=True,
                    timeout=SECONDS,
                )
        return Step(self.name, command, skipped)

    def _require_packages(self, words: list[str]) -> None:
        if "install" in words:
            for package in [each for each in words[words.index("install") + 1 :] if each[0] != "-"]:
                subprocess.run(["apt-cache", "show", package], check=True, stdout=subprocess.DEVNULL)

    def _variables(self) -> dict[str, str]:
        if not self._venv.exists():
            venv.create(self._venv, with_pip=True, symlinks=True)
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("RADGATE_", "PYTHON"))
        }
        kept.pop("VIRTUAL_ENV", None)
        # The image's PATH names what is below its root; ours comes after.
        ours = {name: self._below_root(value) for name, value in self.environment.items() if name != "PATH"}
        return {**kept, **ours, "PATH": f"{self._venv / 'bin'}:{os.environ['PATH']}"}

    def _place(self, path: str) -> Path:
        return self.root / os.path.normpath(os.path.join(self._folder, path)).lstrip("/")

    def _below_root(self, command: str) -> str:
        return re.sub(r"(?<![\w./:-])/(?=\w)", f"{self.root}/", command)


def replay(dockerfile: Path, folder: Path, *, context: Path = ROOT) -> list[Step]:
    """Replay a Dockerfile in an empty folder; gives its steps, those too that were left out.

    Raises
    ------
    subprocess.CalledProcessError
        A step failed.
    """
    stages: list[Stage] = []
    steps = []
    for name, rest in instructions(dockerfile.read_text()):
        if name == "FROM":
            words = rest.split()
            title = words[2] if len(words) == 3 else str(len(stages))
            stages.append(Stage(title, folder / title))
            continue
        stage = stages[-1]
        if name == "WORKDIR":
            stage.work_in(rest)
        elif name in ("ENV", "ARG"):
            stage.set(rest)
        elif name == "COPY":
            words = rest.split()
            origin = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else ""
            stage.copy(words, {each.name: each.root for each in stages}[origin] if origin else context)
        elif name == "RUN":
            steps += [stage.run(command) for command in commands(rest)]
    return steps


def _after(words: list[str], options: tuple[str, ...]) -> list[str]:
    return [value for option, value in itertools.pairwise(words) if option in options]


if __name__ == "__main__":
    for step in replay(Path(sys.argv[1]), Path(sys.argv[2])):
        print(
            f"{step.stage}: {step.command}"
            + (f"\n    not replayed: it {step.skipped}" if step.skipped else "")
        )
