"""Addresses as a configuration has them."""


def address(text: str) -> tuple[str, int]:
    """(host, port) of HOST:PORT; an IPv6 address stands in brackets. Raises ValueError."""
    host, colon, port = text.rpartition(":")
    if not colon or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no HOST:PORT")
    return host.removeprefix("[").removesuffix("]"), int(port)


def addresses(text: str) -> list[tuple[str, int]]:
    """(host, port) of each of HOST:PORT, HOST:PORT, ...: of the nodes of a cluster. Raises ValueError."""
    return [address(one.strip()) for one in text.split(",")]
