"""Environment variables of the processes that this one starts."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

__all__ = ["ONE_THREAD", "environment"]

ONE_THREAD = {  # of each BLAS library; it reads them when numpy is imported
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "VECLIB_MAXIMUM_THREADS": "1",
}


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """Set variables for the processes that start within, and then set them back."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
