"""What a caller prefers of the way it is answered (RFC 7240)."""

from aiohttp import web


def prefers_async(request: web.Request) -> bool:
    """Whether the caller asks for an answer before the work is done."""
    preferences = ",".join(request.headers.getall("Prefer", [])).lower().split(",")
    return any(each.partition(";")[0].strip() == "respond-async" for each in preferences)
