"""Pages: the newest first, what the session has told laid over what the database knows. A page goes on below the number
of the last one told, so that nothing is told twice or left out while orders come in."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlencode

from litestar import Request, Response
from litestar.datastructures import ResponseHeader
from litestar.exceptions import HTTPException
from litestar.params import QueryParameter
from sortedcontainers import SortedDict

from brokerfix.domain import id_number
from brokerfix.doors.archive import Archive, Wanted
from brokerfix.doors.desk import Caller
from brokerfix.doors.model import Account, Symbol
from brokerfix.doors.strategies import fix_time
from brokerfix.doors.terms import iso
from brokerfix.web.door import door_of

T = TypeVar("T")

Symbols = Annotated[list[Symbol] | None, QueryParameter(name="symbol", description="Of this symbol, or these")]
SideFilter = Annotated[Literal["buy", "sell"] | None, QueryParameter(name="side", description="Of this side")]
Accounts = Annotated[list[Account] | None, QueryParameter(name="account", description="Of this account, or these")]
MOMENT = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,6})?(Z|[+-][0-9]{2}:[0-9]{2})?)?(?!\n)$"
After = Annotated[
    str | None, QueryParameter(name="after", pattern=MOMENT, description="Later than this (ISO 8601; UTC if no zone)")
]
Until = Annotated[str | None, QueryParameter(name="until", pattern=MOMENT, description="Not later than this")]
Cursor = Annotated[
    str | None,
    QueryParameter(
        name="cursor",
        pattern=r"^[0-9]{8}(-[0-9]{2})?-[0-9]{1,9}(?!\n)$",
        description="Where the next page begins: the Link header of the page before has it",
    ),
]
LINK = ResponseHeader(
    name="Link", documentation_only=True, required=False,
    description='The next page, if there is one: <...>; rel="next"',
)  # fmt: skip


def stamp(text: str | None) -> str:
    """A time that a request names -> ISO 8601 in UTC with milliseconds, "" for None. Raises HTTPException 400."""
    if text is None:
        return ""
    try:
        moment = datetime.fromisoformat(text)
        return iso(fix_time(moment if moment.tzinfo else moment.replace(tzinfo=UTC)))
    except (OverflowError, ValueError) as error:
        raise HTTPException(f"{text} is no time", status_code=400) from error


def start_of(cursor: str | None) -> int:
    """The number that a page begins below. Raises HTTPException 400."""
    number = id_number(cursor or "")
    if cursor and not number:
        raise HTTPException(f"{cursor} is no cursor: take it from the Link header of the page before", status_code=400)
    return number


async def page(
    recent: "SortedDict[int, T]",
    whole_above: int | None,
    is_wanted: Callable[[T], bool],
    archive: Archive,
    read: Callable[[int, list[int], int], list[T]],
    number_of: Callable[[T], int],
    below: int,
    limit: int,
) -> tuple[list[T], bool]:
    """The newest `limit` that are wanted, numbered below `below` (0: all), and whether there are more: of `recent`, in
    which is all above `whole_above` (None: nobody knows), and of the database what is not among them: `read` gets what
    it has below a number, but for some, so many at most. Without a database it is what is recent."""
    numbers = recent.irange(maximum=below or None, inclusive=(True, False), reverse=True)
    found = dict(islice(((n, one) for n in numbers if is_wanted(one := recent[n])), limit + 1))
    is_enough = whole_above is not None and len(found) > limit and min(found) > whole_above
    if archive.exists and not is_enough:
        if whole_above is not None:
            below = min(below or whole_above + 1, whole_above + 1)
        known = list(recent.irange(maximum=below or None, inclusive=(True, False)))
        # What comes meanwhile is newer than this page, or it is in the database as it was.
        for one in await asyncio.to_thread(read, below, known, limit + 1):
            number = number_of(one)
            current = recent.get(number, one)
            if is_wanted(current):
                found.setdefault(number, current)
    newest = sorted(found, reverse=True)
    return [found[number] for number in newest[:limit]], len(newest) > limit


def answer(request: Request[Caller, None, Any], told: list[T], last_id: str, has_more: bool) -> Response[list[T]]:
    """A page, and where the next one is."""
    if not has_more:
        return Response(told)
    query = [(name, value) for name, value in request.query_params.multi_items() if name != "cursor"]
    following = f"{request.url.path}?{urlencode([*query, ('cursor', last_id)])}"
    return Response(told, headers={"Link": f'<{following}>; rel="next"'})


def wanted_of(
    request: Request[Caller, None, Any],
    symbol: list[str] | None,
    side: str | None,
    account: list[str] | None,
    after: str | None,
    until: str | None,
    cursor: str | None,
) -> Wanted:
    """What a request's filters ask for. Raises HTTPException."""
    accounts = door_of(request).chosen(request.user, account)
    return Wanted(accounts, tuple(symbol or ()), side or "", (), stamp(after), stamp(until), below=start_of(cursor))
