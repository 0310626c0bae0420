"""A data set of 6 x 20 images in every form that CIFAR-10 comes in."""

import hashlib
import io
import json
import struct
import tarfile

import numpy as np

from cs231n.data.formats import BATCHES, read_batches_archive, read_png_archive
from cs231n.data.sources import Archive, Published

ROWS = 20


def tiny_batches(seed=0, rows=ROWS):
    rng = np.random.RandomState(seed)
    return [(rng.randint(0, 256, (rows, 3072)).astype(np.uint8), rng.randint(0, 10, rows)) for _ in BATCHES]


def python2_pickle(pixels, labels):
    """The bytes that Python 2 and numpy 1.5 wrote for a batch, opcode by opcode."""

    def text(s):
        return b"U" + bytes([len(s)]) + s

    marked = b"".join(b"K" + bytes([label]) for label in labels)
    return (
        b"\x80\x02}("
        + text(b"batch_label")
        + text(b"training batch 1 of 5")
        + text(b"labels")
        + b"]("
        + marked
        + b"e"
        + text(b"data")
        + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85"
        + text(b"b")
        + b"\x87R(K\x01"
        + b"M"
        + struct.pack("<H", len(pixels))
        + b"M\x00\x0c\x86"
        + b"cnumpy\ndtype\n"
        + text(b"u1")
        + b"K\x00K\x01\x87R(K\x03"
        + text(b"|")
        + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
        + struct.pack("<i", pixels.size)
        + pixels.tobytes()
        + b"tbu."
    )


def write_tar(path, members):
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_folder(folder, batches):
    folder.mkdir(parents=True)
    for name, (pixels, labels) in zip(BATCHES, batches, strict=True):
        (folder / name).write_bytes(python2_pickle(pixels, labels))
    return folder


def write_batches_archive(path, batches):
    members = {"cifar-10-batches-py/readme.html": b"<p>", "../data_batch_1": b"not this one"}
    members |= {
        f"cifar-10-batches-py/{name}": python2_pickle(*batch)
        for name, batch in zip(BATCHES, batches, strict=True)
    }
    return write_tar(path, members)


def write_png_archive(path, batches):
    from PIL import Image

    members = {}
    for name, (pixels, _) in zip(BATCHES, batches, strict=True):
        png = io.BytesIO()
        rgb = pixels.reshape(-1, 3, 1024).transpose(0, 2, 1)
        Image.fromarray(np.ascontiguousarray(rgb)).save(png, "PNG")
        members[f"package/{name}.png"] = png.getvalue()
    labels = [[int(label) for label in batch[1]] for batch in batches]
    members["package/train_lables.json"] = json.dumps(sum(labels[:5], [])).encode()
    members["package/test_lables.json"] = json.dumps(labels[5]).encode()
    return write_tar(path, members)


def publish(folder, rows=ROWS):
    """Write both archives of the tiny set into folder; returns its Published record."""
    batches = tiny_batches(rows=rows)
    records = []
    for write, read in ((write_batches_archive, read_batches_archive), (write_png_archive, read_png_archive)):
        path = write(folder / f"tiny-{read.__name__}.tar.gz", batches)
        content = path.read_bytes()
        records.append(Archive(path.name, len(content), hashlib.sha256(content).hexdigest(), read))
    digest, files = hashlib.sha256(), {}
    for name, (pixels, labels) in zip(BATCHES, batches, strict=True):
        digest.update(pixels.tobytes() + bytes(labels.tolist()))
        content = python2_pickle(pixels, labels)
        files[name] = len(content), hashlib.md5(content).hexdigest()
    return Published(digest.hexdigest(), rows, records[0], (), "tiny@1.0.0", records[1], files)
