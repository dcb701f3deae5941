"""Save and load the command line's URL, key and session, in the user's config folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import typer

from . import _json
from ._errors import ConfigurationError
from ._http import Address


def login_file() -> Path:
    """Return the path of the login file.

    It is below `XDG_CONFIG_HOME` or `~/.config`, or in the operating system's folder for settings.
    """
    return Path(typer.get_app_dir("outcomes")) / "login.json"


def settings(url: str | None, cookie: str | None) -> dict[str, Any]:
    """Return a client's `url`, `api_key` and `cookie`. Options and variables take precedence over the saved login.

    The saved key and session are used only if options and variables give neither a key nor a session, and only for the
    URL with which they were saved. So credentials of two callers are never mixed.

    Raises:
        ConfigurationError: there is no URL, or the saved login is needed and cannot be read.
    """
    given = {"url": url, "api_key": os.environ.get("INTERNAL_API_KEY"), "cookie": cookie}
    if url and (given["api_key"] or cookie):
        return given
    saved = _read()
    if saved is None and not url:
        raise ConfigurationError("No URL of an API: give --url, set OUTCOMES_URL, or run `outcomes login`")
    if saved is None:
        return given
    given["url"] = url or saved.url
    if given["api_key"] or cookie or (url and Address(url).url != saved.url):
        return given
    return {"url": saved.url, "api_key": saved.api_key, "cookie": saved.cookie}


def save(address: Address) -> Path:
    """Write the login file and return its path. From the beginning, only the file's owner can read it."""
    from ._exporting import replaced

    file = login_file()
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    file.parent.chmod(0o700)
    with replaced(str(file)) as opened:
        opened.write(_json.encode({"url": address.url, "api_key": address.api_key, "cookie": address.cookie}))
    return file


def remove() -> bool:
    """Remove the login file. Return whether it existed."""
    try:
        login_file().unlink()
    except FileNotFoundError:
        return False
    return True


def _read() -> Address | None:
    file = login_file()
    try:
        return Address(**_json.decode(file.read_bytes()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as exc:  # the error's text is left out, because it may quote the file
        raise ConfigurationError(
            f"{file} cannot be read: remove it with `outcomes logout`, or replace it with `outcomes login`"
        ) from exc
