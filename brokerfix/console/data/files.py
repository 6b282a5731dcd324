"""Files to download: reports of a day, and rules of engagement. Who has fetched which report is on record."""

from fastapi import FastAPI, HTTPException, Request, Response
from fastapi.responses import PlainTextResponse

from brokerfix.access.people import Person
from brokerfix.access.roles import Kind, may_read
from brokerfix.console.desk import Desk, Refused
from brokerfix.console.reports import is_known
from brokerfix.settings.sections import COMP_ID

TYPES = {"csv": "text/csv", "json": "application/json", "html": "text/html", "md": "text/markdown"}
RULES_SECONDS = 300.0


def add(app: FastAPI, desk: Desk) -> None:
    """The routes /data/reports and /data/rules."""

    @app.get("/data/reports/{name}", include_in_schema=False)
    async def report(request: Request, name: str, day: str, form: str = "") -> Response:
        """A report of a day, as one file or several in a ZIP."""
        person: Person = request.scope["person"]
        if not is_known(name, day, form):
            raise HTTPException(404, "there is no such report")
        try:
            await desk.note_read(person, Kind.REPORTS, f"{name} of {day}")
            data = await desk.reports.get(name, day, form)
        except Refused as error:
            return PlainTextResponse(f"{error}\n", 422 if may_read(person.role, Kind.REPORTS) else 403)
        return attached(data, f"{desk.config.broker.name}-{name}-{day}.{form or 'zip'}")

    @app.get("/data/rules/{client}", include_in_schema=False)
    async def rules(client: str, form: str = "html") -> Response:
        """The rules of engagement for a client."""
        if form not in ("html", "md") or not COMP_ID.fullmatch(client) or client not in desk.config.clients:
            raise HTTPException(404, "there is no such client")
        words = ("rules", client, "--format", form, "--config", f"{desk.config.path}")
        try:
            told = await desk.told.ask(*words, seconds=RULES_SECONDS)
        except Refused as error:
            return PlainTextResponse(f"{error}\n", 422)
        return attached(told.output, f"{desk.config.broker.name}-rules-{client}.{form}")


def attached(data: bytes, name: str) -> Response:
    """A file that a browser keeps, and never shows as a page of ours."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(data, media_type=TYPES.get(name.rpartition(".")[2], "application/zip"), headers=headers)
