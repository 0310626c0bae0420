"""A data set of 6 x 20 images in every form that CIFAR-10 comes in, and a server that misbehaves."""

import contextlib
import hashlib
import io
import json
import struct
import tarfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np

from cs231n.data_formats import BATCHES, read_batches_archive, read_png_archive
from cs231n.data_sources import Archive, Published

ROWS = 20


def tiny_batches(seed=0):
    rng = np.random.RandomState(seed)
    return [(rng.randint(0, 256, (ROWS, 3072)).astype(np.uint8), rng.randint(0, 10, ROWS)) for _ in BATCHES]


def python2_pickle(pixels, labels):
    """The bytes that Python 2 and numpy 1.5 wrote for a batch, opcode by opcode."""
    def text(s):
        return b"U" + bytes([len(s)]) + s
    marked = b"".join(b"K" + bytes([label]) for label in labels)
    return (b"\x80\x02}(" + text(b"batch_label") + text(b"training batch 1 of 5")
            + text(b"labels") + b"](" + marked + b"e"
            + text(b"data") + b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85" + text(b"b")
            + b"\x87R(K\x01" + b"M" + struct.pack("<H", len(pixels)) + b"M\x00\x0c\x86"
            + b"cnumpy\ndtype\n" + text(b"u1") + b"K\x00K\x01\x87R(K\x03" + text(b"|")
            + b"NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89T"
            + struct.pack("<i", pixels.size) + pixels.tobytes() + b"tbu.")


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
    members |= {f"cifar-10-batches-py/{name}": python2_pickle(*batch)
                for name, batch in zip(BATCHES, batches, strict=True)}
    return write_tar(path, members)


def write_png_archive(path, batches):
    from PIL import Image
    members = {}
    for name, (pixels, _) in zip(BATCHES, batches, strict=True):
        png = io.BytesIO()
        rgb = pixels.reshape(ROWS, 3, 1024).transpose(0, 2, 1)
        Image.fromarray(np.ascontiguousarray(rgb)).save(png, "PNG")
        members[f"package/{name}.png"] = png.getvalue()
    labels = [[int(label) for label in batch[1]] for batch in batches]
    members["package/train_lables.json"] = json.dumps(sum(labels[:5], [])).encode()
    members["package/test_lables.json"] = json.dumps(labels[5]).encode()
    return write_tar(path, members)


def publish(folder, mirrors=(), seed=0):
    """Write both archives of the tiny set into folder; returns its Published record."""
    batches = tiny_batches(seed)
    records = []
    for write, read in ((write_batches_archive, read_batches_archive), (write_png_archive, read_png_archive)):
        path = write(folder / f"tiny-{read.__name__}.tar.gz", batches)
        content = path.read_bytes()
        records.append(Archive(path.name, len(content), hashlib.sha256(content).hexdigest(), read))
    h = hashlib.sha256()
    for pixels, labels in batches:
        h.update(pixels.tobytes() + bytes(labels.tolist()))
    return Published(h.hexdigest(), ROWS, records[0], tuple(mirrors), "tiny@1.0.0", records[1])


class Server:
    """Serves one file under an address for each way in which a server goes wrong: server.address("stall")."""

    def __init__(self, content, name):
        self.content, self.name, self.requests = content, name, []
        self.flooded = 0
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                way = self.path.split("/")[1]
                asked = self.headers.get("Range")
                served.requests.append((way, asked))
                with contextlib.suppress(ConnectionError):
                    served.answer(self, way, asked)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def address(self, way):
        return f"http://127.0.0.1:{self.http.server_port}/{way}/{self.name}"

    def answer(self, handler, way, asked):
        content, status, headers = self.content, 200, {}
        if way in ("404", "503"):
            return handler.send_error(int(way))
        if way == "redirect":
            handler.send_response(302)
            handler.send_header("Location", self.address("good"))
            return handler.end_headers()
        if way == "html":
            content, headers = b"<!DOCTYPE html><p>Sign in to the network", {"Content-Type": "text/html"}
        if way == "disguised-html":
            content = b"<!DOCTYPE html><p>Sign in to the network"
        if way == "corrupt":
            content = content[:1000] + bytes([content[1000] ^ 1]) + content[1001:]
        if way == "endless":
            content += b"more"
        if asked and way != "no-range":
            first = int(asked.removeprefix("bytes=").removesuffix("-"))
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
            content, status = content[first:], 206
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        if way not in ("endless", "unannounced", "flood"):
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if way == "truncate":
            content = content[: len(content) // 2]
        if way in ("stall", "trickle"):
            handler.wfile.write(content[:5000])
            for i in range(50 if way == "trickle" else 1):
                handler.wfile.write(content[5000 + i:5001 + i])
                handler.wfile.flush()
                time.sleep(0.1 if way == "trickle" else 2)
            return
        handler.wfile.write(content)
        while way == "flood":           # until the other side hangs up
            handler.wfile.write(content)
            self.flooded += len(content)

    def close(self):
        self.http.shutdown()
        self.http.server_close()
