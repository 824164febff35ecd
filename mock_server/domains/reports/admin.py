"""Where a report's download link leads: a path that nobody can guess, open to a browser without a key."""

from fastapi import APIRouter
from starlette.responses import Response

from mock_server.world import WorldDep

router = APIRouter(prefix="/_mock")


@router.get("/reports/{name}")
async def download_report(world: WorldDep, name: str) -> Response:
    """A batch report as CSV."""
    from mock_server.domains.reports import service

    body = service.sheet(world, name.removesuffix(".csv"))
    headers = {"content-disposition": 'attachment; filename="speech_to_text_report.csv"'}
    return Response(body, media_type="text/csv", headers=headers)
