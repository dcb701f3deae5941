"""Make a certificate authority for test servers."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat


class Authority(NamedTuple):
    """A certificate authority's file, and the TLS context of a server that it certifies."""

    file: Path
    server: ssl.SSLContext


def make_authority(folder: Path, host: str) -> Authority:
    """Make an authority and a server certificate for `host` in `folder`."""
    keys = [ec.generate_private_key(ec.SECP256R1()) for _ in range(2)]
    names = [x509.Name.from_rfc4514_string(f"CN={name}") for name in ("authority", host)]
    now = datetime.now(UTC)

    def certificate(which: int) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder(names[0], names[which], keys[which].public_key(), x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=not which, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(keys[which].public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(keys[0].public_key()), critical=False)
        )

    usage = dict.fromkeys(
        (
            *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
            *("crl_sign", "encipher_only", "decipher_only"),
        ),
        False,
    )
    root = certificate(0).add_extension(x509.KeyUsage(key_cert_sign=True, **usage), critical=True)
    leaf = certificate(1).add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
    file, chain = folder / "authority.pem", folder / "server.pem"
    file.write_bytes(root.sign(keys[0], hashes.SHA256()).public_bytes(Encoding.PEM))
    chain.write_bytes(
        keys[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        + leaf.sign(keys[0], hashes.SHA256()).public_bytes(Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(chain)
    return Authority(file, server)
