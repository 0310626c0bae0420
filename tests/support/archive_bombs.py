"""Archives and files made to do harm, in the place of those that CIFAR-10 comes in."""

import functools
import gzip
import os
import pickle
import struct
import tarfile
import zlib

import numpy as np

from cs231n.data.formats import BATCHES
from tests.support.tiny_cifar import python2_pickle, tiny_batches

BATCH = f"cifar-10-batches-py/{BATCHES[0]}"
GIGABYTE = 1 << 30


class Malicious:
    """A pickle of it calls a function."""

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


def good(rows, but=()):
    """The tiny set as members of a tar, except for some."""
    return b"".join(
        member(f"cifar-10-batches-py/{name}", python2_pickle(*batch))
        for name, batch in zip(BATCHES, tiny_batches(rows=rows), strict=True)
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


def hostile_tars(rows, outside):
    """(what it is, makes the bytes of the .tar.gz, whether the right images are in it all the same)"""
    whole, rest = good(rows), good(rows, but=BATCHES[:1])
    first = python2_pickle(*tiny_batches(rows=rows)[0])
    wrong = python2_pickle(*tiny_batches(seed=1, rows=rows)[0])
    eight, ten = 8 * GIGABYTE - 512, 10 * GIGABYTE
    yield "no archive", lambda: bytes(5000), False
    yield "a zip", lambda: b"PK\3\4" + bytes(500), False
    yield f"{ten:,} zeros", lambda: zeros(ten), False
    for what, make, right in (
        ("a member that climbs out", lambda: member("../../outside", b"x") + whole, True),
        ("an absolute member", lambda: member(outside, b"x") + whole, True),
        ("a batch that climbs out", lambda: member(f"../{BATCH}", first) + rest, False),
        ("a batch in a folder elsewhere", lambda: member(f"/{BATCH}", first) + rest, False),
        ("a duplicate, the last right", lambda: member(BATCH, wrong) + whole, True),
        ("a duplicate, the last wrong", lambda: whole + member(BATCH, wrong), False),
        ("a negative size", lambda: header(BATCH, -512) + rest, False),
        ("a size of 8 GB, and no more", lambda: header(BATCH, eight) + rest, False),
        ("a size beyond 64 bits", lambda: header(BATCH, 1 << 80) + rest, False),
        ("a hole of 8 GB", lambda: sparse(BATCH, eight, 0) + bytes(512) + rest, False),
        ("a hole of 60 MB", lambda: sparse(BATCH, 60_000_000, 0) + bytes(512) + rest, False),
        ("a hole of 10 GB, the newer form", lambda: pax_sparse(BATCH, ten) + rest, False),
        ("a hole beyond its end", lambda: sparse(BATCH, 1024, 1 << 32) + bytes(512) + rest, False),
        (
            "names without end",
            lambda: (header("x", 1, tarfile.GNUTYPE_LONGNAME) + bytes(512)) * 5000 + whole,
            False,
        ),
        ("100,000 members", lambda: header("x") * 100_000 + whole, False),
        ("nothing", lambda: b"", False),
    ):
        yield what, lambda make=make: gzip.compress(make(), 1), right
    for kind in (
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.FIFOTYPE,
        tarfile.BLKTYPE,
        tarfile.CHRTYPE,
        tarfile.DIRTYPE,
    ):
        block = header(BATCH, 0, kind, link=outside, devmajor=1, devminor=5)  # /dev/zero
        yield (
            f"in the place of a batch a link, device or folder ({kind})",
            lambda block=block: gzip.compress(block + rest, 1),
            False,
        )
    for kind in (tarfile.GNUTYPE_LONGNAME, tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.REGTYPE):
        yield (
            f"{ten:,} zeros after a header {kind}",
            lambda kind=kind: gzip.compress(header("x", eight, kind)) + zeros(ten),
            False,
        )
    for what, make in hostile_pickles(outside):
        yield (
            f"a batch that is {what}",
            lambda make=make: gzip.compress(member(BATCH, make()) + rest, 1),
            False,
        )


def hostile_pickles(outside):
    """(what it is, makes the bytes)"""
    array = np.arange(3072).astype(np.uint8)[None]  # no pointers, should it be taken for them
    batch = python2_pickle(array, [0])
    laughs = [0] * 10
    for _ in range(12):
        laughs = [laughs] * 10
    yield "a call of os.system", lambda: pickle.dumps(Malicious(os.system, f"touch {outside}"))
    yield "a call of eval", lambda: pickle.dumps(Malicious(eval, f"open({outside!r}, 'w')"), 0)
    yield "a call of open", lambda: pickle.dumps(Malicious(open, outside, "w"), 2)
    yield "a memo of 16 GB", lambda: b"\x80\x02}r\xff\xff\xff\x7f."
    yield "a text of 8 EB", lambda: b"\x80\x04}\x8e" + struct.pack("<Q", 1 << 63) + b"."
    yield "a frame of 8 EB", lambda: b"\x80\x04\x95" + struct.pack("<Q", 1 << 63) + b"."
    yield "10^13 labels", lambda: pickle.dumps({"data": array, "labels": laughs}, 2)
    yield "10^13 pixels", lambda: pickle.dumps({"data": laughs, "labels": [0]}, 2)
    yield "a million lists, one in another", lambda: b"]" * 1_000_000 + b"a" * 999_999 + b"."
    yield "sixty million lists", lambda: b"(" + b"]" * 60_000_000 + b"l."
    yield "an array of 6 TB", lambda: batch.replace(b"K\x01M\x01\x00", b"K\x01J\xff\xff\xff\x7f")
    yield "an array of objects", lambda: batch.replace(b"U\x02u1", b"U\x02O8")
    yield "an array to count as objects", lambda: batch.replace(b"\xffK\x00tb\x89", b"\xffK\x3ftb\x89")
    new, state = array_parts(np.repeat(array, 2000, 0))
    encoded = text(b"x" * 5_000_000) + text(b"latin1") + b"\x86"
    yield "5 MB of text, encoded 200 times", lambda: repeated(encoded, b"c_codecs\nencode\nh\1R", 200)
    yield "6 MB of pixels in 200 arrays", lambda: repeated(state, new + b"h\1b", 200)
    yield (
        "a million arguments, 20,000 times",
        lambda: repeated(b"(" + b"N" * 1_000_000 + b"t", new.partition(b"cnumpy\nnd")[0] + b"h\1R", 20_000),
    )
    yield "a dtype of a million parts", lambda: b"cnumpy\ndtype\n" + text(b"u1," * 1_000_000) + b"NN\x87R."
    deep = pickle.dumps(laughs, 2)[2:-1]  # whoever quotes it in a message never ends
    yield "a dtype of 10^13 parts", lambda: b"\x80\x02cnumpy\ndtype\n" + deep + b"NN\x87R."
    yield "an encoding of 10^13 parts", lambda: b"\x80\x02c_codecs\nencode\n" + text(b"x") + deep + b"\x86R."
    yield (
        "a buffer of a dtype of 10^13 parts",
        lambda: b"\x80\x03cnumpy.core.numeric\n_frombuffer\n(C\x01x" + deep + b"K\x01\x85U\x01CtR.",
    )
    yield "30 million labels", lambda: pickle.dumps({"data": array, "labels": np.zeros(30_000_000, np.uint8)})
    keys = [n * (2**61 - 1) for n in range(100_000)]  # of one hash, so each is compared with each
    numbers = [b"\x8a\x0a" + key.to_bytes(10, "little") for key in keys]
    for what, before, each, after in (
        ("a dict, key by key,", b"}", b"Ns", b""),
        ("a dict, filled at once,", b"}(", b"N", b"u"),
        ("a dict", b"(", b"N", b"d"),
        ("a set", b"\x8f(", b"", b"\x90"),
        ("a frozen set", b"(", b"", b"\x91"),
    ):
        yield (
            f"{what} of numbers with one hash",
            lambda before=before, each=each, after=after: (
                before + b"".join(number + each for number in numbers) + after + b"."
            ),
        )
    yield "a memo of numbers with one hash", lambda: b"N" + b"".join(b"p%d\n" % key for key in keys) + b"."
    yield "an attribute of a function", lambda: b"c_codecs\nencode\n}(S'__doc__'\nS'x'\nub."


def text(content):
    return b"X" + struct.pack("<i", len(content)) + content


def array_parts(pixels):
    """As python2_pickle has them: what makes an array, and the state that fills it."""
    whole = python2_pickle(pixels, [0])
    new, state = whole.index(b"cnumpy.core"), whole.index(b"(K\x01M")
    return whole[new:state], whole[state:-3]


def repeated(made, each, times):
    """A pickle of a list: made is at hand as h\\1 and each is done so many times."""
    return b"\x80\x02" + made + b"q\x010(" + each * times + b"l."


PNG, LABELS = "package/data_batch_1.png", "package/train_lables.json"


def hostile_pngs():
    """(what it is, makes the members of the npm package that are not as published)"""
    yield "169 million pixels", lambda: {PNG: png(13_000, 13_000, data=bytes(1626 * 13_000), grey=1)}
    yield "169 million pixels, missing", lambda: {PNG: png(13_000, 13_000)}
    yield "2^62 pixels", lambda: {PNG: png((1 << 31) - 1, (1 << 31) - 1)}
    for kind in (b"zTXt", b"iCCP"):
        yield (
            f"64 MB in a {kind.decode()}",
            lambda kind=kind: {PNG: png(1024, 1, chunk(kind, b"x\0\0" + zlib.compress(bytes(1 << 26))))},
        )
    yield "64 MB of pixels in one row", lambda: {PNG: png(1024, 1, data=bytes(1 << 26))}
    yield "no pixels", lambda: {PNG: png(1024, 1)}
    yield "a page", lambda: {PNG: b"<!DOCTYPE html>"}
    yield "nothing", lambda: {PNG: b""}
    for what, labels in (
        ("in a list in a list", b"[" * 500_000),
        ("in a dict", b"{}"),
        ("infinite", b"[1e999]"),
        ("in words", b'["cat"]'),
        ("30 million", b"[" + b"0," * 30_000_000 + b"0]"),
        ("that are no text", b"\xff\xfe\0"),
        ("too few", b"[0]"),
        ("too large", b"[256]"),
    ):
        yield f"labels {what}", lambda labels=labels: {LABELS: labels}


def chunk(kind, content):
    end = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + end


def png(width, height, *more, data=b"", grey=0):
    """In colour with 8 bits each, or grey with so many bits a pixel."""
    size = struct.pack(">IIBBBBB", width, height, grey or 8, 0 if grey else 2, 0, 0, 0)
    parts = [chunk(b"IHDR", size), *more, chunk(b"IDAT", zlib.compress(data)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)
