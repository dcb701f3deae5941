"""Set the AWS settings of the stack's processes.

Import this module before any SDK, because SDKs read the environment only once.
"""

import os
from typing import Any, NamedTuple

ACCOUNT = "123456789012"
REGION = "us-east-1"

# moto does not check credentials, but an SDK sends nothing without them. `local.aws` checks the token.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_SESSION_TOKEN": "local",
    # The developer's AWS profile must not cause a call to a real account.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


class AwsEndpoint(NamedTuple):
    """moto's URL, and the secret that callers must send as their session token."""

    url: str
    secret: str

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment variables that make an SDK use this endpoint."""
        return CREDENTIALS | {"AWS_SESSION_TOKEN": self.secret, "AWS_ENDPOINT_URL": self.url}

    def client(self, service: str) -> Any:
        """Return an SDK client for an AWS service."""
        import boto3

        any_client: Any = boto3.client
        return any_client(
            service,
            region_name=REGION,
            endpoint_url=self.url,
            aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
            aws_session_token=self.secret,
        )


def forget_real_aws() -> None:
    """Remove the developer's AWS settings and proxies from this process, so that its SDK can only reach moto."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ.update(CREDENTIALS, AWS_DEFAULT_REGION=REGION)
