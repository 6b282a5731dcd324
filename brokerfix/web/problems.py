"""What goes wrong, as application/problem+json (RFC 9457)."""

import logging
from collections.abc import Callable
from typing import Any

from litestar import Request, Response
from litestar.exceptions import HTTPException

from brokerfix.doors.model import Order, Problem
from brokerfix.doors.waiting import RequestRefused, Unavailable
from brokerfix.web.door import PROBLEM

log = logging.getLogger("brokerfix.http")


def _problem(status: int, detail: str, order: Order | None = None, headers: Any = None) -> Response[Problem]:
    titles = {400: "Bad request", 401: "Unauthorized", 403: "Forbidden", 404: "Not found", 405: "Method not allowed",
              409: "Conflict", 413: "Too large", 422: "RequestRefused", 429: "Too many requests",
              503: "Unavailable"}  # fmt: skip
    problem = Problem(titles.get(status, "Error"), status, detail, order=order)
    return Response(problem, status_code=status, media_type=PROBLEM, headers=headers)


def _http_problem(request: Request[Any, Any, Any], error: HTTPException) -> Response[Problem]:
    extra: Any = error.extra
    order = extra.get("order") if isinstance(extra, dict) else None
    detail = error.detail
    if isinstance(extra, list):
        detail += ": " + "; ".join(f"{one.get('key', '')} {one.get('message', '')}".strip() for one in extra)
    headers = dict(error.headers or {})
    if error.status_code == 401:
        headers["WWW-Authenticate"] = "Bearer"
    return _problem(error.status_code, detail, order, headers)


def _bug(request: Request[Any, Any, Any], error: Exception) -> Response[Problem]:
    log.exception("a request could not be answered: %s %s", request.method, request.url.path)
    return _problem(500, "this request could not be answered; the operator has been told")


HANDLERS: dict[type[Exception], Callable[..., Response[Problem]]] = {
    RequestRefused: lambda request, error: _problem(error.status, str(error) or "refused", error.order),
    UnicodeDecodeError: lambda request, error: _problem(400, "the body is no UTF-8"),
    Unavailable: lambda request, error: _problem(503, str(error), headers={"Retry-After": "1"}),
    HTTPException: _http_problem,
    Exception: _bug,
}
