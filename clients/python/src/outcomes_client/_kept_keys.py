"""Keep the public keys of issuers for `outcomes verify`, each with the address that it came from and the day."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from time import time
from typing import TYPE_CHECKING, Any

import typer

from ._errors import OutcomesError, StatementError, UnexpectedAnswerError
from ._http import PUBLIC_KEYS_PATH, Address
from ._steps import Retry

if TYPE_CHECKING:
    from ._client import OutcomesClient

_RETRY = Retry(deadline=10)  # seconds for which `outcomes statement` waits for an issuer that does not answer
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}


def file_of(issuer: str) -> Path:
    name = sha256(issuer.encode(errors="surrogatepass")).hexdigest()[:32]
    return Path(typer.get_app_dir("outcomes")) / "keys" / f"{name}.json"


def keep(issuer: str, client: OutcomesClient, *, trusted: bool) -> str:
    """Keep an issuer's keys, and return a sentence that says so, or why none is kept.

    Anybody's statement can name any issuer. So the client's API is asked only if it has the origin of the issuer, or if
    the user trusts it with the issuer's keys. Otherwise the issuer itself is asked.

    Raises StatementError if a kept key has changed or is now valid for longer.
    """
    from ._exporting import replaced

    url = client._address.url
    try:
        if trusted or _origin(url) == (_origin(issuer) or ""):
            published = _published(client)
        else:
            published = _published_by(issuer)
            url = issuer
    except OutcomesError as exc:
        return (
            f"No new keys of {issuer} are kept: {exc}. Give `outcomes verify` its --keys, or repeat this with "
            f"--trust-keys if you trust {url} to name the keys of {issuer}"
        )
    file = file_of(issuer)
    try:
        kept = {key["kid"]: key for key in _kept(file, issuer)} if file.exists() else {}
        for key in published:
            kept[key["kid"]] = _newer(issuer, kept.get(key["kid"]), key, url)
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        with replaced(str(file)) as opened:
            opened.write(json.dumps({"keys": [*kept.values()]}, indent=1).encode())
    except OSError as exc:
        return f"The keys of {issuer} cannot be kept in {file}: {exc.strerror}. Give `outcomes verify` its --keys"
    return f"The keys of {issuer}, from {url}, are kept in {file}"


def read(issuer: str) -> tuple[bytes, list[str]]:
    """Return the kept keys of an issuer, and lines on where they came from. Raises StatementError if none is kept."""
    file = file_of(issuer)
    try:
        kept = _kept(file, issuer)
    except FileNotFoundError as exc:
        said = f"expected keys of {issuer}: give --keys, or run `outcomes statement` once"
        raise StatementError("key", said) from exc
    origins = dict.fromkeys((key["kept_from"], key["kept_on"]) for key in kept)
    return json.dumps({"keys": kept}).encode(), [_line(issuer, url, day) for url, day in origins]


def given(issuer: str, file: Path) -> tuple[bytes, list[str]]:
    """Return the keys of a file that the user gave, like `read`. Its day is that of the file's last change."""
    return file.read_bytes(), [_line(issuer, str(file), _day(file.stat().st_mtime))]


def _line(issuer: str, origin: str, day: str) -> str:
    return f"keys of {issuer}, from {origin}, kept {day}"


def _day(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp, UTC).date().isoformat()


def _origin(url: str) -> str | None:
    """Return scheme, host and port of an http(s) address, which may have a path. Return None for anything else."""
    parts = re.fullmatch(r"(https?)(://[^\s/@?#\\]+)(/[^\s?#\\]*)?", url)
    return None if parts is None else f"{parts[1]}{parts[2].lower().removesuffix(_DEFAULT_PORTS[parts[1]])}"


def _published_by(issuer: str) -> list[dict[str, Any]]:
    from ._client import OutcomesClient

    if _origin(issuer) is None:
        raise UnexpectedAnswerError("this is not the address of an API")
    if Address(issuer).is_plaintext:
        raise UnexpectedAnswerError("this address is not https, so others could change the keys on their way")
    with OutcomesClient(issuer, retry=_RETRY) as own:
        return _published(own)


def _published(client: OutcomesClient) -> list[dict[str, Any]]:
    """Return the keys that an API lists for Ed25519, which other keys may stand beside."""
    try:
        listed = json.loads(client.statement_keys())["keys"]
        keys: list[dict[str, Any]] = [key for key in listed if (key.get("kty"), key.get("crv")) == ("OKP", "Ed25519")]
        texts = [key[name] for key in keys for name in ("kid", "x", "valid_from")]
        texts += [key["valid_until"] for key in keys if key["valid_until"] is not None]
    except (AttributeError, KeyError, TypeError, ValueError):
        texts, keys = [], []
    if not keys or not all(isinstance(text, str) for text in texts):
        raise UnexpectedAnswerError(f"{client._address.url}{PUBLIC_KEYS_PATH} lists no keys")
    return keys


def _kept(file: Path, issuer: str) -> list[dict[str, Any]]:
    try:
        kept: list[dict[str, Any]] = json.loads(file.read_bytes())["keys"]
        for key in kept:
            _ = [key[name] for name in ("kid", "x", "valid_from", "valid_until", "kept_from", "kept_on")]
        return kept
    except (KeyError, TypeError, ValueError) as exc:
        said = f"expected kept keys of {issuer} in {file}: delete it to trust the keys published now"
        raise StatementError("key", said) from exc


def _newer(issuer: str, kept: dict[str, Any] | None, key: dict[str, Any], url: str) -> dict[str, Any]:
    """Return a key as it is kept from now on. Refuse a change of a kept key, except that it ends earlier."""
    if kept is None:
        return key | {"kept_from": url, "kept_on": _day(time())}
    changed = [name for name in ("x", "valid_from") if key[name] != kept[name]]
    if kept["valid_until"] and not (key["valid_until"] and key["valid_until"] <= kept["valid_until"]):
        changed.append("valid_until")
    if changed:
        said = ", ".join(f"{name} {kept[name]}, found {key[name] or 'none'}" for name in changed)
        advice = f"if the issuer confirms the change to you, delete {file_of(issuer)} and try again"
        raise StatementError("key", f"expected {issuer} to publish the kept key {key['kid']} with {said}: {advice}")
    return kept | {"valid_until": key["valid_until"]}
