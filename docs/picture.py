"""make picture: draw docs/value-delivered.png, the page of `make run` after `make seed`, with a stack of its own.

The file beside the picture has a digest of what the picture shows: the page's files and the seeded data. `make check`
compares only this digest, because pixels differ between days and browsers.
"""

import argparse
import subprocess
import sys
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import expect

from tests.browsers import chromium
from tests.local.stacks import running

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs/value-delivered.png"
DIGEST = PICTURE.with_suffix(".sha256")
SHOWN = [
    *(ROOT / "dashboard/public" / name for name in ("index.html", "value-delivered.js", "value-delivered-more.js")),
    *(ROOT / "local" / name for name in ("demo.py", "seed.py")),
    Path(__file__),
]
"""What the picture depends on."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the picture, or check that it shows the present page. Raises SystemExit if it does not."""
    options = argparse.ArgumentParser(prog="python -m docs.picture")
    options.add_argument("--check", action="store_true", help="only check that the picture shows the present page")
    if options.parse_args(arguments).check:
        if DIGEST.read_text() != digest(PICTURE, *SHOWN):
            sys.exit(f"{PICTURE.relative_to(ROOT)} shows an earlier page or earlier data: run `make picture`.")
        return
    draw()
    DIGEST.write_text(digest(PICTURE, *SHOWN))


def digest(*files: Path) -> str:
    """Return a line with the SHA-256 of the contents of some files."""
    whole = sha256()
    for file in files:
        whole.update(sha256(file.read_bytes()).digest())
    return f"{whole.hexdigest()}\n"


def draw() -> None:
    """Write the picture of a new stack's page."""
    with (
        TemporaryDirectory() as folder,
        running(Path(folder), is_forked=False) as stack,
        chromium() as browser,
        browser.new_context(
            viewport={"width": 1000, "height": 1130}, device_scale_factor=2, color_scheme="light", locale="en-US"
        ) as context,
    ):
        subprocess.run([sys.executable, "-m", "local", "--data", stack.data, "seed"], cwd=ROOT, check=True)
        page = context.new_page()
        page.goto(stack.url)
        expect(page.locator("value-delivered .rows li")).to_have_count(20)
        expect(page.locator(".plot rect")).to_have_count(30)
        expect(page.locator(".net data")).to_be_visible()
        page.screenshot(path=PICTURE)


if __name__ == "__main__":
    main()
