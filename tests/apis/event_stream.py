"""A strict reader of event streams, by the algorithm of the WHATWG.

https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
"""

import codecs
import json
from collections.abc import Iterator
from typing import Any, NamedTuple


class Message(NamedTuple):
    """An event as a browser dispatches it."""

    event: str
    data: str
    last_event_id: str

    @property
    def json(self) -> Any:
        return json.loads(self.data)


class EventStream:
    """Takes bytes as they come; gives messages as they are complete.

    Attributes
    ----------
    comments
        Lines that begin with a colon, without it.
    unknown
        Lines that a browser would ignore: there should be none.
    """

    def __init__(self) -> None:
        self.comments: list[str] = []
        self.unknown: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("strict")
        self._text = ""
        self._is_first = True
        self._event, self._data, self._id = "", [], ""

    def feed(self, chunk: bytes) -> Iterator[Message]:
        self._text += self._decoder.decode(chunk)
        if self._is_first and self._text:
            self._is_first = False
            self._text = self._text.removeprefix("\ufeff")
        while (line := self._next_line()) is not None:
            if line == "":
                yield from self._dispatch()
            else:
                self._field(line)

    @property
    def rest(self) -> str:
        """What has come of an event that is not complete."""
        return self._text + self._event + "".join(self._data)

    def _next_line(self) -> str | None:
        for position, character in enumerate(self._text):
            if character == "\n":
                line, self._text = self._text[:position], self._text[position + 1 :]
                return line
            if character == "\r":
                if position + 1 == len(self._text):
                    return None  # a line feed may follow
                end = position + (2 if self._text[position + 1] == "\n" else 1)
                line, self._text = self._text[:position], self._text[end:]
                return line
        return None

    def _field(self, line: str) -> None:
        name, colon, value = line.partition(":")
        value = value.removeprefix(" ")
        if colon and not name:
            self.comments.append(line[1:])
        elif name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name != "retry" or not value.isdigit():
            self.unknown.append(line)

    def _dispatch(self) -> Iterator[Message]:
        event, data = self._event, self._data
        self._event, self._data = "", []
        if data:
            yield Message(event or "message", "\n".join(data), self._id)


def messages(content: bytes) -> list[Message]:
    """Read a whole stream, in which nothing may be left over or unknown."""
    stream = EventStream()
    found = list(stream.feed(content))
    assert not stream.rest
    assert not stream.unknown
    return found
