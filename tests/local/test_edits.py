"""Edits take effect on the next request, and no data is lost by them."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.local.stacks import Stack, running


@pytest.fixture
def edited(project: Path, tmp_path: Path) -> Iterator[Stack]:
    with running(tmp_path, "--template", str(project / "template.yaml")) as stack:
        yield stack


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_an_edit_counts_from_the_next_request_on_and_keeps_the_data(edited: Stack, project: Path) -> None:
    with httpx.Client(base_url=edited.url, timeout=30) as client:
        assert client.post("/visits").text == "1 one 1"
        # Of the same length, and most likely within the same second.
        _edit(project / "functions/visits/app.py", 'VERSION = "1"', 'VERSION = "2"')
        assert client.post("/visits").text == "2 one 2"
        _edit(project / "layers/common/shared.py", "one", "two")
        assert client.post("/visits").text == "2 two 3"


def test_a_broken_edit_is_a_502_until_it_is_mended(edited: Stack, project: Path) -> None:
    file = project / "functions/visits/app.py"
    with httpx.Client(base_url=edited.url, timeout=30) as client:
        assert client.post("/visits").status_code == 200
        _edit(file, "VERSION = ", "VERSION == = ")
        assert client.post("/visits").status_code == 502
        assert "VisitsFunction: cannot be imported" in edited.log
        assert "SyntaxError" in edited.log
        _edit(file, "VERSION == = ", "VERSION = ")
        assert client.post("/visits").text == "1 one 2"


def test_a_function_that_cannot_be_imported_at_the_start_can_be_mended(project: Path, tmp_path: Path) -> None:
    file = project / "layers/common/shared.py"
    file.write_text("")
    with (
        running(tmp_path, "--template", str(project / "template.yaml")) as stack,
        httpx.Client(base_url=stack.url, timeout=30) as client,
    ):
        assert "ImportError: cannot import name 'WORD' from 'shared'" in stack.log
        assert client.post("/visits").status_code == 502
        file.write_text('WORD = "three"')
        assert client.post("/visits").text == "1 three 1"
