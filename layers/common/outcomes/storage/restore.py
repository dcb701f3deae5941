"""What must not stay as it was in a snapshot.

With SnapStart, Lambda initialises a function once and starts every environment from a copy of its memory:
https://docs.aws.amazon.com/lambda/latest/dg/snapstart-uniqueness.html
"""

import random


def reseed_after_restore() -> None:
    """Have each environment draw other pseudo-random numbers than its copies.

    Ids come from the operating system, which does not repeat itself, and the SDK asks for new credentials when its own
    are old. But the waits between attempts are drawn here: copies that got in each other's way would meet again.
    """
    try:
        from snapshot_restore_py import register_after_restore  # only Lambda's runtime has it
    except ImportError:
        return
    register_after_restore(random.seed)
