"""Run code in SAM CLI's own environment, because SAM CLI's packages conflict with those of the tests.

`make test` installs this environment.
"""

import json
import os
import subprocess
from typing import Any

from release.version import ROOT


def in_sam(code: str, *arguments: object) -> Any:
    """Run code, and return the JSON that it prints."""
    done = subprocess.run(
        [ROOT / ".tools/sam/bin/python", "-c", code, *map(str, arguments)],
        env=os.environ | {"SAM_CLI_TELEMETRY": "0", "AWS_DEFAULT_REGION": "us-east-1", "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
