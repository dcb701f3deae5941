"""Keep URL, key and session for the command, in the user's own folder, and find them again."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import typer

from . import _json
from ._errors import ConfigurationError
from ._http import Address


def kept_in() -> Path:
    """Name the file: below `XDG_CONFIG_HOME` or `~/.config`, or where the platform keeps an application's settings."""
    return Path(typer.get_app_dir("outcomes")) / "login.json"


def settings(url: str | None, cookie: str | None) -> dict[str, Any]:
    """Choose a client's `url`, `api_key` and `cookie`: options and variables first, else what `login` kept.

    A key and a session that were kept go to the URL that they were kept with and nowhere else, and only where neither
    is given: two callers are never mixed.

    Raises:
        ConfigurationError: there is no URL, or what was kept is needed and cannot be read.
    """
    given = {"url": url, "api_key": os.environ.get("INTERNAL_API_KEY"), "cookie": cookie}
    if url and (given["api_key"] or cookie):
        return given
    kept = _read()
    if kept is None and not url:
        raise ConfigurationError("Where is the API? Give --url, set OUTCOMES_URL, or run `outcomes login`")
    if kept is None:
        return given
    given["url"] = url or kept.url
    if given["api_key"] or cookie or (url and Address(url).url != kept.url):
        return given
    return {"url": kept.url, "api_key": kept.api_key, "cookie": kept.cookie}


def keep(address: Address) -> Path:
    """Write the file, which nobody else can read at any moment, and return its path."""
    file = kept_in()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.parent.chmod(0o700)
    descriptor, part = tempfile.mkstemp(dir=file.parent)  # with mode 0600 from the beginning
    try:
        with os.fdopen(descriptor, "wb") as opened:
            opened.write(_json.encode({"url": address.url, "api_key": address.api_key, "cookie": address.cookie}))
        Path(part).replace(file)
    except BaseException:
        Path(part).unlink(missing_ok=True)
        raise
    return file


def forget() -> bool:
    """Remove the file; tell whether there was one."""
    try:
        kept_in().unlink()
    except FileNotFoundError:
        return False
    return True


def _read() -> Address | None:
    file = kept_in()
    try:
        return Address(**_json.decode(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as exc:  # without their text, which may quote the file
        raise ConfigurationError(
            f"{file} cannot be read: remove it by `outcomes logout`, or write it anew by `outcomes login`"
        ) from exc
