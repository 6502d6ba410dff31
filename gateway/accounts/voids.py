"""Charges that must not stand, kept on disk until the database is told."""

import hashlib
import json
import logging
import os
import secrets
from dataclasses import asdict, dataclass
from pathlib import Path

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class VoidOrder:
    """An event whose caller was told that it costs nothing, while it may be in the database as charged."""

    event_id: str
    account: str
    key_id: str
    endpoint: str
    call_type: str
    model_version: str
    request_id: str
    idempotency_place: tuple[str, str] | None  # route, SHA-256 of the key


class VoidSpool:
    """A folder with a file for each order; several processes may share it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def put(self, order: VoidOrder) -> None:
        """Keep an order; it survives the loss of power once this returns."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        target = self._file(order)
        draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
        fd = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "w") as opened:
            json.dump(asdict(order), opened)
            opened.flush()
            os.fsync(fd)
        os.replace(draft, target)
        _flush(self._folder)
        _flush(self._folder.parent)

    def orders(self) -> list[VoidOrder]:
        """Read all orders that are kept."""
        if not self._folder.is_dir():
            return []
        found = (_read(file) for file in sorted(self._folder.glob("[0-9a-f]*.json")))
        return [order for order in found if order is not None]

    def done(self, order: VoidOrder) -> None:
        """Forget an order that the database has taken."""
        self._file(order).unlink(missing_ok=True)

    def _file(self, order: VoidOrder) -> Path:
        return self._folder / f"{hashlib.sha256(order.event_id.encode()).hexdigest()}.json"


def _flush(folder: Path) -> None:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _read(file: Path) -> VoidOrder | None:
    try:
        fields = json.loads(file.read_text())
    except FileNotFoundError:  # done by another process
        return None
    except ValueError:  # nothing of ours is half written: somebody else's
        logger.error("%s is no void order", file)
        return None
    place = fields.pop("idempotency_place")
    return VoidOrder(**fields, idempotency_place=tuple(place) if place else None)
