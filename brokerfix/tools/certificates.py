"""A development certificate authority, and the server's and clients' certificates that it issues. Made with the
`cryptography` package; a real desk has an authority of its own."""

import ipaddress
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from brokerfix.settings.whole import write_whole

AUTHORITY = "brokerfix development CA"
BACKDATED = timedelta(minutes=5)
"""For peers whose clocks are a little behind."""


class Authority:
    """A certificate authority in a folder: ca.pem and ca.key, made where they are not there yet."""

    def __init__(self, folder: Path, days: int = 365) -> None:
        self.folder, self.days = folder, days
        folder.mkdir(parents=True, exist_ok=True)
        certificate, key = folder / "ca.pem", folder / "ca.key"
        if certificate.exists() and key.exists():
            self.certificate = x509.load_pem_x509_certificate(certificate.read_bytes())
            loaded = serialization.load_pem_private_key(key.read_bytes(), None)
            assert isinstance(loaded, ec.EllipticCurvePrivateKey)
            self.key = loaded
            return
        if certificate.exists():
            raise FileExistsError(f"{certificate}: is there without its ca.key: another authority needs another folder")
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = _name(AUTHORITY)
        builder = _builder(name, name, self.key, days)
        builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        builder = builder.add_extension(_usage(for_authority=True), critical=True)
        self.certificate = builder.sign(self.key, hashes.SHA256())
        _write(certificate, key, self.certificate, self.key)

    def issue(self, name: str, hosts: Iterable[str] = (), *, days: int = 0, expired: bool = False) -> str:
        """Write NAME.pem and NAME.key, for a server on `hosts`, or for a client. Returns the fingerprint."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = list(hosts)
        builder = _builder(_name(name), self.certificate.subject, key, -1 if expired else days or self.days)
        purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        builder = builder.add_extension(_usage(for_authority=False), critical=True)
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())
        builder = builder.add_extension(authority, critical=False)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_host(one) for one in names]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        _write(self.folder / f"{name}.pem", self.folder / f"{name}.key", certificate, key)
        return f"sha256:{certificate.fingerprint(hashes.SHA256()).hex()}"


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, days: int
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    begins = now - BACKDATED if days > 0 else now - timedelta(days=30)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )


def _usage(for_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not for_authority, key_cert_sign=for_authority, crl_sign=for_authority,
        content_commitment=False, key_encipherment=False, data_encipherment=False, key_agreement=False,
        encipher_only=False, decipher_only=False,
    )  # fmt: skip


def _host(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(certificate: Path, key: Path, made: x509.Certificate, secret: ec.EllipticCurvePrivateKey) -> None:
    """Each file is whole at any moment, and the key is its owner's alone."""
    text = secret.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    for path, data, mode in ((key, text, 0o600), (certificate, made.public_bytes(serialization.Encoding.PEM), 0o644)):
        write_whole(path, data, mode, synced=False)
