"""Several processes at one cache, killed ones, a disk that fills up, a user who may not write."""

import os
import random
import shutil
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from cs231n.data.cache import cache_folder, has_digest
from tests.support.data_search import KEPT, find, in_cache, start
from tests.support.namespaces import can_unshare
from tests.support.tally import tried

pytestmark = [
    pytest.mark.reliability,
    pytest.mark.skipif(os.name == "nt", reason="needs the signals and users of Unix"),
]


def test_five_processes_at_once_download_once_and_read_the_same(home, tiny, server, many):
    for round in range(10 if many else 1):
        shutil.rmtree(home / "cache", ignore_errors=True)
        del server.requests[:]
        data = tiny._replace(mirrors=(server.address("slow"),))
        with ThreadPoolExecutor(5) as pool:
            running = list(pool.map(lambda _, data=data: start(home, data), range(5)))
        if round % 2:  # one dies, perhaps the one that fetches, and another goes on
            time.sleep(0.04 * round)
            running.pop(0).kill()
        for process in running:
            out, err = process.communicate(timeout=60)
            with tried("Data", "five processes at once on an empty cache"):
                assert out.decode().split() == [tiny.digest, "True"], err
        with tried("Data", "five processes at once on an empty cache"):
            assert len([way for way, first in server.requests if first is None]) <= 1 + round % 2
            assert in_cache() == KEPT


def test_a_search_killed_at_any_moment_leaves_nothing_half(home, tiny, server, many):
    """Once it was killed, the file under its own name is whole or absent, and the next search succeeds."""
    data, moments = tiny._replace(mirrors=(server.address("slow"),)), random.Random(231)
    wanted, landed = 50 if many else 3, 0
    for _ in range(2 * wanted):
        shutil.rmtree(home / "cache", ignore_errors=True)
        child = start(home, data)
        time.sleep(moments.uniform(0, 0.5))  # the server alone takes as long
        child.send_signal(signal.SIGKILL)
        out, _ = child.communicate(timeout=60)
        if out:  # it had come to its end
            continue
        landed += 1
        with tried("Data", "kill -9 at a random moment"):
            kept = cache_folder() / "cifar-10.npy"
            assert has_digest(kept, tiny.digest) or not kept.exists()
            found = find(home, tiny, "good", server=server)
            assert found.real and has_digest(found.path, tiny.digest) and in_cache() == KEPT
        if landed == wanted:
            break
    assert landed == wanted, "most kills came after the end, and prove nothing"


@pytest.mark.skipif(not can_unshare(), reason="needs a disk of its own, by unshare and mount")
def test_a_full_disk_is_one_clear_line_and_with_room_all_is_well(home, tiny, server, many):
    for tool in ("unshare", "mount", "umount"):
        if path := shutil.which(tool, path=os.defpath):
            (home / "bin" / tool).symlink_to(path)
    (home / "cache").mkdir()
    pages = range(1, 205) if many else (1, 50, 91, 120, 183, 200)
    disks = [f"size={4 * n}k" for n in pages] + [f"nr_inodes={n}" for n in range(1, 8)] + ["size=1m", "ro"]
    for way in ("good", "404"):
        data = tiny._replace(mirrors=(server.address(way),))
        if way == "404":
            disks = disks[:: 10 if many else 3]
        child = start(home, data, "disk", *disks, before=["unshare", "-Urm"])
        out, err = child.communicate(timeout=300)
        lines = out.decode().splitlines()
        assert len(lines) == 2 * len(disks), (out, err)
        outcomes = set()
        for disk, first, second in zip(disks, lines[::2], lines[1::2], strict=True):
            with tried("Data", "a disk that is full, or soon"):
                right = f"{tiny.digest} True" if way == "good" else " False"
                clear = first.startswith("DataError cannot write to the cache") and "make room" in first
                assert first.endswith(right) or clear, (disk, first)
                assert right in second and (way == "404" or str(KEPT) in second), (disk, second)
                outcomes.add("DataError" in first)
        assert outcomes == {True, False}
        assert b"127.0.0.1: [" not in err  # nor is the disk taken for a fault of the mirror
