"""Find the notes of a release in the changelog."""

import re

from release.version import ROOT


def notes(version: str, changelog: str | None = None) -> str:
    """Return the changelog's entry for a version, or the entry "Unreleased" for a development version.

    Raises ValueError if the entry is missing.
    """
    heading = "Unreleased" if ".dev" in version else version
    text = (ROOT / "CHANGELOG.md").read_text() if changelog is None else changelog
    found = re.search(rf"^## {re.escape(heading)}\b.*\n((?:(?!## ).*\n?)*)", text, re.MULTILINE)
    if found is None:
        raise ValueError(f"CHANGELOG.md has no heading `## {heading}`")
    return found[1].strip() + "\n"
