"""Log lines: time, level, module, request id, message; never patient data."""

import logging
import time
from collections.abc import Callable

from gateway.web.mount import request_id

FORMAT = "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"
REPEAT_SECONDS = 10.0
"""How often at most a library says the same thing."""
KNOWN_LINES = 1000
"""How many different ones are remembered."""


def configure(level: str) -> None:
    """Send log lines of `level` and above to standard error, each with its request's id."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.addFilter(_with_request_id)
    # Here it sees the lines of child loggers, too. DBOS says 60 times a second that its database is away.
    handler.addFilter(Repeats("dbos"))
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # aiohttp's access log holds paths and callers; ours is in `web.mount`.
    logging.getLogger("aiohttp.access").disabled = True
    logging.getLogger("aiohttp.server").addFilter(_without_values)
    # A level of DEBUG is for our own lines; these print headers and values.
    for library in ("asyncio", "aiosqlite", "grpc", "pydicom", "PIL"):
        logging.getLogger(library).setLevel(logging.WARNING)


class Repeats:
    """Drops lines of a library that it said a moment ago, and counts them in the next that comes through.

    Parameters
    ----------
    library
        Name of its logger.
    clock
        Seconds, monotonic.
    """

    def __init__(self, library: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._library = library
        self._clock = clock
        self._said: dict[tuple[str, int, str], tuple[float, int]] = {}

    def __call__(self, record: logging.LogRecord) -> bool:
        """Say whether a line is to be written."""
        if record.name.partition(".")[0] != self._library:
            return True
        # What stands in a line besides, such as an address or a time, does not make it another one.
        key = record.name, record.levelno, record.msg[:60] if isinstance(record.msg, str) else ""
        now = self._clock()
        last, dropped = self._said.get(key, (-REPEAT_SECONDS, 0))
        if now - last < REPEAT_SECONDS:
            self._said[key] = last, dropped + 1
            return False
        if len(self._said) >= KNOWN_LINES:
            self._said.clear()
        self._said[key] = now, 0
        if dropped:
            record.msg, record.args = "%s (and %d more like it)", (record.getMessage(), dropped)
        return True


def _with_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()[:12]
    return True


def _without_values(record: logging.LogRecord) -> bool:
    """Keep an error's type only: aiohttp quotes the bytes that it could not parse, a token or a path."""
    if record.exc_info and record.exc_info[0]:
        record.msg, record.args = "%s: %s", (record.getMessage(), record.exc_info[0].__name__)
        record.exc_info = record.exc_text = None
    return True
