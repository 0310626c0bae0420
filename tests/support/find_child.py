"""A process that searches for a data set, in the cache that the variables name; see start_search.

python find_child.py DATASETS              once; prints its digest and whether it is real
python find_child.py DATASETS nobody       the same as a user who may not write everywhere
python find_child.py DATASETS disk ...     on each small disk: "size=40k", then with room; see search_on_disks
"""

import os
import pickle
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from cs231n.data import sources, synthetic
from cs231n.data.cache import cache_folder, cached_digest, content_digest
from cs231n.data.errors import DataError

NOBODY = 65534


def search(published, datasets):
    try:
        dataset = sources.locate(published, Path(datasets), retry=True)
        return f"{cached_digest(dataset.path)} {dataset.real}"
    except DataError as e:
        return f"DataError {e}"


def search_on_disks(published, datasets, disks):
    """Mount the cache on each disk in turn; a line about the search, and about the next one with room.

    A remount names the device, or mount repeats options with users that mean nothing in this name space.
    """
    folder = cache_folder().parent
    for options in disks:
        os.system(f"mount -t tmpfs -o {options} none '{folder}'")
        sources.FREE_SPACE = 600_000_000 if "size=1m" in options else 0
        print(search(published, datasets))
        sources.FREE_SPACE = 0
        os.system(f"mount -o remount,rw,size=4m,nr_inodes=100 none '{folder}'")
        print(search(published, datasets), sorted(p.name for p in cache_folder().iterdir()), flush=True)
        os.system(f"umount '{folder}'")


if __name__ == "__main__":
    datasets, *words = sys.argv[1:]
    published, blocks = pickle.load(sys.stdin.buffer)
    synthetic.make_blocks, synthetic.DIGEST = lambda: blocks, content_digest(blocks)
    if words == ["nobody"] and os.geteuid() == 0:
        "x".encode("idna")  # imported by the first look at a host, from where nobody may not read
        os.setgroups([])
        os.setuid(NOBODY)
    print("ready", flush=True)
    if words[:1] == ["disk"]:
        search_on_disks(published, datasets, words[1:])
    else:
        print(search(published, datasets))
