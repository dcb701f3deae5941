"""make check compares the picture in README with the page that it shows. docs/picture.py draws it."""

from pathlib import Path

import pytest

from docs import picture


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a file of the page whose picture was drawn just now."""
    drawn, page = tmp_path / "page.png", tmp_path / "page.js"
    drawn.write_bytes(b"pixels")
    page.write_text("show(value)")
    changed = {"ROOT": tmp_path, "PICTURE": drawn, "DIGEST": tmp_path / "page.sha256", "SHOWN": [page]}
    for name, value in changed.items():
        monkeypatch.setattr(picture, name, value)
    monkeypatch.setattr(picture, "draw", lambda: None)
    picture.main([])
    return page


@pytest.mark.usefixtures("page")
def test_a_picture_of_the_present_page_passes() -> None:
    picture.main(["--check"])


@pytest.mark.parametrize("name", ["page.js", "page.png"])
def test_a_change_of_the_page_or_the_picture_alone_is_refused(page: Path, name: str) -> None:
    (page.parent / name).write_text("show(value, cost)")
    with pytest.raises(SystemExit, match="shows an earlier page or earlier data: run `make picture`"):
        picture.main(["--check"])
