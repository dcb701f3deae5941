"""Sign requests to AWS: Signature Version 4, with Lambda's credentials or whatever else an SDK would find.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hmac
import os
from collections.abc import Mapping
from functools import cache, lru_cache
from hashlib import sha256
from typing import Any, NamedTuple

ALGORITHM = "AWS4-HMAC-SHA256"


class Credentials(NamedTuple):
    """Credentials that a request is signed with. token: of a session, None for a user's own long-lived key."""

    key_id: str
    secret: str
    token: str | None


def credentials() -> Credentials:
    """Read the credentials of this moment.

    Lambda gives a function its role's in environment variables, and they outlive the process. Where they are missing or
    said to expire (on a laptop), botocore's chain finds and refreshes them:
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime

    Raises LookupError when there are none, and what botocore raises when they cannot be fetched.
    """
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if key_id and secret and "AWS_CREDENTIAL_EXPIRATION" not in os.environ:
        return Credentials(key_id, secret, os.environ.get("AWS_SESSION_TOKEN"))
    found = _botocore_credentials().get_frozen_credentials()
    return Credentials(found.access_key, found.secret_key, found.token)


@cache
def _botocore_credentials() -> Any:
    """Import botocore, which takes longer than all else a start does, and search its chain once."""
    from botocore.session import Session

    found = Session().get_credentials()
    if found is None:
        raise LookupError("no AWS credentials")
    return found


def authorization(by: Credentials, region: str, service: str, headers: Mapping[str, str], body: bytes) -> str:
    """Make the Authorization header of a POST to `/`.

    headers: all that are signed, by lower-case name; among them `host`, and the time of signing as `x-amz-date`.
    """
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    names = ";".join(sorted(headers))
    lines = "".join([f"{name}:{headers[name]}\n" for name in sorted(headers)])
    canonical = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
    text = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(_signing_key(by.secret, scope), text.encode(), "sha256").hex()
    return f"{ALGORITHM} Credential={by.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"


@lru_cache(maxsize=2)  # it is the same all day for a service, of which a function calls two at most
def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
