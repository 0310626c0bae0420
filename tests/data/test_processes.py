"""Several processes at one cache, killed ones, and a disk that fills up."""

import os
import random
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cs231n.data.cache import cache_folder, has_digest
from tests.support.data_search import CACHE_FILES, cache_listing, find, start_search
from tests.support.namespaces import can_unshare
from tests.support.tally import tried

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(os.name == "nt", reason="needs the signals and users of Unix"),
]


def test_five_processes_at_once_download_once_and_read_the_same(home, tiny, server, many):
    published = tiny._replace(mirrors=(server.address("slow"),))
    for round in range(10 if many else 1):
        shutil.rmtree(home / "cache", ignore_errors=True)
        del server.requests[:]
        with ThreadPoolExecutor(5) as pool:
            children = list(pool.map(lambda _: start_search(home, published), range(5)))
        if round % 2:  # one dies, perhaps the one that fetches, and another goes on
            time.sleep(0.04 * round)
            children.pop(0).kill()
        for child in children:
            out, err = child.communicate(timeout=60)
            with tried("Data", "five processes at once on an empty cache"):
                assert out.decode().split() == [tiny.digest, "True"], err
        with tried("Data", "five processes at once on an empty cache"):
            assert len([fault for fault, requested in server.requests if requested is None]) <= 1 + round % 2
            assert cache_listing() == CACHE_FILES


def test_search_killed_at_any_moment_leaves_nothing_half(home, tiny, server, many):
    """After the kill the file under its own name is whole or absent, and the next search succeeds."""
    published, moments = tiny._replace(mirrors=(server.address("slow"),)), random.Random(231)
    kills, goal = 0, 50 if many else 3
    for _ in range(2 * goal):
        shutil.rmtree(home / "cache", ignore_errors=True)
        child = start_search(home, published)
        time.sleep(moments.uniform(0, 0.5))  # the server alone takes as long
        child.send_signal(signal.SIGKILL)
        out, _ = child.communicate(timeout=60)
        if out:  # it had come to its end
            continue
        kills += 1
        with tried("Data", "kill -9 at a random moment"):
            images = cache_folder() / "cifar-10.npy"
            assert has_digest(images, tiny.digest) or not images.exists()
            dataset = find(home, tiny, "good", server=server)
            assert dataset.real and has_digest(dataset.path, tiny.digest) and cache_listing() == CACHE_FILES
        if kills == goal:
            break
    assert kills == goal, "most kills came after the end, and prove nothing"


@pytest.mark.skipif(not can_unshare(), reason="needs a disk of its own, by unshare and mount")
@pytest.mark.parametrize("fault, step", [("good", 1), ("404", 3)])
def test_full_disk_is_one_clear_line_and_with_room_all_is_well(home, tiny, server, many, fault, step):
    for tool in ("unshare", "mount", "umount"):
        if path := shutil.which(tool, path=os.defpath):
            (home / "bin" / tool).symlink_to(path)
    (home / "cache").mkdir()
    pages = range(1, 205) if many else (1, 50, 91, 120, 183, 200)
    disks = [f"size={4 * n}k" for n in pages] + [f"nr_inodes={n}" for n in range(1, 8)] + ["size=1m", "ro"]
    disks = disks[:: 10 if many and step > 1 else step]
    published = tiny._replace(mirrors=(server.address(fault),))
    child = start_search(home, published, "disk", *disks, before=["unshare", "-Urm"])
    out, err = child.communicate(timeout=300)
    lines = out.decode().splitlines()
    assert len(lines) == 2 * len(disks), (out, err)
    right = f"{tiny.digest} True" if fault == "good" else " False"
    refusals = 0
    for disk, first, second in zip(disks, lines[::2], lines[1::2], strict=True):
        with tried("Data", "a full disk, or one that fills up"):
            refused = first.startswith("DataError cannot write to the cache") and "free disk space" in first
            assert refused or first.endswith(right), (disk, first)
            assert right in second and (fault == "404" or str(CACHE_FILES) in second), (disk, second)
            refusals += refused
    assert 0 < refusals < len(disks)
    assert b"127.0.0.1: [" not in err  # nor is the disk taken for a fault of the mirror
