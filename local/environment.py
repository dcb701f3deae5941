"""The AWS settings of the stack's processes. Imported before any SDK, which remembers what the environment was."""

import os

ACCOUNT = "123456789012"
REGION = "us-east-1"

# moto asks for none of them, but an SDK without credentials sends nothing.
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "local",
    "AWS_SECRET_ACCESS_KEY": "local",
    "AWS_SESSION_TOKEN": "local",
    # No profile of the developer's may lead a call of ours to a real account.
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "AWS_EC2_METADATA_DISABLED": "true",
}


def forget_real_aws() -> None:
    """Take the developer's AWS settings and proxies out of this process, so that its SDK can reach nothing but moto."""
    for name in [name for name in os.environ if name.startswith("AWS_") or name.lower().endswith("_proxy")]:
        del os.environ[name]
    os.environ.update(CREDENTIALS, AWS_DEFAULT_REGION=REGION)
