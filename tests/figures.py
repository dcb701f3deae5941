"""Count what tests tried, for the table of docs/proof.md."""

import json
import os
from pathlib import Path


def count(**figures: int) -> None:
    """Add to the figures of the part of `make proof` that runs. Do nothing outside of it."""
    if file := os.environ.get("FIGURES"):
        with Path(file).open("a") as lines:
            lines.write(json.dumps(figures) + "\n")
