"""Archives and files made to do harm, in the place of those that CIFAR-10 comes in: lists of pytest.param."""

import functools
import gzip
import os
import pickle
import struct
import tarfile
import time
import zlib
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from cs231n.data.formats import BATCHES
from tests.support.tiny_cifar import python2_pickle, tiny_batches

BATCH = f"cifar-10-batches-py/{BATCHES[0]}"
GIGABYTE = 1 << 30
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
KNOWS_PEAK = os.access(CLEAR, os.W_OK) and "VmHWM" in STATUS.read_text()
MAX_MEMORY = 400e6  # bytes beyond those before; reading CIFAR-10 itself takes 2 x 184 MB
MAX_TIME = 10  # seconds of processor time, on a slow machine


def _kilobytes(name):
    return int(next(line for line in STATUS.read_text().splitlines() if line.startswith(name)).split()[1])


@contextmanager
def bounded():
    """Fails if the block takes more memory, where the system reports it, or more time."""
    if KNOWS_PEAK:
        CLEAR.write_text("5")  # the peak starts anew
        before = _kilobytes("VmRSS")
    began = time.process_time()
    try:
        yield
    finally:
        assert time.process_time() - began < MAX_TIME
        if KNOWS_PEAK:
            assert 1024 * (_kilobytes("VmHWM") - before) < MAX_MEMORY


class Call:
    """Its pickle calls a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def header(name, size=0, kind=tarfile.REGTYPE, link="", **numbers):
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    for key, value in numbers.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def member(name, content):
    return header(name, len(content)) + content + bytes(-len(content) % 512)


def tiny_tar(but=()):
    """The set of one image a batch as members of a tar, except for some."""
    return b"".join(
        member(f"cifar-10-batches-py/{name}", python2_pickle(*batch))
        for name, batch in zip(BATCHES, tiny_batches(rows=1), strict=True)
        if name not in but
    )


@functools.lru_cache(1)
def zeros(n):
    """n bytes of zeros, packed a thousandfold: members of a gzip may follow one another."""
    return gzip.compress(bytes(1 << 24), 9) * (n >> 24)


def sparse(name, size, offset):
    """The header of a member whose size bytes are a hole but for the last 512."""
    block = bytearray(header(name, 512, tarfile.GNUTYPE_SPARSE))
    block[386:410] = b"%011o\0%011o\0" % (offset, 512)
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def pax_sparse(name, size):
    """The same in the newer form, which keeps the map of the holes in the member."""
    info = tarfile.TarInfo("x")
    info.size = 512
    info.pax_headers = {
        "GNU.sparse.major": "1",
        "GNU.sparse.minor": "0",
        "GNU.sparse.name": name,
        "GNU.sparse.realsize": str(size),
    }
    return info.tobuf(tarfile.PAX_FORMAT) + f"1\n{size}\n0\n".encode().ljust(512, b"\0")


def _hostile_tars():
    """(make() -> bytes of the .tar.gz, whether the right images are in it all the same)"""
    whole, rest = tiny_tar(), tiny_tar(but=BATCHES[:1])
    first, wrong = (python2_pickle(*tiny_batches(seed=seed, rows=1)[0]) for seed in (0, 1))
    eight, ten = 8 * GIGABYTE - 512, 10 * GIGABYTE
    long_name = header("x", 1, tarfile.GNUTYPE_LONGNAME) + bytes(512)
    for id, make, right in (
        ("a member that climbs out", lambda: member("../../outside", b"x") + whole, True),
        ("an absolute member", lambda: member(os.path.abspath("outside"), b"x") + whole, True),
        ("a batch that climbs out", lambda: member(f"../{BATCH}", first) + rest, False),
        ("a batch in a folder elsewhere", lambda: member(f"/{BATCH}", first) + rest, False),
        (
            "a batch that calls",
            lambda: member(BATCH, pickle.dumps(Call(open, "outside", "w"))) + rest,
            False,
        ),
        ("a duplicate, the last right", lambda: member(BATCH, wrong) + whole, True),
        ("a duplicate, the last wrong", lambda: whole + member(BATCH, wrong), False),
        ("a negative size", lambda: header(BATCH, -512) + rest, False),
        ("a size of 8 GB, and no more", lambda: header(BATCH, eight) + rest, False),
        ("a size beyond 64 bits", lambda: header(BATCH, 1 << 80) + rest, False),
        ("a hole of 8 GB", lambda: sparse(BATCH, eight, 0) + bytes(512) + rest, False),
        ("a hole of 60 MB", lambda: sparse(BATCH, 60_000_000, 0) + bytes(512) + rest, False),
        ("a hole of 10 GB, the newer form", lambda: pax_sparse(BATCH, ten) + rest, False),
        ("a hole beyond its end", lambda: sparse(BATCH, 1024, 1 << 32) + bytes(512) + rest, False),
        ("names without end", lambda: long_name * 5000 + whole, False),
        ("100,000 members", lambda: header("x") * 100_000 + whole, False),
        ("nothing", lambda: b"", False),
    ):
        yield id, lambda make=make: gzip.compress(make(), 1), right
    for kind in ("SYM", "LNK", "FIFO", "BLK", "CHR", "DIR"):  # major and minor are those of /dev/zero
        entry = functools.partial(header, BATCH, 0, getattr(tarfile, f"{kind}TYPE"), devmajor=1, devminor=5)
        yield (
            f"{kind} in the place of a batch",
            lambda entry=entry: gzip.compress(entry(link="outside") + rest, 1),
            False,
        )
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.REGTYPE):
        packed = gzip.compress(header("x", eight, kind))
        yield (
            f"10 GB of zeros after a header {kind}",
            lambda packed=packed: packed + zeros(ten),
            False,
        )
    yield "10 GB of zeros", lambda: zeros(ten), False
    yield "no archive", lambda: bytes(5000), False
    yield "a zip", lambda: b"PK\3\4" + bytes(500), False


HOSTILE_TARS = [pytest.param(make, right, id=id) for id, make, right in _hostile_tars()]


def _hostile_pickles():
    """make() -> bytes. Calls are another matter: Call."""
    array = np.arange(3072).astype(np.uint8)[None]
    batch = python2_pickle(array, [0])
    laughs = [0] * 10
    for _ in range(12):
        laughs = [laughs] * 10
    deep = pickle.dumps(laughs, 2)[2:-1]  # a message that quotes it never ends
    yield "a text of 8 EB", lambda: b"\x80\x04}\x8e" + struct.pack("<Q", 1 << 63) + b"."
    yield "a frame of 8 EB", lambda: b"\x80\x04\x95" + struct.pack("<Q", 1 << 63) + b"."
    yield "a file of 64 MB and more", lambda: bytes((1 << 26) + 1)
    yield "10^13 labels", lambda: pickle.dumps({"data": array, "labels": laughs}, 2)
    yield "10^13 pixels", lambda: pickle.dumps({"data": laughs, "labels": [0]}, 2)
    yield "30 million labels", lambda: pickle.dumps({"data": array, "labels": np.zeros(30_000_000, np.uint8)})
    yield "100,000 lists, one in another", lambda: b"]" * 100_000 + b"a" * 99_999 + b"."
    yield "an array of 6 TB", lambda: batch.replace(b"K\x01M\x01\x00", b"K\x01J\xff\xff\xff\x7f")
    yield "an array of objects", lambda: batch.replace(b"U\x02u1", b"U\x02O8")
    for id, make in (
        ("a dtype", b"cnumpy\ndtype\n%bNN\x87R."),
        ("the state of a dtype", b"cnumpy\ndtype\nU\x02u1\x85R(K\x03%btb."),
        (
            "a shape",
            b"cnumpy.core.multiarray\n_reconstruct\nNNN\x87R(K\x01%bcnumpy\ndtype\nU\x02u1\x85R\x89Ntb.",
        ),
        ("an encoding", b"c_codecs\nencode\nU\x01x%b\x86R."),
        ("the dtype of a buffer", b"cnumpy.core.numeric\n_frombuffer\n(C\x01x%bK\x01\x85U\x01CtR."),
    ):
        yield f"{id} of 10^13 parts", lambda make=make: b"\x80\x03" + make % deep


HOSTILE_PICKLES = [pytest.param(make, id=id) for id, make in _hostile_pickles()]


PNG, LABELS = "package/data_batch_1.png", "package/train_lables.json"


def _hostile_packages():
    """make() -> the members of the npm package that are not as published"""
    yield "169 million pixels", lambda: {PNG: png(13_000, 13_000, data=bytes(1626 * 13_000), grey=1)}
    yield "169 million pixels, missing", lambda: {PNG: png(13_000, 13_000)}
    yield "2^62 pixels", lambda: {PNG: png((1 << 31) - 1, (1 << 31) - 1)}
    for kind in (b"zTXt", b"iCCP"):
        bomb = b"x\0\0" + zlib.compress(bytes(1 << 26))
        yield (
            f"64 MB in a {kind.decode()}",
            lambda kind=kind, bomb=bomb: {PNG: png(1024, 1, chunk(kind, bomb))},
        )
    yield "64 MB of pixels in one row", lambda: {PNG: png(1024, 1, data=bytes(1 << 26))}
    yield "no pixels", lambda: {PNG: png(1024, 1)}
    yield "a page", lambda: {PNG: b"<!DOCTYPE html>"}
    yield "nothing", lambda: {PNG: b""}
    for id, make in (
        ("in a list in a list", lambda: b"[" * 500_000),
        ("in a dict", lambda: b"{}"),
        ("infinite", lambda: b"[1e999]"),
        ("in words", lambda: b'["cat"]'),
        ("30 million", lambda: b"[" + b"0," * 30_000_000 + b"0]"),
        ("that are no text", lambda: b"\xff\xfe\0"),
        ("too few", lambda: b"[0]"),
        ("too large", lambda: b"[256]"),
    ):
        yield f"labels {id}", lambda make=make: {LABELS: make()}


HOSTILE_PACKAGES = [pytest.param(make, id=id) for id, make in _hostile_packages()]


def chunk(kind, content):
    end = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + end


def png(width, height, *more, data=b"", grey=0):
    """In colour with 8 bits each, or grey with so many bits a pixel."""
    size = struct.pack(">IIBBBBB", width, height, grey or 8, 0 if grey else 2, 0, 0, 0)
    parts = [chunk(b"IHDR", size), *more, chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
