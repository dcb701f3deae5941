"""The package that every function imports.

Starting makes some two hundred thousand objects that stay, and hardly any garbage. The collector would look them
through time and again; with this threshold it does not. https://docs.python.org/3.13/library/gc.html#gc.set_threshold
"""

import gc

gc.set_threshold(100_000)
