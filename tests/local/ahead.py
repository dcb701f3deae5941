"""python -m tests.local.ahead: a local stack whose schedules see a clock that each SIGUSR1 moves by 15 minutes."""

import signal
import sys
import time
from types import SimpleNamespace
from unittest.mock import patch

from local.__main__ import main

ahead = [0]
signal.signal(signal.SIGUSR1, lambda *_: ahead.append(900))
patch("local.delivery.time", SimpleNamespace(time=lambda: time.time() + sum(ahead))).start()
sys.exit(main())
