"""Cursors of pagination: a position among a user's outcomes, as the 16 bytes of an id. Never the user."""

import base64
import binascii

from outcomes.errors import BadRequest
from outcomes.ledger import ulid


def after(id_: str) -> str:
    """Write the position after the outcome with this id."""
    return base64.urlsafe_b64encode(ulid.number(id_).to_bytes(16)).rstrip(b"=").decode()


def read(cursor: str) -> str:
    """Read the id. Raises BadRequest for a cursor that `after` never wrote."""
    try:
        id_ = ulid.from_number(int.from_bytes(base64.b64decode(f"{cursor}==", altchars=b"-_", validate=True)))
        if cursor == after(id_):
            return id_
    except (binascii.Error, ValueError, OverflowError):
        pass
    raise BadRequest("Invalid cursor")
