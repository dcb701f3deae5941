"""Code edits take effect on the next request, and no data is lost."""

from pathlib import Path

import httpx

from tests.local.stacks import running


def _edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def test_an_edit_that_fixes_changes_or_breaks_code_applies_from_the_next_request(project: Path, tmp_path: Path) -> None:
    """The same stack runs during all edits. It counts the visits, so the test would notice lost data."""
    function, layer = project / "functions/visits/app.py", project / "layers/common/shared.py"
    layer.write_text("")
    with (
        running(tmp_path, "--template", str(project / "template.yaml")) as stack,
        httpx.Client(base_url=stack.url, timeout=30) as client,
    ):
        assert client.post("/visits").status_code == 502
        assert "ImportError: cannot import name 'WORD' from 'shared'" in stack.log
        layer.write_text('WORD = "one"')
        assert client.post("/visits").text == "1 one 1"

        # The new text is as long as the old one and may be written in the same second, so size and time may not show
        # the edit.
        _edit(function, 'VERSION = "1"', 'VERSION = "2"')
        assert client.post("/visits").text == "2 one 2"
        _edit(layer, "one", "two")
        assert client.post("/visits").text == "2 two 3"

        _edit(function, "VERSION = ", "VERSION == = ")
        assert client.post("/visits").status_code == 502
        assert "VisitsFunction: cannot be imported" in stack.log
        assert "SyntaxError" in stack.log
        _edit(function, "VERSION == = ", "VERSION = ")
        assert client.post("/visits").text == "2 two 4"
