"""What a bulk job did with each film, in the output folder while it runs; at its end the manifest.

The database keeps how each film ended, a hundred at a time. The journal bridges what lies between: a
line before a set of files is put in place, with the digest of its report, which no other set shares, and
a line after it. A process that dies anywhere leaves enough for the next one to tell whether a film's
set was complete, even where another film of the same patient has taken its place since.
"""

import contextlib
import hashlib
import json
import os
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from gateway.errors import OutputFailed
from gateway.files.errors import PathMissing, PathRefused
from gateway.files.output_folder import OutputFolder, reason, sync_folder
from gateway.files.reading import open_file, read_bounded
from gateway.jobs.items import Outcome

MANIFEST = "bulk_manifest.jsonl"
WORDS = {Outcome.SUCCEEDED: "done", Outcome.SKIPPED: "skipped", Outcome.FAILED: "failed"}
"""How the manifest says how a film ended."""
REMEMBERED = 10_000
"""Lines that are read back: more than can be open when a process dies, however large the folder."""
MAX_REPORT_BYTES = 64 * 2**20
MAX_LINE_BYTES = 2**20
_OUTCOMES = {word: outcome for outcome, word in WORDS.items()}
_FLAGS = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


class Intent(NamedTuple):
    """A set of files that was about to be put in place."""

    folder: str
    report: str
    sha256: str


class Journal:
    """The journal of one job. Everything blocks, may run in any thread, and raises OutputFailed."""

    def __init__(self, folder: OutputFolder, job_id: str) -> None:
        self._folder = folder
        self._name = f".radgate-bulk-{job_id}.jsonl"
        self._writing = threading.Lock()
        self._ended: OrderedDict[int, Outcome] = OrderedDict()
        self._intents: OrderedDict[int, Intent] = OrderedDict()
        self._fd = -1

    def __enter__(self) -> "Journal":
        with _as_output_failed():
            self._fd = os.open(self._name, _FLAGS, 0o666, dir_fd=self._folder.fd)
            self._read_back()
            sync_folder(self._folder.fd)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    def announce(self, number: int, intent: Intent) -> None:
        """Note for good that a film's set is about to be put in place."""
        self._append({"n": number, "intent": intent})
        self.sync()

    def end(self, number: int, line: Mapping[str, Any]) -> None:
        """Note how a film ended, in the words of the manifest."""
        self._append({"n": number, **line})

    def sync(self) -> None:
        """Flush what was noted to the disk."""
        with _as_output_failed():
            os.fdatasync(self._fd)

    def ended(self, number: int) -> Outcome | None:
        """Tell how a film ended if an earlier attempt said so."""
        return self._ended.pop(number, None)

    def completed(self, number: int) -> bool:
        """Tell whether an earlier attempt put this film's set in place and could not say so."""
        intent = self._intents.pop(number, None)
        return intent is not None and self._report_sha256(intent) == intent.sha256

    def keep_as_manifest(self) -> None:
        """Put a manifest in place, one line for each film, instead of the journal."""
        if os.fstat(self._fd).st_size == 0:
            return self.remove()  # an earlier attempt got as far as this, and only its last word was lost
        with _as_output_failed():
            temporary = f"{self._name}.tmp"
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
            fd = os.open(temporary, flags, 0o666, dir_fd=self._folder.fd)
            with open(fd, "wb") as manifest:
                for line in self._once():
                    manifest.write(json.dumps(line).encode() + b"\n")
                manifest.flush()
                os.fsync(fd)
            os.rename(temporary, MANIFEST, src_dir_fd=self._folder.fd, dst_dir_fd=self._folder.fd)
        self.remove()

    def remove(self) -> None:
        """Remove the journal."""
        with _as_output_failed(), contextlib.suppress(FileNotFoundError):
            os.unlink(self._name, dir_fd=self._folder.fd)
            sync_folder(self._folder.fd)

    def _append(self, line: Mapping[str, Any]) -> None:
        text = json.dumps(line).encode() + b"\n"
        with self._writing, _as_output_failed():
            while text:
                text = text[os.write(self._fd, text) :]

    def _read_back(self) -> None:
        if not self._ends_whole():
            os.write(self._fd, b"\n")  # a line that broke off stays one of its own
        for line in self._lines():
            number = line.pop("n")
            if (intent := line.get("intent")) is not None:
                _remember(self._intents, number, Intent(*intent))
            else:
                _remember(self._ended, number, _OUTCOMES[line["outcome"]])

    def _ends_whole(self) -> bool:
        size = os.fstat(self._fd).st_size
        return size == 0 or os.pread(self._fd, 1, size - 1) == b"\n"

    def _lines(self) -> Iterator[dict[str, Any]]:
        with open(os.dup(self._fd), "rb") as journal:
            journal.seek(0)
            while text := journal.readline(MAX_LINE_BYTES):
                with contextlib.suppress(ValueError, TypeError, KeyError):
                    line = json.loads(text)
                    if isinstance(line["n"], int) and (line.get("intent") or line["outcome"] in _OUTCOMES):
                        yield line

    def _once(self) -> Iterator[dict[str, Any]]:
        """Give each film's first ending; a bit each tells which were given."""
        given = bytearray()
        for line in self._lines():
            place, bit = divmod(line.pop("n"), 8)
            given.extend(bytes(max(0, place + 1 - len(given))))
            if "intent" not in line and not given[place] & 1 << bit:
                given[place] |= 1 << bit
                yield line

    def _report_sha256(self, intent: Intent) -> str:
        try:
            with self._folder_below(intent.folder) as fd, open_file(fd, intent.report) as report:
                return hashlib.sha256(read_bounded(report.fd, MAX_REPORT_BYTES)).hexdigest()
        except (OSError, PathMissing, PathRefused):
            return ""

    @contextlib.contextmanager
    def _folder_below(self, name: str) -> Iterator[int]:
        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(name, flags, dir_fd=self._folder.fd)
        try:
            yield fd
        finally:
            os.close(fd)


def _remember(known: OrderedDict[int, Any], number: int, what: Any) -> None:
    known[number] = what
    known.move_to_end(number)
    if len(known) > REMEMBERED:
        known.popitem(last=False)


@contextlib.contextmanager
def _as_output_failed() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputFailed(f"The journal could not be written: {reason(error)}", errno=error.errno) from None
