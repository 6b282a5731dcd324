"""What market makers have earned on a trading day, and by what. Everything is exact, and the parts add up.

For a fill i of q_i units (below 0: sold) at the price p_i, m_i is the reference mid at the fill, M the last mid of the
day, and q_0 the position that was carried into the day, when the mid was m_0:

- spread captured: the sum of q_i (m_i - p_i) over quotes' fills, in the book, at exchanges and by request;
- hedging: the same over hedges' fills (mostly below 0: a cost);
- revaluation: the sum of q_i (M - m_i) over all fills, and `carried` q_0 (M - m_0);
- fees, below 0 where they are paid.

They add up to what was earned: the sum of q_i (M - p_i) and q_0 (M - m_0), less fees. Adverse selection after a time h
is the sum of q_i (m(t_i + h) - m_i) over quotes' fills, which is below 0 where the mid goes against the maker; with
`beyond`, what is left of the revaluation, it adds up to that for each h.
"""

from operator import add
from typing import Any, NamedTuple

from brokerfix.domain import money_text, to_text
from brokerfix.engine.making.hedge import HEDGE
from brokerfix.operate.makers import halved, halved_money
from brokerfix.operate.making_read import Made
from brokerfix.operate.making_traded import Deal, Stretch, Traded

SECOND = 10**9
HORIZONS = (("1s", SECOND), ("10s", 10 * SECOND), ("60s", 60 * SECOND))
ALL = "all"


class Parts(NamedTuple):
    """Money, twice. `adverse` is by horizon; `cut` is how many fills the day's end, or a split, came before one's
    end."""

    captured: int
    hedging: int
    revaluation: int
    carried: int
    fees: int
    total: int
    adverse: tuple[int, ...] = (0,) * len(HORIZONS)
    cut: tuple[int, ...] = (0,) * len(HORIZONS)

    def plus(self, other: "Parts") -> "Parts":
        return Parts(
            self.captured + other.captured,
            self.hedging + other.hedging,
            self.revaluation + other.revaluation,
            self.carried + other.carried,
            self.fees + other.fees,
            self.total + other.total,
            tuple(map(add, self.adverse, other.adverse)),
            tuple(map(add, self.cut, other.cut)),
        )


NONE = Parts(0, 0, 0, 0, 0, 0)


def parts(traded: Traded, until: int) -> Parts:
    """Of a maker in an instrument; `until` is the time of the day's last fact. `total` is what came in and went out,
    with what the position is worth, reckoned without the parts."""
    found, ends = NONE, [*(one.began for one in traded.stretches[1:]), until]
    for stretch, end in zip(traded.stretches, ends, strict=True):
        found = found.plus(_of_stretch(stretch, end, traded.instrument.money_factor))
    return found


def _of_stretch(stretch: Stretch, end: int, factor: int) -> Parts:
    last, deals = stretch.mid, stretch.deals
    quotes = [deal for deal in deals if deal.kind != HEDGE]
    fees = sum(deal.fee for deal in deals)
    cash = sum(-2 * deal.qty * deal.price for deal in deals)
    return Parts(
        sum(map(_better, quotes)) * factor,
        sum(_better(deal) for deal in deals if deal.kind == HEDGE) * factor,
        sum(deal.qty * (last - deal.mid) for deal in deals) * factor,
        (stretch.qty * last - stretch.value) * factor,
        -2 * fees,
        (cash + stretch.left * last - stretch.value) * factor - 2 * fees,
        tuple(
            sum(deal.qty * (stretch.mid_at(deal.at + after) - deal.mid) for deal in quotes) * factor
            for _, after in HORIZONS
        ),
        tuple(sum(deal.at + after > end for deal in quotes) for _, after in HORIZONS),
    )


def _better(deal: Deal) -> int:
    """What a deal is better than the mid, twice price x quantity."""
    return deal.qty * (deal.mid - 2 * deal.price)


Row = dict[str, Any]


class Earned(NamedTuple):
    """Rows by table: what was earned, adverse selection, and the account against what its maker has earned."""

    earned: list[Row]
    adverse: list[Row]
    accounts: list[Row]


def earned(made: Made, until: int) -> Earned:
    """Of a maker's day: a row for each instrument, and one for all of a currency."""
    found = {symbol: parts(traded, until) for symbol, traded in made.traded.items()}
    of = {symbol: traded.instrument.currency for symbol, traded in made.traded.items()}
    rows: list[Row] = []
    adverse: list[Row] = []
    accounts: list[Row] = []
    for currency in sorted(set(of.values())):
        total = NONE
        for symbol in (one for one in found if of[one] == currency):
            head = {"maker": made.maker, "symbol": symbol}
            rows.append(head | _traded(made.traded[symbol]) | _told(found[symbol]) | {"currency": currency})
            adverse.append(head | _adverse(found[symbol]) | {"currency": currency})
            total = total.plus(found[symbol])
        if sum(one == currency for one in of.values()) > 1:
            head = {"maker": made.maker, "symbol": ALL}
            nothing: Row = dict.fromkeys(rows[-1])
            rows.append(nothing | head | _told(total) | {"currency": currency})
            adverse.append(head | _adverse(total) | {"currency": currency})
        accounts.append(_account(made, currency, total.total))
    return Earned(rows, adverse, accounts)


def _traded(traded: Traded) -> Row:
    """What was bought and sold, and the position at begin and end, with the mid that it is worth."""
    first, last, instrument = traded.stretches[0], traded.stretches[-1], traded.instrument
    deals = [deal for stretch in traded.stretches for deal in stretch.deals]
    bought, sold = (
        sum(deal.qty for deal in deals if (deal.qty > 0) is (is_bought != deal.is_back)) for is_bought in (True, False)
    )
    return {
        "fills": sum(-1 if deal.is_back else 1 for deal in deals),
        "bought": to_text(bought, instrument.qty_digits),
        "sold": to_text(-sold, instrument.qty_digits),
        "carried_position": to_text(first.qty, instrument.qty_digits),
        "position": to_text(last.left, instrument.qty_digits),
        "mid": halved(last.mid, instrument.price_digits),
    }


def _told(one: Parts) -> Row:
    return {
        "spread_captured": halved_money(one.captured),
        "hedging": halved_money(one.hedging),
        "revaluation": halved_money(one.revaluation),
        "carried": halved_money(one.carried),
        "fees": halved_money(one.fees),
        "total": halved_money(one.total),
    }


def _adverse(one: Parts) -> Row:
    """By horizon: adverse selection, the rest of the revaluation, and how many fills' time was cut short."""
    row = {"spread_captured": halved_money(one.captured), "revaluation": halved_money(one.revaluation)}
    for (name, _), adverse, cut in zip(HORIZONS, one.adverse, one.cut, strict=True):
        row |= {
            f"adverse_{name}": halved_money(adverse),
            f"beyond_{name}": halved_money(one.revaluation - adverse),
            f"cut_{name}": str(cut),
        }
    return row


def _account(made: Made, currency: str, total: int) -> Row:
    """What the account has earned, cash and positions at the same mids, against what its maker has. The difference is
    what others have done with it, interest, and deals that the maker has yet to look at."""
    cash = made.closed.money.get(currency, 0) - made.opened.money.get(currency, 0)
    held = 0
    for symbol in made.opened.positions.keys() | made.closed.positions.keys():
        held += _revalued(made, symbol, currency)
    return {
        "maker": made.maker, "account": made.account, "cash": money_text(cash), "positions": halved_money(held),
        "account_earned": halved_money(2 * cash + held), "maker_earned": halved_money(total),
        "difference": halved_money(2 * cash + held - total), "currency": currency,
    }  # fmt: skip


def _revalued(made: Made, symbol: str, currency: str) -> int:
    """What the account's position in a symbol is worth more than at the day's begin (money, twice)."""
    opened, closed = (one.positions.get(symbol, 0) for one in (made.opened, made.closed))
    traded = made.traded.get(symbol)
    if traded is not None:
        first, last = traded.stretches[0].mids[0], traded.mid
        instrument = traded.instrument
    else:
        first, last = (one.marks.get(symbol, 0) for one in (made.opened, made.closed))
        instrument = made.instruments[symbol]
    if instrument.currency != currency:
        return 0
    return (closed * last - opened * first) * instrument.money_factor
