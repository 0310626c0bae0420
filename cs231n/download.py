"""Bring a file over http: resumed where an earlier try broke off, given up when it stalls or trickles.

What arrives is kept beside its destination under the name `<file>.part` and renamed only when its length and
digest are right, so a file under its own name is always whole.
"""

import hashlib
import http.client
import os
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from typing import NamedTuple
from urllib.parse import urlsplit


class DataError(RuntimeError):
    """Data that cannot be had or cannot be trusted. The message is one sentence for a person."""


class Patience(NamedTuple):
    connect: float = 4      # seconds to reach the host at all
    silence: float = 10     # seconds without a byte
    window: float = 15      # seconds over which the speed is taken
    speed: int = 100_000    # bytes per second below which a source is given up; 0 for never


def say(line):
    print(line, file=sys.stderr, flush=True)


def sha256_of(path):
    h = hashlib.sha256()
    with open(path, "rb") as f:
        while chunk := f.read(1 << 20):
            h.update(chunk)
    return h.hexdigest()


def download(url, path, sizes, sha256=None, patience=Patience()):  # noqa: B008 (a tuple, never changed)
    """Fetch url into path: a file of one of these sizes in bytes, and of this sha256 where it is known.

    No more than the largest of sizes is taken; where a server names no length, a shorter file passes.

    Raises: DataError, which says what happened. What arrived up to then stays in the .part file, for this
            source or another of the same file to go on from, unless its content is wrong.
    """
    part = path.with_name(path.name + ".part")
    for again in (False, True):
        began_at = _transfer(url, part, sizes, patience)
        found = sha256_of(part)
        if sha256 in (None, found):
            os.replace(part, path)
            return
        part.unlink()
        # The wrong bytes may be the ones left by an earlier source: then this one gets a try of its own.
        if again or began_at == 0:
            raise DataError(f"corrupted: sha256 {found[:12]}..., not {sha256[:12]}...; thrown away")


def _transfer(url, part, sizes, patience):
    """Add to part what is missing of url; returns at which byte it began."""
    have, largest = part.stat().st_size if part.exists() else 0, max(sizes)
    if have == largest:
        return have
    if have > largest:
        part.unlink()
        have = 0
    _reach(url, patience.connect)
    request = urllib.request.Request(url, headers={"User-Agent": "cs231n-kit", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    try:
        with urllib.request.urlopen(request, timeout=patience.silence) as answer:
            if "text/" in answer.headers.get("Content-Type", ""):
                raise DataError("answered with a web page, not the file")
            resumes = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            if answer.status != 206 or not resumes:
                have = 0                              # the server sends the whole file all the same
            length = answer.headers.get("Content-Length")
            whole = have + int(length) if length else largest if len(sizes) == 1 else None
            if whole is not None and whole not in sizes:
                wanted = " or ".join(f"{size:,}" for size in sizes)
                raise DataError(f"offers a file of {whole:,} bytes, not {wanted}")
            amount = f", {whole / 1e6:,.0f} MB" if whole else ""
            rest = f", {have / 1e6:,.0f} of them already here" if have else ""
            say(f"{urlsplit(url).hostname}: fetching {urlsplit(url).path.split('/')[-1]}{amount}{rest}")
            _receive(answer, part, have, whole, largest, patience)
    except urllib.error.HTTPError as e:
        if e.code == 416 and have in sizes:           # nothing beyond what we have: the digest decides
            return have
        raise DataError(f"answered {e.code} {e.reason}") from None
    except urllib.error.URLError as e:
        raise DataError(f"cannot be reached ({e.reason})") from None
    except TimeoutError:
        raise DataError(f"silent for {patience.silence:g} s; what came is kept") from None
    except (http.client.HTTPException, ConnectionError, ValueError) as e:
        raise DataError(f"connection lost ({e or type(e).__name__}); what came is kept") from None
    return have


def _receive(answer, part, have, whole, largest, patience):
    bar = _progress_bar(whole, have)
    mark, at_mark = time.monotonic(), have
    with open(part, "r+b" if have else "wb") as f, bar:
        f.seek(have)
        # read1 returns what has come; read would wait for a full buffer, however slowly it trickles in.
        while chunk := answer.read1(1 << 16):
            f.write(chunk)
            have += len(chunk)
            bar.update(len(chunk))
            if have > (whole or largest):
                raise DataError(f"sent more than the {whole or largest:,} bytes of the file")
            waited = time.monotonic() - mark
            if waited > patience.window:
                speed = (have - at_mark) / waited
                if speed < patience.speed:
                    raise DataError(f"too slow ({speed / 1000:,.0f} kB/s); {have:,} bytes are kept")
                mark, at_mark = time.monotonic(), have
    if whole is not None and have < whole:
        raise DataError(f"broke off after {have:,} of {whole:,} bytes; they are kept")


def _reach(url, seconds):
    """Open and close one connection, in a thread: looking up a name knows no time limit of its own."""
    target = urlsplit(url)
    proxy = urllib.request.getproxies().get(target.scheme)
    if proxy and not urllib.request.proxy_bypass(target.hostname):
        target = urlsplit(proxy if "://" in proxy else "http://" + proxy)
    trouble = [f"no answer within {seconds:g} s"]

    def connect():
        try:
            port = target.port or (443 if target.scheme == "https" else 80)
            socket.create_connection((target.hostname, port), timeout=seconds).close()
            trouble[0] = ""
        except OSError as e:
            trouble[0] = e.strerror or str(e)

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(seconds)
    if trouble[0]:
        raise DataError(f"cannot be reached ({trouble[0]})")


class _NoBar:
    def update(self, n):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


def _progress_bar(total, initial):
    if not sys.stderr.isatty():
        return _NoBar()
    try:
        from tqdm import tqdm
    except ImportError:
        return _NoBar()
    return tqdm(total=total, initial=initial, unit="B", unit_scale=True, dynamic_ncols=True, leave=False)
