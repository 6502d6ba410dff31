"""Log lines: time, level, module, request id, message; never patient data."""

import logging

from gateway.web.mount import request_id

FORMAT = "%(asctime)s %(levelname)-7s %(name)s [%(request_id)s] %(message)s"


def configure(level: str) -> None:
    """Send log lines of `level` and above to standard error, each with its request's id."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter(FORMAT))
    handler.addFilter(_with_request_id)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    # aiohttp's access log holds paths and callers; ours is in `web.mount`.
    logging.getLogger("aiohttp.access").disabled = True
    logging.getLogger("aiohttp.server").addFilter(_without_values)
    # A level of DEBUG is for our own lines; these print headers and values.
    for library in ("asyncio", "aiosqlite", "grpc", "pydicom", "PIL"):
        logging.getLogger(library).setLevel(logging.WARNING)


def _with_request_id(record: logging.LogRecord) -> bool:
    record.request_id = request_id.get()[:12]
    return True


def _without_values(record: logging.LogRecord) -> bool:
    """Keep an error's type only: aiohttp quotes the bytes that it could not parse, a token or a path."""
    if record.exc_info and record.exc_info[0]:
        record.msg, record.args = "%s: %s", (record.getMessage(), record.exc_info[0].__name__)
        record.exc_info = record.exc_text = None
    return True
