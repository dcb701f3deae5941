"""Load all modules of `python -m local`. Processes forked after this import need not load them again.

Many modules are loaded only when they are first used. So this module creates the tables and secrets of a stack once.
"""

import gc
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from local.environment import forget_real_aws

ROOT = Path(__file__).parents[2]

gc.disable()
forget_real_aws()  # forget the real AWS account before an SDK is loaded, because SDKs read the environment only once
sys.path.insert(0, str(ROOT / "layers" / "common"))

import local.seed  # noqa: E402, F401 (see above)
from local.aws import Aws  # noqa: E402
from local.moto_backend import mock_aws  # noqa: E402
from local.stack import Settings, local_parameters  # noqa: E402
from local.template import load  # noqa: E402

with TemporaryDirectory() as folder:
    settings = Settings(ROOT / "template.yaml", Path(folder), port=0, key="", session_secret="rehearsed", aws_secret="")
    aws = Aws(settings.data / "journal", settings.aws_secret)
    aws.create(load(settings.template, local_parameters(settings, settings.port), {}), settings.secrets)
    aws.close()
mock_aws().reset()
gc.collect()
gc.freeze()
