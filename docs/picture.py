"""make picture: draw docs/value-delivered.png, the page of `make run` after `make seed`, with a stack of its own.

The file beside the picture has a hash of what the picture shows: the page's files and the seeded data. `make check`
compares only this hash, because pixels differ between days and browsers.
"""

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import expect

from ops.command import exit_code, positional
from tests.browsers import chromium
from tests.local.stacks import running

ROOT = Path(__file__).parents[1]


def main() -> int:
    """Run the command, and return the exit code of the process."""
    return exit_code(draw)


def draw() -> None:
    """Write the picture of a new stack's page."""
    positional()
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
        expect(page.locator(".plot .bar")).to_have_count(30)
        expect(page.locator(".net data")).to_be_visible()
        page.screenshot(path=ROOT / "docs/value-delivered.png")


if __name__ == "__main__":
    sys.exit(main())
