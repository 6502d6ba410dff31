"""Run one instance: read the settings, serve until told to stop."""

import asyncio
import resource
import sys

from pydantic import ValidationError

from gateway import logs
from gateway.accounts.secrets import SecretRefused
from gateway.app import serve
from gateway.settings import Settings, faults
from gateway.triton.installation import TritonNotInstalled


def main() -> int:
    """Serve; 0 after a stop that was asked for, 2 when the settings or the machine do not allow it."""
    try:
        settings = Settings()
    except ValidationError as error:
        for fault in faults(error):
            print(f"radgate: {fault}", file=sys.stderr)
        return 2
    logs.configure(settings.log_level)
    _allow_open_files()
    try:
        asyncio.run(serve(settings))
    except (TritonNotInstalled, SecretRefused, OSError) as error:
        print(f"radgate: {error}", file=sys.stderr)
        return 2
    return 0


def _allow_open_files() -> None:
    """Let every waiting request hold its film's descriptor: the usual soft limit is 1024."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))


if __name__ == "__main__":
    sys.exit(main())
