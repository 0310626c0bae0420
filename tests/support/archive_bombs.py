"""Archives and files made to do harm, in the place of those that CIFAR-10 comes in: {id: how it is made}."""

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

from cs231n.data.formats import BATCHES
from tests.support.tiny_cifar import pickled_batches, python2_pickle, tiny_batches

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
        assert not KNOWS_PEAK or 1024 * (_kilobytes("VmHWM") - before) < MAX_MEMORY


class Call:
    """Its pickle calls a function."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def header(name, size=0, kind=tarfile.REGTYPE, **attributes):
    info = tarfile.TarInfo(name)
    for key, value in {"size": size, "type": kind, **attributes}.items():
        setattr(info, key, value)
    return info.tobuf(tarfile.GNU_FORMAT)


def member(name, content):
    return header(name, len(content)) + content + bytes(-len(content) % 512)


@functools.lru_cache(1)
def zeros(n):
    """n bytes of zeros, packed a thousandfold: members of a gzip may follow one another."""
    return gzip.compress(bytes(1 << 24), 9) * (n >> 24)


def sparse(name, size, offset):
    """A member whose size bytes are a hole but for the last 512."""
    block = bytearray(header(name, 512, tarfile.GNUTYPE_SPARSE))
    block[386:410] = b"%011o\0%011o\0" % (offset, 512)
    block[483:495] = b"%011o\0" % size
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block) + bytes(512)


def pax_sparse(name, size):
    """The same in the newer form, which keeps the map of the holes in the member."""
    info = tarfile.TarInfo("x")
    info.size = 512
    sparse = {"major": "1", "minor": "0", "name": name, "realsize": str(size)}
    info.pax_headers = {f"GNU.sparse.{key}": value for key, value in sparse.items()}
    return info.tobuf(tarfile.PAX_FORMAT) + f"1\n{size}\n0\n".encode().ljust(512, b"\0")


BATCH = f"cifar-10-batches-py/{BATCHES[0]}"
MEMBERS = [
    member(f"cifar-10-batches-py/{name}", content)
    for name, content in pickled_batches(tiny_batches(rows=1)).items()
]
WHOLE, REST = b"".join(MEMBERS), b"".join(MEMBERS[1:])  # all batches; without the first
FIRST, WRONG = (python2_pickle(*tiny_batches(seed=seed, rows=1)[0]) for seed in (0, 1))
EIGHT, TEN = (8 << 30) - 512, 10 << 30

HARMLESS_TARS = {  # for a reader that takes exact names, the last of each, and unpacks nothing
    "a member that climbs out": lambda: member("../../outside", b"x") + WHOLE,
    "an absolute member": lambda: member(os.path.abspath("outside"), b"x") + WHOLE,
    "a duplicate, the last right": lambda: member(BATCH, WRONG) + WHOLE,
}
HOSTILE_TARS = {
    "a batch that climbs out": lambda: member(f"../{BATCH}", FIRST) + REST,
    "a batch in a folder elsewhere": lambda: member(f"/{BATCH}", FIRST) + REST,
    "a batch that calls": lambda: member(BATCH, pickle.dumps(Call(open, "outside", "w"))) + REST,
    "a duplicate, the last wrong": lambda: WHOLE + member(BATCH, WRONG),
    "a negative size": lambda: header(BATCH, -512) + REST,
    "a size of 8 GB, and no more": lambda: header(BATCH, EIGHT) + REST,
    "a size beyond 64 bits": lambda: header(BATCH, 1 << 80) + REST,
    "a hole of 8 GB": lambda: sparse(BATCH, EIGHT, 0) + REST,
    "a hole of 60 MB": lambda: sparse(BATCH, 60_000_000, 0) + REST,
    "a hole of 10 GB, the newer form": lambda: pax_sparse(BATCH, TEN) + REST,
    "a hole beyond its end": lambda: sparse(BATCH, 1024, 1 << 32) + REST,
    "names without end": lambda: (header("x", 1, tarfile.GNUTYPE_LONGNAME) + bytes(512)) * 5000 + WHOLE,
    "100,000 members": lambda: header("x") * 100_000 + WHOLE,
    "nothing": lambda: b"",
}
for _kind in ("SYM", "LNK", "FIFO", "BLK", "CHR", "DIR"):  # major and minor are those of /dev/zero
    _entry = header(BATCH, 0, getattr(tarfile, f"{_kind}TYPE"), linkname="outside", devmajor=1, devminor=5)
    HOSTILE_TARS[f"{_kind} in the place of a batch"] = lambda entry=_entry: entry + REST
HOSTILE_GZIPS = {
    "10 GB of zeros": lambda: zeros(TEN),
    "no archive": lambda: bytes(5000),
    "a zip": lambda: b"PK\3\4" + bytes(500),
}
for _kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.REGTYPE):
    _entry = gzip.compress(header("x", EIGHT, _kind))
    HOSTILE_GZIPS[f"10 GB of zeros after a header {_kind}"] = lambda entry=_entry: entry + zeros(TEN)
for _tars in (HARMLESS_TARS, HOSTILE_TARS):
    _tars |= {id: lambda make=make: gzip.compress(make(), 1) for id, make in _tars.items()}

ARRAY = np.arange(3072).astype(np.uint8)[None]
LAUGHS = functools.reduce(lambda laughs, _: [laughs] * 10, range(13), 0)  # 10^13 zeros
DEEP = pickle.dumps(LAUGHS, 2)[2:-1]  # a message that quotes it never ends
HOSTILE_PICKLES = {
    "a text of 8 EB": lambda: b"\x80\x04}\x8e" + struct.pack("<Q", 1 << 63) + b".",
    "a frame of 8 EB": lambda: b"\x80\x04\x95" + struct.pack("<Q", 1 << 63) + b".",
    "10^13 labels": lambda: pickle.dumps({"data": ARRAY, "labels": LAUGHS}, 2),
    "10^13 pixels": lambda: pickle.dumps({"data": LAUGHS, "labels": [0]}, 2),
    "30 million labels": lambda: pickle.dumps({"data": ARRAY, "labels": np.zeros(30_000_000, np.uint8)}),
    "100,000 lists, one in another": lambda: b"]" * 100_000 + b"a" * 99_999 + b".",
    "an array of 6 TB": lambda: FIRST.replace(b"K\x01M\x01\x00", b"K\x01J\xff\xff\xff\x7f"),
    "an array of objects": lambda: FIRST.replace(b"U\x02u1", b"U\x02O8"),
}
for _id, _content in {
    "a dtype": b"cnumpy\ndtype\n%bNN\x87R.",
    "the state of a dtype": b"cnumpy\ndtype\nU\x02u1\x85R(K\x03%btb.",
    "a shape": b"cnumpy.core.multiarray\n_reconstruct\nNNN\x87R(K\x01%bcnumpy\ndtype\nU\x02u1\x85R\x89Ntb.",
    "an encoding": b"c_codecs\nencode\nU\x01x%b\x86R.",
    "the dtype of a buffer": b"cnumpy.core.numeric\n_frombuffer\n(C\x01x%bK\x01\x85U\x01CtR.",
}.items():
    HOSTILE_PICKLES[f"{_id} of 10^13 parts"] = lambda content=_content: b"\x80\x03" + content % DEEP


def chunk(kind, content):
    end = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + end


def png(width, height, *chunks, data=b"", grey=0):
    """In colour with 8 bits each, or grey with so many bits a pixel."""
    size = struct.pack(">IIBBBBB", width, height, grey or 8, 0 if grey else 2, 0, 0, 0)
    parts = [chunk(b"IHDR", size), *chunks, chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


HOSTILE_PNGS = {
    "169 million pixels": lambda: png(13_000, 13_000, data=bytes(1626 * 13_000), grey=1),
    "169 million pixels, missing": lambda: png(13_000, 13_000),
    "2^62 pixels": lambda: png((1 << 31) - 1, (1 << 31) - 1),
    "64 MB in a zTXt": lambda: png(1024, 1, chunk(b"zTXt", b"x\0\0" + zlib.compress(bytes(1 << 26)))),
    "64 MB in a iCCP": lambda: png(1024, 1, chunk(b"iCCP", b"x\0\0" + zlib.compress(bytes(1 << 26)))),
    "64 MB of pixels in one row": lambda: png(1024, 1, data=bytes(1 << 26)),
    "no pixels": lambda: png(1024, 1),
    "a page": lambda: b"<!DOCTYPE html>",
    "nothing": lambda: b"",
}
HOSTILE_LABELS = {
    "in a list in a list": lambda: b"[" * 500_000,
    "in a dict": lambda: b"{}",
    "infinite": lambda: b"[1e999]",
    "in words": lambda: b'["cat"]',
    "30 million": lambda: b"[" + b"0," * 30_000_000 + b"0]",
    "that are no text": lambda: b"\xff\xfe\0",
    "too few": lambda: b"[0]",
    "too large": lambda: b"[256]",
}
