"""What pages fetch by themselves, as JSON: a browser asks for what is new when it has shown the last, so that a slow
one gets less and a dead one nothing. Every route is below /data, is for who is logged in, and changes nothing."""

from fastapi import FastAPI

from brokerfix.console.data import files, market, orders, past_orders
from brokerfix.console.desk import Desk


def add(app: FastAPI, desk: Desk) -> None:
    """All routes."""
    files.add(app, desk)
    market.add(app, desk)
    orders.add(app, desk)
    past_orders.add(app, desk)
