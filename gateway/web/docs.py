"""The APIs' OpenAPI documents, and one page that shows them without asking any other host."""

import html
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

from aiohttp import web

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

STATIC = Path(__file__).parent / "static" / "scalar"
SCALAR = STATIC / "scalar-1.46.4.js"
"""`dist/browser/standalone.js` of npm's @scalar/api-reference, unchanged."""
SCALAR_SHA256 = "81b8d2bdab4a42ab81465386441b9a0f928b68631364360f00e8cce620cc1efb"

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self' 'unsafe-inline'",  # Scalar brings its styles along in its script
        "img-src 'self' data:",
        "font-src 'self' data:",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)

PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>RadGate APIs</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/docs/style.css">
</head>
<body>
<div id="app"></div>
<noscript>
<p>This page needs JavaScript. The documents themselves:</p>
<ul>
{links}
</ul>
</noscript>
<script src="/docs/scalar.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""


def docs_routes(documents: Mapping[str, Path]) -> Sequence[web.RouteDef]:
    """List the routes of the documents and of the page.

    Parameters
    ----------
    documents
        API's name to its OpenAPI document. They are read once, here.

    Returns
    -------
    `/openapi/NAME.json` for each, `/docs` and what that page loads.
    """
    texts = {name: path.read_text(encoding="utf-8") for name, path in documents.items()}
    titles = {name: json.loads(text)["info"]["title"] for name, text in texts.items()}
    api_routes = [
        web.get(f"/openapi/{name}.json", _text(text, "application/json")) for name, text in texts.items()
    ]
    return [
        *api_routes,
        web.get("/docs", _text(_page(titles), "text/html")),
        web.get("/docs/start.js", _text(_start(titles), "text/javascript")),
        web.get("/docs/style.css", _text((STATIC / "style.css").read_text(encoding="utf-8"), "text/css")),
        web.get("/docs/scalar.js", _bundle),
    ]


def _text(text: str, content_type: str) -> Handler:
    async def answer(_: web.Request) -> web.Response:
        headers = {"Content-Security-Policy": CONTENT_SECURITY_POLICY, "Referrer-Policy": "no-referrer"}
        return web.Response(text=text, content_type=content_type, charset="utf-8", headers=headers)

    return answer


async def _bundle(_: web.Request) -> web.StreamResponse:
    headers = {"Content-Type": "text/javascript; charset=utf-8", "Cache-Control": "public, max-age=86400"}
    return web.FileResponse(SCALAR, headers=headers)


def _page(titles: Mapping[str, str]) -> str:
    links = (
        f'<li><a href="/openapi/{name}.json">{html.escape(title)}</a></li>' for name, title in titles.items()
    )
    return PAGE.format(links="\n".join(links))


def _start(titles: Mapping[str, str]) -> str:
    """Give the script that starts Scalar; everything of it that would call its makers is off."""
    configuration = {
        "sources": [
            {"slug": name.replace("_", "-"), "title": title, "url": f"/openapi/{name}.json"}
            for name, title in titles.items()
        ],
        "withDefaultFonts": False,
        "telemetry": False,
        "agent": {"disabled": True},
        "mcp": {"disabled": True},
        "showDeveloperTools": "never",
        "hideClientButton": True,
        "persistAuth": False,
        "documentDownloadType": "json",
        "defaultOpenAllTags": True,
        "defaultHttpClient": {"targetKey": "shell", "clientKey": "curl"},
    }
    return f'Scalar.createApiReference("#app", {json.dumps(configuration)});\n'
