"""Makes a certificate authority of the bench's own, and what lets a stub on this machine speak TLS as AWS does."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

VALID = timedelta(days=1)


class Certificates(NamedTuple):
    """server: a file of the stub's key and certificate. authorities: a file of whom the functions trust."""

    server: Path
    authorities: Path


def make(folder: Path, trusted: Path) -> Certificates:
    """Write both files into `folder`. The bench's authority is added to those of the file `trusted`: reading a hundred
    others is part of what a function does when it starts."""
    authority_key, server_key = _key(), _key()
    authority = _certificate("bench authority", authority_key, by=("bench authority", authority_key))
    server = _certificate("127.0.0.1", server_key, by=("bench authority", authority_key))
    made = Certificates(folder / "server.pem", folder / "authorities.pem")
    private = server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    made.server.write_bytes(private + server.public_bytes(Encoding.PEM))
    made.authorities.write_bytes(trusted.read_bytes() + b"\n" + authority.public_bytes(Encoding.PEM))
    return made


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _certificate(name: str, key: rsa.RSAPrivateKey, by: tuple[str, rsa.RSAPrivateKey]) -> x509.Certificate:
    """Certify that `key` is that of `name`: an authority when it certifies itself, else a server by that address."""
    issuer, issuer_key = by
    is_authority = key is issuer_key
    begin = datetime.now(UTC) - timedelta(minutes=5)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + VALID)
        .add_extension(x509.BasicConstraints(ca=is_authority, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .add_extension(_usage(is_authority), critical=True)
    )
    if not is_authority:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))])
        builder = builder.add_extension(names, critical=False)
    return builder.sign(issuer_key, SHA256())


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _usage(is_authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not is_authority,
        key_cert_sign=is_authority,
        crl_sign=is_authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
