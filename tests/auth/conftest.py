"""Fixtures: the keys and sessions of a deployment, and a clock set by the test."""

import json
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from outcomes.auth.keys import fingerprint
from outcomes.auth.session_secrets import SessionSecrets, Version
from outcomes.auth.sessions import Sessions
from outcomes.auth.stored_sessions import StoredSessions

from tests.aws import aws_client

HERE = Path(__file__).parent
ROOT = HERE.parents[1]

NOON = 1_775_044_800  # 2026-04-01T12:00:00Z
REAL_COOKIES = json.loads((HERE / "cookies.json").read_text())
SECRET: str = REAL_COOKIES["secret"]
CURRENT_KEY, PREVIOUS_KEY = "made-up-current-key", "made-up-previous-key"


class Clock:
    """A clock in seconds since 1970, set by the test."""

    def __init__(self) -> None:
        self.now: float = NOON

    def __call__(self) -> float:
        return self.now


def refused(authorizer: ModuleType, event: dict[str, Any]) -> bool:
    """Return whether the authorizer refuses a request with the exception that API Gateway answers with 401."""
    with pytest.raises(Exception, match=r"^Unauthorized$") as raised:
        authorizer.handler(event, None)
    return raised.type is Exception  # any other exception would be a 500


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def secrets_manager(tables: dict[str, str]) -> Any:
    assert tables  # the fixture `tables` makes the moto account that contains the secrets
    return aws_client("secretsmanager")


@pytest.fixture
def session_secret(secrets_manager: Any) -> str:
    """Store the session secret, not rotated yet, and return its ARN. REAL_COOKIES were encrypted with this secret."""
    return str(secrets_manager.create_secret(Name="session-secret", SecretString=SECRET)["ARN"])


@pytest.fixture
def rotate(secrets_manager: Any) -> Callable[[str], None]:
    """Return a function that rotates the session secret."""
    return lambda secret: secrets_manager.put_secret_value(SecretId="session-secret", SecretString=secret)


@pytest.fixture
def put_session(tables: dict[str, str]) -> Callable[[dict[str, Any]], None]:
    """Return a function that writes a row of the sessions table, as the platform does."""
    return lambda row: aws_client("dynamodb").put_item(TableName=tables["SessionsTable"], Item=row)


class SecretAtHand(SessionSecrets):
    """A session secret in memory that was never rotated."""

    def _read(self, stage: str, _until: float) -> Version | None:
        return Version(SECRET, self._clock(), self._clock()) if stage == "AWSCURRENT" else None


@pytest.fixture
def deployed_sessions(session_secret: str, tables: dict[str, str], clock: Clock) -> Sessions:
    """Create `Sessions` like the authorizer does, but also accept plain cookies."""
    return Sessions(
        SessionSecrets(session_secret, 30, clock),
        StoredSessions(tables["SessionsTable"], clock),
        accept_plain=True,
        clock=clock,
    )


@pytest.fixture
def sessions(clock: Clock) -> Sessions:
    """Create `Sessions` with a secret in memory and a sessions table that does not exist."""
    return Sessions(SecretAtHand("", 30, clock), StoredSessions("out-of-reach", clock), accept_plain=True, clock=clock)


@pytest.fixture
def deploy(session_secret: str, tables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., ModuleType]:
    """Return a function that loads the authorizer with environment variables, as Lambda does."""

    def start(**variables: str) -> ModuleType:
        environment = {
            "KEY_FINGERPRINTS": f"{fingerprint(CURRENT_KEY)},{fingerprint(PREVIOUS_KEY)}",
            "SESSION_SECRET_ARN": session_secret,
            "SESSION_SECRET_OVERLAP_DAYS": "30",
            "SESSIONS_TABLE": tables["SessionsTable"],
            "KEYS_TABLE": tables["KeysTable"],
            "ACCEPT_PLAIN_COOKIES": "false",
            "PLATFORM_MAY_READ": "false",
            "OIDC_ISSUER": "",
        }
        for name, value in (environment | variables).items():
            monkeypatch.setenv(name, value)
        spec = spec_from_file_location("app", ROOT / "functions/authorizer/app.py")
        assert spec
        assert spec.loader
        app = module_from_spec(spec)
        spec.loader.exec_module(app)
        return app

    return start


@pytest.fixture
def authorizer(deploy: Callable[..., ModuleType]) -> ModuleType:
    return deploy()
