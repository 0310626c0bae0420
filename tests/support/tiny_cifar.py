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
    return (
        b"\x80\x02}(U\x0bbatch_labelU\x15training batch 1 of 5U\x06labels](%beU\x04data"
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01M%bM\x00\x0c\x86"
        b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T%b%btbu."
    ) % (
        b"".join(b"K" + bytes([label]) for label in labels),
        struct.pack("<H", len(pixels)),
        struct.pack("<i", pixels.size),
        pixels.tobytes(),
    )


def pickled_batches(batches):
    return {name: python2_pickle(*batch) for name, batch in zip(BATCHES, batches, strict=True)}


def write_tar(path, members):
    with tarfile.open(path, "w:gz", compresslevel=1) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_folder(folder, batches):
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in pickled_batches(batches).items():
        (folder / name).write_bytes(content)
    return folder


def write_batches_archive(path, batches):
    members = {"cifar-10-batches-py/readme.html": b"<p>", "../data_batch_1": b"not this one"}
    for name, content in pickled_batches(batches).items():
        members[f"cifar-10-batches-py/{name}"] = content
    return write_tar(path, members)


def write_png_archive(path, batches):
    from PIL import Image

    members = {}
    for name, (pixels, _) in zip(BATCHES, batches, strict=True):
        png = io.BytesIO()
        rgb = pixels.reshape(-1, 3, 1024).transpose(0, 2, 1)
        Image.fromarray(np.ascontiguousarray(rgb)).save(png, "PNG")
        members[f"package/{name}.png"] = png.getvalue()
    labels = np.array([labels for _, labels in batches])
    members["package/train_lables.json"] = json.dumps(labels[:5].ravel().tolist()).encode()
    members["package/test_lables.json"] = json.dumps(labels[5].tolist()).encode()
    return write_tar(path, members)


def publish(folder, rows=ROWS):
    """Write both archives of the tiny set into folder; returns its Published record."""
    batches = tiny_batches(rows=rows)
    archives = []
    for write, read in ((write_batches_archive, read_batches_archive), (write_png_archive, read_png_archive)):
        content = write(folder / f"tiny-{read.__name__}.tar.gz", batches).read_bytes()
        name, digest = f"tiny-{read.__name__}.tar.gz", hashlib.sha256(content).hexdigest()
        archives.append(Archive(name, len(content), digest, read))
    digest = hashlib.sha256(b"".join(pixels.tobytes() + bytes(labels.tolist()) for pixels, labels in batches))
    files = {name: (len(c), hashlib.md5(c).hexdigest()) for name, c in pickled_batches(batches).items()}
    return Published(digest.hexdigest(), rows, archives[0], (), "tiny@1.0.0", archives[1], files)
