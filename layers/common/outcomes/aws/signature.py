"""Sign requests to AWS (Signature Version 4) with the credentials that an SDK would use.

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
    """AWS credentials. token: the session token, or None for a long-lived access key."""

    key_id: str
    secret: str
    token: str | None


def credentials() -> Credentials:
    """Return the current credentials.

    On Lambda, environment variables contain the role's credentials, which stay valid longer than the process runs.
    Elsewhere, such as on a laptop, the variables may be missing, or their credentials may expire. Then botocore's
    credential chain finds and refreshes credentials.
    https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html#configuration-envvars-runtime

    Raises LookupError if there are no credentials, and botocore's errors if they cannot be fetched.
    """
    key_id, secret = os.environ.get("AWS_ACCESS_KEY_ID"), os.environ.get("AWS_SECRET_ACCESS_KEY")
    if key_id and secret and "AWS_CREDENTIAL_EXPIRATION" not in os.environ:
        return Credentials(key_id, secret, os.environ.get("AWS_SESSION_TOKEN"))
    found = _botocore_credentials().get_frozen_credentials()
    return Credentials(found.access_key, found.secret_key, found.token)


@cache
def _botocore_credentials() -> Any:
    """Search botocore's credential chain, once. botocore is imported here as it loads slowly."""
    from botocore.session import Session

    found = Session().get_credentials()
    if found is None:
        raise LookupError("no AWS credentials")
    return found


def authorization(by: Credentials, region: str, service: str, headers: Mapping[str, str], body: bytes) -> str:
    """Return the Authorization header of a POST to `/`.

    headers: the signed headers by lower-case name, with `host` and `x-amz-date`.
    """
    moment = headers["x-amz-date"]
    scope = f"{moment[:8]}/{region}/{service}/aws4_request"
    names = ";".join(sorted(headers))
    lines = "".join([f"{name}:{headers[name]}\n" for name in sorted(headers)])
    canonical = f"POST\n/\n\n{lines}\n{names}\n{sha256(body).hexdigest()}"
    text = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(canonical.encode()).hexdigest()}"
    signature = hmac.digest(_signing_key(by.secret, scope), text.encode(), "sha256").hex()
    return f"{ALGORITHM} Credential={by.key_id}/{scope}, SignedHeaders={names}, Signature={signature}"


@lru_cache(maxsize=2)  # a service's signing key is valid for a day, and a function calls at most two services
def _signing_key(secret: str, scope: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), "sha256")
    return key
