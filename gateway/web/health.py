"""The admin port: is it alive, is it ready, what does it count."""

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.web.mount import without_server


def admin_application(readiness: Callable[[], dict[str, bool]]) -> web.Application:
    """Build the application of the admin port.

    Parameters
    ----------
    readiness
        Pipeline name to whether its last canary came back.
    """

    async def live(_: web.Request) -> web.Response:
        return web.json_response({"status": "live"})

    async def ready(_: web.Request) -> web.Response:
        pipelines = readiness()
        all_ready = bool(pipelines) and all(pipelines.values())
        body = {"status": "ready" if all_ready else "not ready", "pipelines": pipelines}
        return web.json_response(body, status=200 if all_ready else 503)

    async def metrics(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.on_response_prepare.append(without_server)
    app.add_routes([web.get("/live", live), web.get("/ready", ready), web.get("/metrics", metrics)])
    return app
