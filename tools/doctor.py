"""Check the machine, the settings and the running instance, each with what to do about it."""

import errno
import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from gateway.accounts.secrets import SecretRefused
from gateway.apis.chest_xray import token_verifier
from gateway.settings import Settings, faults
from gateway.triton.installation import Installation, TritonNotInstalled
from tools.models.health import gpu_findings
from tools.preflight import problems


class Check(NamedTuple):
    """One thing looked at."""

    name: str
    ok: bool
    detail: str


def doctor(*, as_json: bool) -> int:
    """Print every check; 0 when all are well, 1 otherwise."""
    checks = list(_checks())
    if as_json:
        print(json.dumps([check._asdict() for check in checks], indent=2))
    else:
        for check in checks:
            mark = "[green]ok[/green]  " if check.ok else "[red]fail[/red]"
            Console().print(f"{mark} {check.name}: {escape(check.detail)}")
    return int(not all(check.ok for check in checks))


def _checks() -> Iterator[Check]:
    found = problems()
    yield Check("machine", not found, "; ".join(found) or "Python, libpython and disk are as needed")
    try:
        settings = Settings()
    except ValidationError as error:
        yield Check("settings", False, "; ".join(faults(error)))
        return
    yield Check("settings", True, f"data in {settings.data_dir.resolve()}")
    if not settings.triton_url:
        yield _check("embedded Triton", lambda: f"found {Installation.find().server}")
    yield _check("models", lambda: _models(settings))
    yield from (Check(*finding) for finding in gpu_findings(settings))
    yield _check("token secret", lambda: _secret(settings))
    is_running = _answers(settings, "/live")
    yield Check("instance", True, "running" if is_running else "not running")
    if is_running:
        ready = _answers(settings, "/ready")
        yield Check("pipelines", ready, "every canary comes back" if ready else "a canary did not come back")
    else:
        yield from _ports(settings)


def _check(name: str, look: Callable[[], str]) -> Check:
    try:
        return Check(name, True, look())
    except (TritonNotInstalled, SecretRefused, OSError) as error:
        return Check(name, False, str(error))


def _models(settings: Settings) -> str:
    models = sorted(folder.name for folder in settings.model_repository.iterdir() if folder.is_dir())
    if not models:
        raise FileNotFoundError(f"no model in {settings.model_repository}")
    return ", ".join(models)


def _secret(settings: Settings) -> str:
    if not settings.secret_file.exists() and not settings.jwt_secret.get_secret_value():
        return "will be made on the first start"
    token_verifier(settings)
    return "present, and closed to others"


def _answers(settings: Settings, path: str) -> bool:
    url = f"http://{settings.admin_host}:{settings.admin_port}{path}"
    try:
        with urllib.request.urlopen(url, timeout=3) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _ports(settings: Settings) -> Iterator[Check]:
    hosts = {
        "port": settings.host,
        "chest_xray_port": settings.host,
        "acr_port": settings.host,
        "maisi_port": settings.host,
        "admin_port": settings.admin_host,
    }
    if not settings.triton_url:
        hosts |= {"triton_grpc_port": "127.0.0.1", "triton_metrics_port": "127.0.0.1"}
    taken = [name for name, host in hosts.items() if _is_taken(host, getattr(settings, name))]
    mend = ", ".join(f"{getattr(settings, name)} (RADGATE_{name.upper()})" for name in taken)
    yield Check("ports", not taken, f"taken by another program: {mend}" if taken else "all free")


def _is_taken(host: str, port: int) -> bool:
    found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    return any(_refuses(family, address) for family, _, _, _, address in found)


def _refuses(family: int, address: Any) -> bool:
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
        except OSError as error:
            # A name's other addresses may be ones that this machine does not have.
            return error.errno in (errno.EADDRINUSE, errno.EACCES)
    return False
