"""What /proc says about a tree of processes."""

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """One process; the start time tells it from a later one with the same number."""

    pid: int
    started: str

    @property
    def command(self) -> str:
        try:
            return (
                Path(f"/proc/{self.pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            )
        except OSError:
            return ""

    @property
    def is_alive(self) -> bool:
        """Whether it runs; a zombie does not."""
        stat = _stat(self.pid)
        return stat is not None and stat[19] == self.started and stat[0] != "Z"

    def kill(self, number: int = signal.SIGKILL) -> None:
        os.kill(self.pid, number)


def _stat(pid: int) -> list[str] | None:
    """Fields of /proc/PID/stat from the third, the state, on."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None


def process(pid: int) -> Process:
    stat = _stat(pid)
    assert stat is not None, f"process {pid} is gone"
    return Process(pid, stat[19])


def tree(root: int) -> list[Process]:
    """A process and all that descend from it, zombies left out."""
    children: dict[int, list[Process]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        stat = _stat(int(entry.name))
        if stat is not None and stat[0] != "Z":
            children.setdefault(int(stat[1]), []).append(Process(int(entry.name), stat[19]))
    return [process(root), *_below(root, children)]


def _below(root: int, children: dict[int, list[Process]]) -> Iterator[Process]:
    for child in children.get(root, []):
        yield child
        yield from _below(child.pid, children)


def pss_bytes(processes: Iterable[Process]) -> int:
    """Memory of processes together, shared pages counted once."""
    return sum(_pss(each.pid) for each in processes)


def _pss(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:  # ended meanwhile
        return 0
    return next((1024 * int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)


def wait_until(condition: Callable[[], object], seconds: float, what: str, *, every: float = 0.05) -> float:
    """Wait for something to come true; gives the seconds that it took."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, f"not within {seconds:g} s: {what}"
        time.sleep(every)
    return time.monotonic() - started


def wait_until_gone(processes: Iterable[Process], seconds: float) -> float:
    """Wait for all to end; gives the seconds that it took."""
    try:
        return wait_until(lambda: not any(each.is_alive for each in processes), seconds, "all end")
    except AssertionError as error:
        left = [each.command for each in processes if each.is_alive]
        raise AssertionError(f"{error}: {left}") from None


def listeners(pid: int) -> set[tuple[str, int]]:
    """Address (hexadecimal, as the kernel writes it) and port that a process listens on."""
    sockets = set()
    for link in Path(f"/proc/{pid}/fd").iterdir():
        try:
            sockets.add(os.readlink(link))
        except OSError:  # closed meanwhile
            continue
    found = set()
    for table in ("tcp", "tcp6"):
        path = Path(f"/proc/{pid}/net/{table}")
        for line in path.read_text().splitlines()[1:] if path.exists() else ():
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                address, port = fields[1].rsplit(":", 1)
                found.add((address, int(port, 16)))
    return found
