"""/_mock/: the console, one page that only calls the admin API. Its files are in page/, as they are sent."""

from pathlib import Path

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from mock_server.base.errors import NotFound

PAGE = Path(__file__).parent / "page"
KINDS = {".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml",
         ".js": "text/javascript; charset=utf-8"}  # fmt: skip
FILES = {file.name: KINDS[file.suffix] for file in sorted(PAGE.iterdir()) if file.suffix in KINDS}
PATHS = frozenset({"/_mock", "/_mock/", *(f"/_mock/page/{name}" for name in FILES)})
HEADERS = {
    "content-security-policy": "default-src 'self'; media-src blob:; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-cache",
}
router = APIRouter(prefix="/_mock", include_in_schema=False)


@router.get("")
async def redirect() -> Response:
    return RedirectResponse("/_mock/", 307)


@router.get("/")
async def get_console() -> Response:
    return _file("index.html")


@router.get("/page/{name}")
async def get_part(name: str) -> Response:
    return _file(name)


def _file(name: str) -> Response:
    """A file of the page. Raises NotFound."""
    if name not in FILES:
        raise NotFound("The console has no such file.")
    return Response((PAGE / name).read_bytes(), headers={**HEADERS, "content-type": FILES[name]})
