"""python -m cs231n data: fetch CIFAR-10 if necessary, verify it, and print where it came from."""

import sys

from cs231n.common.terminal import log
from cs231n.data import synthetic
from cs231n.data.cache import cached_digest
from cs231n.data.errors import DataError
from cs231n.data.sources import locate

__all__ = ["main"]


def main() -> int:
    """Return the exit status: 0 with CIFAR-10 or the announced stand-in, 1 if neither, 130 if interrupted."""
    try:
        dataset = locate(retry=True)
    except DataError as error:
        print(f"data: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("data: interrupted; run it again to continue", file=sys.stderr)
        return 130
    if not dataset.real:
        log(synthetic.BANNER)
    print("CIFAR-10" if dataset.real else "the stand-in, not CIFAR-10")
    print(f"  source   {dataset.source}")
    for name, size, digest in dataset.files:
        print(f"  file     {name}, {size:,} bytes\n  sha256   {digest}")
    print(f"  kept as  {dataset.path}\n           {dataset.path.stat().st_size:,} bytes")
    print(f"  content  {cached_digest(dataset.path)}")
    verdict = "all as published" if dataset.real else "NOT CIFAR-10"
    print(f"           50,000 images to train on, 10,000 to test on; {verdict}")
    return 0
