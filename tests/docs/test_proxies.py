"""The configurations of nginx, Caddy and Vercel in docs/examples pass on every call that a page can make."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from ops.template import declared_paths

PROXIES = Path(__file__).parents[2] / "docs/examples/proxies"


def nginx(path: str) -> bool:
    [location] = re.findall(r"^location ~ (\S+) \{", (PROXIES / "nginx.conf").read_text(), re.M)
    return bool(re.search(location, path))


def caddy(path: str) -> bool:
    [paths] = re.findall("^@api path (.+)$", (PROXIES / "Caddyfile").read_text(), re.M)
    return any(fnmatchcase(path, each) for each in paths.split())


def vercel(path: str) -> bool:
    rewrites = json.loads((PROXIES / "vercel.json").read_text())["rewrites"]
    to = "https://abcde12345.execute-api.eu-central-1.amazonaws.com/prod"
    assert all(each["destination"] == to + each["source"] for each in rewrites)
    sources = [each["source"].removesuffix("/:path*") for each in rewrites]
    return any(path == source or path.startswith(f"{source}/") for source in sources)


@pytest.mark.parametrize("passes", [nginx, caddy, vercel])
def test_a_proxy_passes_on_every_path_under_api_and_no_other(passes: Any, template: Any) -> None:
    paths = declared_paths(template["Resources"]["OutcomesApi"]["Properties"])
    assert {path: passes(path) for path in paths} == {path: path.startswith("/api/") for path in paths}
    assert [path for path in ("/api", "/api/costsx", "/costs", "/api/auth/session") if passes(path)] == []
