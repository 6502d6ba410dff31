"""A wire to PostgreSQL that breaks: before a COMMIT gets through, or before its answer comes back."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from sqlalchemy import make_url


class Wire:
    """Passes bytes on.

    Set `breaks` to `before` or `after` for the next COMMIT; with `for_good`, or `is_down`, nobody gets
    through from then on.
    """

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self.breaks: str | None = None
        self.for_good = False
        self.is_down = False

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.closing(writer):
            if not self.is_down:
                far_reader, far_writer = await asyncio.open_unix_connection(self._socket)
                with contextlib.closing(far_writer):
                    await self._pass(reader, writer, far_reader, far_writer)

    async def _pass(self, reader, writer, far_reader, far_writer) -> None:
        back = asyncio.create_task(_copy(far_reader, writer))
        forth = asyncio.create_task(self._requests(reader, far_writer))
        await asyncio.wait({back, forth}, return_when=asyncio.FIRST_COMPLETED)
        back.cancel()
        forth.cancel()
        await asyncio.gather(back, forth, return_exceptions=True)
        if forth.cancelled() or forth.result() is None:
            return
        far_writer.write(forth.result())
        await far_reader.read(1)  # it is committed now, and nobody will know

    async def _requests(self, reader, far_writer) -> bytes | None:
        """Give what must be passed on without its answer, if anything."""
        while data := await reader.read(65536):
            if self.is_down:
                return None
            if self.breaks and b"COMMIT" in data:
                kept = data if self.breaks == "after" else None
                self.breaks, self.is_down = None, self.for_good
                return kept
            far_writer.write(data)
            await far_writer.drain()
        return None


async def _copy(reader, writer) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


@contextlib.asynccontextmanager
async def wire_to(url: str) -> AsyncIterator[tuple[str, Wire]]:
    """Give a URL that leads through a wire, and the wire."""
    parsed = make_url(url)
    wire = Wire(f"{parsed.query['host']}/.s.PGSQL.{parsed.port or 5432}")
    server = await asyncio.start_server(wire.connected, "127.0.0.1", 0)
    try:
        port = server.sockets[0].getsockname()[1]
        through = parsed.set(host="127.0.0.1", port=port, query={"sslmode": "disable"})
        yield through.render_as_string(hide_password=False), wire
    finally:
        server.close()
