"""The way out to peers, put together from the settings."""

from gateway.outbound.client import Outbound
from gateway.outbound.limits import Limits
from gateway.outbound.peers import load_peers
from gateway.settings import Settings


def outbound_of(settings: Settings) -> Outbound:
    """Build the way out to the peers of the allow-list; an asynchronous context.

    Raises
    ------
    OSError
        The list is not there or is none.
    """
    try:
        peers = load_peers(settings.peers_file)
    except ValueError as error:
        raise OSError(f"RADGATE_PEERS_FILE: {error}") from None
    limits = Limits(
        max_bytes=settings.peer_max_bytes,
        max_parts=settings.peer_max_instances,
        total_seconds=settings.peer_timeout_seconds,
    )
    return Outbound(peers, limits=limits)
