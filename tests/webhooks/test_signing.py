"""The official library verifies our signatures."""

import time
from base64 import b64decode, b64encode

import pytest
from outcomes.events.webhooks import is_id, signed, signing_key
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

# Secrets Manager generates such secrets: letters and digits, without prefix and padding.
SECRET = "made0up0webhook0secret0of0sixty0four0letters0and0digits0as0aws00"
OTHER = "whsec_" + b64encode(b"made-up-other-webhook-secret").decode()
BODY = '{"id":"01M881HMN5BK0R53WV7N3P1R3Q","data":{"title":"Grüße","value_usd":12.50}}'.encode()


@pytest.fixture
def now() -> int:
    """Return the real time in seconds since 1970, because the library refuses old signatures."""
    return int(time.time())


def test_the_official_library_verifies_it(now: int) -> None:
    headers = signed("event:1", now, BODY, [signing_key(SECRET)])

    assert Webhook(SECRET).verify(BODY, headers)["data"]["title"] == "Grüße"
    assert Webhook(f"whsec_{SECRET}").verify(BODY, headers)


def test_while_a_secret_is_rotated_either_verifies_it(now: int) -> None:
    headers = signed("event:1", now, BODY, [signing_key(OTHER), signing_key(SECRET)])

    assert len(headers["webhook-signature"].split(" ")) == 2
    for secret in (SECRET, OTHER):
        assert Webhook(secret).verify(BODY, headers)


def test_a_signature_is_the_specification_s() -> None:
    """This is the example that the libraries use in their own tests: https://github.com/standard-webhooks/standard-webhooks/tree/main/libraries"""
    headers = signed(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        [signing_key("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
    )

    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize(
    ("secret", "id_", "later", "body"),
    [
        pytest.param(OTHER, "event:1", 0, BODY, id="another secret"),
        pytest.param(SECRET, "event:1", 0, BODY + b" ", id="another body"),
        pytest.param(SECRET, "event:2", 0, BODY, id="another id"),
        pytest.param(SECRET, "event:1", 1, BODY, id="another time"),
    ],
)
def test_any_change_is_refused(now: int, secret: str, id_: str, later: int, body: bytes) -> None:
    headers = signed("event:1", now, BODY, [signing_key(SECRET)])
    headers |= {"webhook-id": id_, "webhook-timestamp": str(now + later)}

    with pytest.raises(WebhookVerificationError, match="No matching signature"):
        Webhook(secret).verify(body, headers)


def test_an_old_signature_is_refused(now: int) -> None:
    headers = signed("event:1", now - 301, BODY, [signing_key(SECRET)])

    with pytest.raises(WebhookVerificationError, match="too old"):
        Webhook(SECRET).verify(BODY, headers)


def test_a_key_is_the_decoded_secret() -> None:
    assert signing_key(SECRET) == signing_key(f"whsec_{SECRET}") == signing_key(f"{SECRET}\n") == b64decode(SECRET)
    assert len(signing_key(SECRET)) == 48


@pytest.mark.parametrize(
    "secret",
    ["", "whsec_", "not base64, but a pass phrase", "made-up-" * 6, *(b64encode(b"x" * n).decode() for n in (23, 65))],
)
def test_an_invalid_secret_is_not_quoted(secret: str) -> None:
    with pytest.raises(ValueError, match=r"^not Base64 of 24 to 64 bytes$"):
        signing_key(secret)


@pytest.mark.parametrize("value", ["01M881HMN5BK0R53WV7N3P1R3Q", "01M881HMN5BK0R53WV7N3P1R3Q:2", "a/b#c_d-e"])
def test_these_ids_are_valid(value: str) -> None:
    assert is_id(value)


@pytest.mark.parametrize("value", ["", "a.b", "a b", "a\r\nx: y", "é", "x" * 257, None, 7])
def test_these_ids_are_invalid(value: object) -> None:
    """If an id contained a full stop, its end could be mistaken for a timestamp."""
    assert not is_id(value)
