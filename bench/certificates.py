"""A certificate authority of the bench, so that a stub on this machine can speak TLS like AWS."""

from pathlib import Path
from typing import NamedTuple

import trustme


class Certificates(NamedTuple):
    """Files. server: the stub's key and certificate. authorities: those that the functions trust."""

    server: Path
    authorities: Path


def make(folder: Path, trusted: Path) -> Certificates:
    """Write both files into `folder`.

    The bench's authority is added to those of the file `trusted`, because a function reads a hundred of them when it
    starts.
    """
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    server = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    made = Certificates(folder / "server.pem", folder / "authorities.pem")
    server.private_key_and_cert_chain_pem.write_to_path(made.server)
    made.authorities.write_bytes(trusted.read_bytes() + b"\n" + authority.cert_pem.bytes())
    return made
