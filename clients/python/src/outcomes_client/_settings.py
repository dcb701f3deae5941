"""Read the settings of a client from its arguments or, by default, from the environment."""

from __future__ import annotations

import os
import re

from ._calls import Defaults
from ._errors import ConfigurationError
from ._http import Address, is_plain
from ._steps import Retry


def address_of(url: str | None, api_key: str | None, cookie: str | None, allow_http: bool = False) -> Address:
    """Return URL, key and cookie. The defaults are `OUTCOMES_URL`, `INTERNAL_API_KEY` and `OUTCOMES_COOKIE`.

    Raises:
        ConfigurationError: there is no URL, a value is invalid, or the URL would send a key or cookie unencrypted to
            another machine and neither `allow_http` nor `OUTCOMES_ALLOW_HTTP=1` is set.
    """
    url = url or os.environ.get("OUTCOMES_URL")
    if not url:
        raise ConfigurationError("No URL of an API: pass url=..., or set OUTCOMES_URL")
    address = Address(
        url,
        api_key or os.environ.get("INTERNAL_API_KEY") or None,
        cookie or os.environ.get("OUTCOMES_COOKIE") or None,
    )
    if not is_plain(address.url):
        _require_valid(address.url)
    allow_http = allow_http or os.environ.get("OUTCOMES_ALLOW_HTTP") == "1"
    if (address.api_key or address.cookie) and address.is_plaintext and not allow_http:
        raise ConfigurationError(
            f"{address.url} is not https: anyone on the network could read the key or the session. Nothing was sent. "
            "Use https, or set OUTCOMES_ALLOW_HTTP=1"
        )
    return address


def _require_valid(url: str) -> None:
    import httpx  # imported here, because few URLs need it

    try:  # requests would raise these errors, which are no httpx.RequestError
        parsed = httpx.URL(url)
        _ = parsed.host, parsed.raw_host.decode().encode("idna")
        if (parsed.port or 0) > 65_535:
            raise httpx.InvalidURL(f"Invalid port: '{parsed.port}'")
    except (httpx.InvalidURL, UnicodeError) as exc:
        raise ConfigurationError(f"The URL (OUTCOMES_URL) cannot be used: {exc}") from exc


def defaults_of(address: Address, agent_id: int | None, user_id: int | None) -> Defaults:
    """Return the default agent and user: the arguments or, by default, `OUTCOMES_AGENT_ID` and `OUTCOMES_USER_ID`.

    Raises:
        ConfigurationError: a variable is not a whole number of at least 1.
    """
    return Defaults(
        whole("OUTCOMES_AGENT_ID") if agent_id is None else agent_id,
        whole("OUTCOMES_USER_ID") if user_id is None else user_id,
        owner=address.owner,
    )


def whole(variable: str) -> int | None:
    text = os.environ.get(variable, "")
    if not text:
        return None
    if not re.fullmatch(r"0*[1-9][0-9]{0,15}", text):
        raise ConfigurationError(f"{variable} must be a whole number of at least 1")
    return int(text)


def retry_of(retry: Retry | None) -> Retry:
    """Return how long to retry. The default is `Retry()`; `OUTCOMES_DEADLINE` overrides its deadline in seconds.

    Raises:
        ConfigurationError: the variable is not a positive number.
    """
    text = os.environ.get("OUTCOMES_DEADLINE", "")
    if retry is not None or not text:
        return retry or Retry()
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", text) or not float(text):
        raise ConfigurationError("OUTCOMES_DEADLINE must be a positive number of seconds")
    return Retry(deadline=float(text))
