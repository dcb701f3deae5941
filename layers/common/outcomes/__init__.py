"""The package that every function imports.

A cold start creates about 200,000 objects that stay alive, and hardly any garbage. The higher threshold keeps the
garbage collector from scanning them again and again. https://docs.python.org/3.13/library/gc.html#gc.set_threshold
"""

import gc

gc.set_threshold(100_000)
