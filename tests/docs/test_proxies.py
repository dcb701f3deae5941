"""The configurations of nginx, Caddy and Vercel in docs/examples pass on every call that a page can make."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ops.template import declared_calls

PROXIES = Path(__file__).parents[2] / "docs/examples/proxies"


def nginx(path: str) -> bool:
    [location] = re.findall(r"^location ~ (\S+) \{", (PROXIES / "nginx.conf").read_text(), re.M)
    return bool(re.search(location, path))


def caddy(path: str) -> bool:
    [location] = re.findall(r"^@api path_regexp (\S+)$", (PROXIES / "Caddyfile").read_text(), re.M)
    return bool(re.search(location, path))


def vercel(path: str) -> bool:
    [rewrite] = json.loads((PROXIES / "vercel.json").read_text())["rewrites"]
    [(source, names)] = re.findall(r"^(/api/:name)(\(.+\))/:path\*$", rewrite["source"])
    assert rewrite["destination"] == f"https://abcde12345.execute-api.eu-central-1.amazonaws.com/v1{source}/:path*"
    return bool(re.fullmatch(f"/api/{names}(/.*)?", path))


@pytest.mark.parametrize("passes", [nginx, caddy, vercel])
def test_a_proxy_passes_on_every_path_under_api_and_no_other(passes: Any, template: Any) -> None:
    paths = {call.path for call in declared_calls(template)}
    assert {path: passes(path) for path in paths} == {path: path.startswith("/api/") for path in paths}
    assert [path for path in ("/api", "/api/costsx", "/costs", "/api/auth/session") if passes(path)] == []


def test_a_proxy_puts_the_stage_before_the_path(template: Any) -> None:
    [_, [stage]] = template["Resources"]["OutcomesApi"]["Properties"]["StageName"]["Fn::Select"]
    texts = "".join(file.read_text() for file in PROXIES.iterdir())
    assert re.findall(r"(?:amazonaws\.com|rewrite \*) ?/(\w+)", texts) == [stage] * 3
