"""Test sessions on the running stack."""

import httpx

from tests.local.stacks import Stack


def _get(stack: Stack, *cookie_lines: str) -> httpx.Response:
    return httpx.get(f"{stack.url}/api/outcomes", headers=[("Cookie", line) for line in cookie_lines], timeout=30)


def _record(stack: Stack, user_id: int, title: str) -> None:
    outcome = {"outcomeType": "deal_closed", "title": title, "userId": user_id}
    headers = {"Authorization": f"Bearer {stack.key}"}
    assert httpx.post(f"{stack.url}/api/outcomes", json=outcome, headers=headers, timeout=30).status_code == 200


def _titles(response: httpx.Response) -> list[str]:
    return [outcome["title"] for outcome in response.json()["outcomes"]]


def test_several_cookie_lines_are_one_header(stack: Stack) -> None:
    _record(stack, 8101, "A deal of 8101")
    cookie = stack.cookie(8101)
    for lines in ([cookie, "lines=1"], ["lines=2", cookie], ["lines=3", cookie, "lines=4"]):
        assert _titles(_get(stack, *lines)) == ["A deal of 8101"]


def test_a_part_of_a_users_cookie_lines_is_not_the_users_session(stack: Stack) -> None:
    cookie = stack.cookie(8102)
    for lines in ([cookie, "theme=dark"], ["theme=dark", cookie], ["theme=dark", cookie, "theme=light"]):
        assert _get(stack, *lines).status_code == 200
        for others in (["theme=dark"], ["theme=light"], ["theme=light", "theme=dark"], ["theme=dark", "theme=dark"]):
            assert _get(stack, *others).status_code == 401


def test_users_who_share_a_cookie_line_do_not_share_outcomes(stack: Stack) -> None:
    _record(stack, 8103, "A deal of 8103")
    _record(stack, 8104, "A deal of 8104")
    assert _titles(_get(stack, stack.cookie(8103), "language=en")) == ["A deal of 8103"]
    assert _titles(_get(stack, stack.cookie(8104), "language=en")) == ["A deal of 8104"]
