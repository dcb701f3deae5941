"""Random request headers pass through the local API Gateway, which makes the authorizer's events."""

from types import ModuleType

from hypothesis import HealthCheck, event, example, given, settings
from hypothesis import strategies as st

from local.events import Pairs
from tests.auth.conftest import CURRENT_KEY, REAL_COOKIES
from tests.auth.gateway import send

SESSIONS: list[dict[str, str]] = [made["cookies"] for made in REAL_COOKIES["made"] if made["secure"]]
OUTCOME = b'{"outcomeType":"deal_closed","title":"Closed a deal"}'

lines = st.sampled_from(
    [
        *("; ".join(f"{name}={value}" for name, value in cookies.items()) for cookies in SESSIONS),
        *(f"{name}={value}" for cookies in SESSIONS for name, value in cookies.items()),
        *("theme=dark", "flag", "", "bad[x]=1", "__Secure-session=token", "__Secure-next-auth.session-token=x"),
        *(f"Bearer {CURRENT_KEY}", f"bearer  {CURRENT_KEY} ", f"Bearer {CURRENT_KEY}, Bearer {CURRENT_KEY}", "Bearer "),
    ]
)
# The local API Gateway decodes headers as Latin-1, so their values contain only characters of Latin-1.
values = lines | st.text(st.characters(codec="latin-1", exclude_characters="\r\n\0"), max_size=30)
names = st.sampled_from(["Cookie", "cookie", "COOKIE", "Authorization", "authorization", "Accept"])


def ask(authorizer: ModuleType, method: str, headers: Pairs) -> int:
    body = OUTCOME if method == "POST" else b""
    return send(authorizer, method, "/api/outcomes", [], [("Content-Type", "application/json"), *headers], body)[0]


def _has_credentials(method: str, headers: Pairs) -> bool:
    sent = {place: [value for name, value in headers if name.lower() == place] for place in ("cookie", "authorization")}
    cookies = "\n".join(sent["cookie"])
    has_session = any(all(value in cookies for value in session.values()) for session in SESSIONS)
    return has_session or (method == "POST" and any(CURRENT_KEY in value for value in sent["authorization"]))


WHOLE = "; ".join(f"{name}={value}" for name, value in SESSIONS[0].items())


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(requests=st.lists(st.tuples(st.sampled_from(["GET", "POST"]), st.lists(st.tuples(names, values), max_size=4))))
@example(requests=[("GET", [("Cookie", WHOLE), ("Cookie", "theme=dark")]), ("GET", [("Cookie", "theme=dark")])])
@example(requests=[("GET", [("cookie", WHOLE)]), ("GET", [("COOKIE", WHOLE), ("Cookie", "__Secure-session=token")])])
@example(requests=[("POST", [("Cookie", "\xff=\xfe"), ("Authorization", "Bearer \xe9")])])
def test_any_headers_are_a_401_unless_they_hold_credentials(
    authorizer: ModuleType, requests: list[tuple[str, Pairs]]
) -> None:
    for method, headers in requests:
        status = ask(authorizer, method, headers)
        event(f"{method} {status}")
        assert status in (200, 401)
        assert status == 401 or _has_credentials(method, headers)
