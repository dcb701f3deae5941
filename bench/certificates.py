"""A certificate authority for the bench, so that a stub on this machine can use TLS like AWS."""

from pathlib import Path
from typing import NamedTuple

import trustme


class Certificates(NamedTuple):
    """Paths of certificate files.

    server: the stub's key and certificate. authorities: the certificate authorities that functions trust.
    """

    server: Path
    authorities: Path


def make(folder: Path, trusted: Path) -> Certificates:
    """Write the server's certificate and the list of authorities into `folder`.

    trusted: a file of certificate authorities, which the list contains in addition to the bench's own.
    """
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    server = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    made = Certificates(folder / "server.pem", folder / "authorities.pem")
    server.private_key_and_cert_chain_pem.write_to_path(made.server)
    made.authorities.write_bytes(trusted.read_bytes() + b"\n" + authority.cert_pem.bytes())
    return made
