"""The package that every function imports.

A cold start creates about 200,000 objects that stay alive, and hardly any garbage. With Python's default threshold, the
garbage collector would scan these objects many times. https://docs.python.org/3.13/library/gc.html#gc.set_threshold
"""

import gc

gc.set_threshold(100_000)
