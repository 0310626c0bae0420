"""A NumPy course kit about one hard thing: the gradient of batch normalization."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036  such a Python can read this file, and not those it imports
    sys.exit("cs231n: Python 3.10 to 3.14 is needed, this is {}.{}; try another".format(*sys.version_info))
