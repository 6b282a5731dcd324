"""The API page: Swagger UI from a package, so that it works without the internet."""

from html import escape
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.response import Redirect
from swagger_ui_bundle import swagger_ui_path

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""The browser fetches nothing from elsewhere, whatever a script may ask for."""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/schema/assets/swagger-ui.css">
<link rel="stylesheet" href="/schema/assets/page.css">
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript; the document it shows is <a href="/schema/openapi.json">here</a>.</noscript>
<script src="/schema/assets/swagger-ui-bundle.js"></script>
<script src="/schema/assets/page.js"></script>
</body>
</html>
"""
SCRIPT = """SwaggerUIBundle({
  url: "/schema/openapi.json",
  dom_id: "#page",
  deepLinking: true,
  validatorUrl: null,
  defaultModelsExpandDepth: 0,
  displayRequestDuration: true
});
"""
STYLE = """body { margin: 0; background: #fff; }
.swagger-ui .info { margin: 24px 0; }
.swagger-ui .info .title small.version-stamp, .swagger-ui .info hgroup.main a { display: none; }
.swagger-ui .scheme-container { margin: 0; padding: 12px 0; box-shadow: none; border-bottom: 1px solid #e0e0e0; }
.swagger-ui .scheme-container .schemes > .schemes-server-container { display: none; }
"""
OURS = {"page.js": (SCRIPT, "text/javascript"), "page.css": (STYLE, "text/css")}
THEIRS = {"swagger-ui-bundle.js": "text/javascript", "swagger-ui.css": "text/css"}


class Page(OpenAPIRenderPlugin):
    """The page at /schema."""

    def __init__(self) -> None:
        super().__init__(path="/")

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        return PAGE.format(policy=POLICY, title=escape(openapi_schema["info"]["title"])).encode()


@get("/schema/assets/{name:str}", include_in_schema=False, sync_to_thread=True)
def asset(name: str) -> Response[bytes]:
    """A script or style of the page."""
    if name in OURS:
        text, media_type = OURS[name]
        return Response(text.encode(), media_type=media_type)
    if name not in THEIRS:
        raise NotFoundException
    data = (swagger_ui_path / name).read_bytes()
    return Response(data, media_type=THEIRS[name], headers={"Cache-Control": "max-age=86400"})


@get("/", opt={"public": True}, include_in_schema=False)
async def root() -> Redirect:
    """Who comes without a path wants to read."""
    return Redirect("/schema")


ROUTES = [asset, root]
