"""Test the package's public names, their docstrings, and the extras."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import httpx
import outcomes_client
import pytest
from outcomes_client import AsyncOutcomesClient, OutcomesClient, Retry
from outcomes_client._agents import Tool

FRAMEWORKS = {
    "claude_agent_sdk": ("claude_agent_sdk", "claude"),
    "langchain": ("langchain_core.callbacks", "langchain"),
    "openai_agents": ("agents", "openai-agents"),
    "statements": ("cryptography.exceptions", "statements"),
}
"""Modules that need more than the client: the package that each imports, and the extra that installs it."""
OFFERED = [getattr(outcomes_client, name) for name in outcomes_client.__all__]


@pytest.mark.parametrize("offered", OFFERED, ids=outcomes_client.__all__)
def test_every_export_has_a_docstring(offered: type) -> None:
    methods = [one for name, one in vars(offered).items() if not name.startswith("_") and inspect.isfunction(one)]
    for one in (offered, *methods):
        words = vars(one).get("__doc__") if isinstance(one, type) else one.__doc__
        assert words, one
        assert not words.startswith(f"{offered.__name__}("), one  # a dataclass gets this docstring by default


def test_the_clients_are_listed_before_they_are_imported() -> None:
    slow = {"httpcore", "httpx", "pydantic", *(needed for needed, _ in FRAMEWORKS.values())}
    listed = f"""import outcomes_client, sys
assert 'OutcomesClient' in dir(outcomes_client)
assert not sys.modules.keys() & {slow}"""
    subprocess.run([sys.executable, "-c", listed], check=True)


def test_a_name_that_is_not_listed_is_an_error_also_for_type_checkers() -> None:
    with pytest.raises(AttributeError, match="InventedClient"):
        outcomes_client.InventedClient  # type: ignore[attr-defined] # noqa: B018 - mypy finds no error to ignore if it sees __getattr__


def test_the_readme_names_each_argument_of_the_constructor() -> None:
    _, _, table = (Path(__file__).parents[1] / "README.md").read_text().partition("| argument of `OutcomesClient` |")
    rows = table.partition("\n\n")[0].splitlines()[2:]
    named = [name for row in rows for name in re.findall("`(.+?)`", row.split("|")[1])]
    for client in (OutcomesClient, AsyncOutcomesClient):
        assert sorted(named) == sorted(inspect.signature(client).parameters)
    [retry] = [row for row in rows if "`retry`" in row]
    says = ", ".join(f"{field.name}={field.default:g}" for field in dataclasses.fields(Retry))
    assert f"`Retry({says})`" in retry


def test_each_parameter_for_several_texts_also_takes_one() -> None:
    """A text is itself an iterable of texts: its letters would be taken for what the caller names."""

    def kinds(hint: Any) -> list[Any]:
        hint = getattr(hint, "__value__", hint)
        is_union = get_origin(hint) in (Union, UnionType)
        return [part for each in get_args(hint) for part in kinds(each)] if is_union else [hint]

    owners = (OutcomesClient, AsyncOutcomesClient, Tool)
    calls = [one for owner in owners for _, one in inspect.getmembers(owner, inspect.isfunction)]
    found = set()
    for call in calls:
        for name, hint in get_type_hints(call, localns={"httpx": httpx, "Run": Any}).items():
            parts = kinds(hint)
            if any(get_origin(part) is Iterable and str in kinds(get_args(part)[0]) for part in parts):
                found.add(name)
                assert str in parts, f"{call.__qualname__}: {name}"
    assert found >= {"types", "scopes", "outcome_type"}


def test_the_repr_of_a_client_shows_only_its_url() -> None:
    for client in (OutcomesClient, AsyncOutcomesClient):
        shown = repr(client("https://h", "s3cret", cookie="session=s3cret"))
        assert shown == f"{client.__name__}('https://h')"


@pytest.mark.parametrize(("module", "needed", "extra"), [(name, *needs) for name, needs in FRAMEWORKS.items()])
def test_modules_without_their_package_name_the_extra_that_brings_it(
    module: str, needed: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, f"outcomes_client.{module}", raising=False)
    monkeypatch.setitem(sys.modules, needed, None)
    with pytest.raises(ImportError, match=re.escape(f"uv pip install './clients/python[{extra}]'")):
        importlib.import_module(f"outcomes_client.{module}")
