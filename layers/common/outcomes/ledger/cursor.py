"""Write and read pagination cursors. A cursor does not contain the user.

Version 1 is for lists by the time of recording: Base64 of the last outcome's id (16 bytes). A later version begins with
its number and a full stop, which version 1 refuses.

Version 2 is for lists by the time when outcomes happened: `2.` and Base64 of this time (6 bytes, in milliseconds since
1970), of the id (16 bytes), and of the CRC-32 of both (4 bytes), which detects altered cursors.
"""

import base64
import binascii

from outcomes.calendar import instants
from outcomes.errors import BadRequest
from outcomes.ledger import ulid


def after(id_: str) -> str:
    """Return the cursor for the page that begins after the outcome with this id."""
    return _text(ulid.number(id_).to_bytes(16))


def read(cursor: str) -> str:
    """Return the id in a cursor. Raises BadRequest if the cursor is not in the format that `after` writes."""
    try:
        id_ = ulid.from_number(int.from_bytes(_bytes(cursor)))
        if cursor == after(id_):
            return id_
    except (binascii.Error, ValueError, OverflowError):
        pass
    raise BadRequest("Invalid cursor")


def after_happened(happened: str) -> str:
    """Return the cursor for the page that begins after the outcome with this time and id, `<time>#<id>`."""
    time, _, id_ = happened.partition("#")
    position = instants.read(time).to_bytes(6) + ulid.number(id_).to_bytes(16)
    return _VERSION_2 + _text(position + binascii.crc32(position).to_bytes(4))


def read_happened(cursor: str) -> str:
    """Return the time and id in a cursor. Raises BadRequest unless it has the format of `after_happened`."""
    try:
        decoded = _bytes(cursor.removeprefix(_VERSION_2))
        time, id_ = int.from_bytes(decoded[:6]), ulid.from_number(int.from_bytes(decoded[6:22]))
        if time <= instants.LAST_MILLISECOND and cursor == after_happened(f"{instants.text(time)}#{id_}"):
            return f"{instants.text(time)}#{id_}"
    except (binascii.Error, ValueError):
        pass
    raise BadRequest("Invalid cursor")


_VERSION_2 = "2."


def _text(decoded: bytes) -> str:
    return base64.urlsafe_b64encode(decoded).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
