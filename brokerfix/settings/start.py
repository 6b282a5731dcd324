"""What a configuration has the engine start with."""

from brokerfix.commands import Start
from brokerfix.domain import ClientOptions
from brokerfix.settings.base import ConfigError
from brokerfix.settings.schedule import Hours, trading_day
from brokerfix.settings.sections import Config


def hours_of(config: Config) -> dict[str, Hours]:
    """The trading hours of the instruments that have some. Raises ConfigError."""
    hours = {}
    for symbol, instrument in config.instruments.items():
        try:
            hours[symbol] = Hours(instrument, config.calendars.get(symbol, ""))
        except ValueError as error:
            raise ConfigError(f"{config.path}: instruments.{symbol}.calendar: {error}") from error
    return {symbol: one for symbol, one in hours.items() if not one.always_open}


def start_command(config: Config, hours: dict[str, Hours], now: int) -> Start:
    """The start at a time (ns)."""
    options = config.options
    clients = [
        (name, client.accounts, client.max_orders_per_second, options[name]) for name, client in config.clients.items()
    ]
    for name, maker in config.makers.items():
        clients.append((name, (maker.account,), *config.maker_options.get(name, (0, ClientOptions()))))
    return Start(
        now,
        trading_day(now, config.day_start, config.broker.time_zone),
        tuple(config.instruments.values()),
        tuple((name, account.cash, account.limits) for name, account in config.accounts.items()),
        tuple(clients),
        config.domain_venues,
        tuple((symbol, one.phase(now)) for symbol, one in hours.items()),
        config.broker.shard,
        tuple((name, group.accounts) for name, group in config.groups.items()),
        tuple(config.limits.items()),
        tuple((name, one.margin) for name, one in config.accounts.items() if one.margin != "cash"),
        config.margin,
        tuple((name, group.symbols) for name, group in config.symbol_groups.items()),
        tuple((name, section.currency) for name, section in config.currencies.items()),
        tuple((name, one.route_mode) for name, one in config.accounts.items() if one.route_mode),
        tuple(config.makers.values()),
        tuple(config.quoters.values()),
        config.is_shard,
        tuple((name, one.shard) for name, one in config.accounts.items()) if config.is_shard else (),
    )
