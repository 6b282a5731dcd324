"""TLS as FIX-over-TLS (FIXS) has it: 1.2 and 1.3, forward secrecy, authenticated encryption, no compression and no
renegotiation; certificates may be replaced while sessions are up."""

import hashlib
import ssl
from pathlib import Path

from brokerfix.settings.sections import Config, ConfigError

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2, as RFC 9325 (section 4.2) recommends; TLS 1.3 has no others."""


def server_context(config: Config) -> ssl.SSLContext:
    """The context for the configured certificates. Raises ConfigError where they can't be used."""
    section = config.gateway
    assert section is not None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # A resumed session would skip the certificate's check; FIX sessions are long, so nothing is lost.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    load_certificates(context, config)
    return context


def load_certificates(context: ssl.SSLContext, config: Config) -> None:
    """Read the certificate files into the context; connections that are up keep theirs. Raises ConfigError."""
    section = config.gateway
    assert section is not None
    chain, key = (path_of(config, name) for name in (section.certificate, section.key))
    try:
        context.load_cert_chain(chain, key)
    except (OSError, ssl.SSLError) as error:
        why = error.strerror or str(error)
        raise ConfigError(
            f"{config.path}: gateway.certificate: {chain} with the key {key} can't be used: {why}; "
            f"`brokerfix certificates` makes a set"
        ) from error
    if section.client_certificates == "none":
        return
    authority = path_of(config, section.client_ca)
    try:
        context.load_verify_locations(authority)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError(f"{config.path}: gateway.client_ca: {authority} can't be used: {error}") from error
    context.verify_mode = ssl.CERT_REQUIRED if section.client_certificates == "required" else ssl.CERT_OPTIONAL


def path_of(config: Config, name: str) -> Path:
    """A file that the configuration names: relative to itself."""
    return (config.path.parent / name).resolve()


def fingerprint(certificate: bytes | None) -> str:
    """The pin of a certificate in DER, "sha256:...", or '' for none."""
    return f"sha256:{hashlib.sha256(certificate).hexdigest()}" if certificate else ""
