"""Pagination cursors: Base64 of the last outcome's id (16 bytes). A cursor does not contain the user.

This is version 1. A later version begins with its number and a full stop, `2.`, which version 1 refuses.
"""

import base64
import binascii

from outcomes.errors import BadRequest
from outcomes.ledger import ulid


def after(id_: str) -> str:
    """Return the cursor for the page that begins after the outcome with this id."""
    return base64.urlsafe_b64encode(ulid.number(id_).to_bytes(16)).rstrip(b"=").decode()


def read(cursor: str) -> str:
    """Return the id in a cursor. Raises BadRequest if the cursor is not in the format that `after` writes."""
    try:
        id_ = ulid.from_number(int.from_bytes(base64.b64decode(f"{cursor}==", altchars=b"-_", validate=True)))
        if cursor == after(id_):
            return id_
    except (binascii.Error, ValueError, OverflowError):
        pass
    raise BadRequest("Invalid cursor")
