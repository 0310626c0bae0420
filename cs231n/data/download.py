"""Bring a file over http: resumed where an earlier try broke off, given up when it stalls or trickles.

What arrives is kept beside its destination under the name `<file>.part` and renamed only when its length and
digest are right, so a file under its own name is always whole.
"""

import contextlib
import http.client
import os
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from typing import NamedTuple
from urllib.parse import urlsplit

from cs231n.common.files import sha256_of
from cs231n.common.terminal import is_watched, log


class DataError(RuntimeError):
    """Data that cannot be had or cannot be trusted. The message is one sentence for a person."""

    def __init__(self, message):
        # It may quote a server or a file: no line breaks, nothing that a terminal obeys, no megabytes.
        line = "".join(c if c.isprintable() else " " for c in message)
        super().__init__(line if len(line) <= 600 else f"{line[:400]}...{line[-100:]}")


class Patience(NamedTuple):
    connect: float = 4  # seconds to reach the host at all
    answer: float = 30  # seconds until it begins to send the file, redirections and all
    silence: float = 10  # seconds without a byte
    window: float = 15  # seconds over which the speed is taken
    speed: int = 100_000  # bytes per second below which a source is given up; 0 for never


def download(url, path, sizes, sha256=None, patience=Patience()):  # noqa: B008 (a tuple, never changed)
    """Fetch url into path: a file of one of these sizes in bytes, and of this sha256 where it is known.

    No more than the largest of sizes is taken; where a server names no length, a shorter file passes.

    Raises: DataError, which says what happened; OSError if path cannot be written. What arrived up to then
            stays in the .part file, for this source or another of the same file to go on from, unless its
            content is wrong.
    """
    part = path.with_name(path.name + ".part")
    if path.exists():  # left by a run that ended before it was used: verified, not fetched
        os.replace(path, part)
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
    with _open(request, have, sizes, patience) as answer:
        if answer is None:
            return have
        if "text/" in answer.headers.get("Content-Type", ""):
            raise DataError("answered with a web page, not the file")
        resumes = answer.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if answer.status != 206 or not resumes:
            have = 0  # the server sends the whole file all the same
        whole = _announced(answer, have, sizes)
        amount = f", {whole / 1e6:,.0f} MB" if whole else ""
        rest = f", {have / 1e6:,.0f} of them already here" if have else ""
        log(f"{urlsplit(url).hostname}: fetching {urlsplit(url).path.split('/')[-1]}{amount}{rest}")
        _receive(_chunks(answer, patience), part, have, whole, largest, patience)
    return have


class _Redirections(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, answer, code, reason, headers, url):
        answer.close()  # or its body would be read to the end, however long
        if urlsplit(url).scheme not in ("http", "https"):
            raise DataError(f"redirects to {url[:80]}, which is not on the web")
        return super().redirect_request(request, answer, code, reason, headers, url)


def _open(request, have, sizes, patience):
    """The answer to request; None, in a context, where there is nothing beyond what we have."""
    opener, began = urllib.request.build_opener(_Redirections), time.monotonic()
    try:
        return _within(patience.answer, lambda: opener.open(request, timeout=patience.silence))
    except urllib.error.HTTPError as e:
        e.close()
        if e.code == 416 and have in sizes:  # the digest decides
            return contextlib.nullcontext()
        raise DataError(f"answered {e.code} {str(e.reason).strip()[:120]}") from None
    except urllib.error.URLError as e:
        raise DataError(f"cannot be reached ({e.reason})") from None
    except TimeoutError:
        raise DataError(f"no answer within {time.monotonic() - began:.2g} s") from None
    except (http.client.HTTPException, OSError, ValueError) as e:
        raise DataError(f"connection lost ({type(e).__name__}: {str(e).strip()[:80]})") from None


def _announced(answer, have, sizes):
    """How many bytes the file has by what the server says, or None; refused if it cannot be one of sizes."""
    length = answer.headers.get("Content-Length")
    if length is None:
        return sizes[0] if len(sizes) == 1 else None
    whole = have + int(length) if re.fullmatch("[0-9]{1,18}", length) else length
    if whole not in sizes:
        offer = f"{whole:,}" if isinstance(whole, int) else repr(length[:20])
        raise DataError(f"offers a file of {offer} bytes, not {' or '.join(f'{size:,}' for size in sizes)}")
    return whole


def _chunks(answer, patience):
    try:
        # read1 returns what has come; read would wait for a full buffer, however slowly it trickles in.
        while chunk := answer.read1(1 << 16):
            yield chunk
    except TimeoutError:
        raise DataError(f"silent for {patience.silence:g} s; what came is kept") from None
    except (http.client.HTTPException, OSError, ValueError) as e:
        raise DataError(f"connection lost ({type(e).__name__}: {str(e)[:80]}); what came is kept") from None


def _receive(chunks, part, have, whole, largest, patience):
    bar = _progress_bar(whole, have)
    mark, at_mark = time.monotonic(), have
    with open(part, "r+b" if have else "wb") as f, bar:
        f.seek(have)
        for chunk in chunks:
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
    """Open and close one connection: a host that is not there costs these few seconds."""
    try:
        target = urlsplit(url)
        proxy = urllib.request.getproxies().get(target.scheme)
        if proxy and not urllib.request.proxy_bypass(target.hostname):
            target = urlsplit(proxy if "://" in proxy else "http://" + proxy)
        port = target.port or (443 if target.scheme == "https" else 80)
        _within(seconds, lambda: socket.create_connection((target.hostname, port), timeout=seconds).close())
    except TimeoutError:
        raise DataError(f"cannot be reached (no answer within {seconds:g} s)") from None
    except (OSError, ValueError) as e:
        raise DataError(f"cannot be reached ({getattr(e, 'strerror', None) or e})") from None


def _within(seconds, call):
    """What call() returns or raises, or else TimeoutError. It runs in a thread, which is then left to itself:
    looking up a name knows no limit of time, nor does an answer whose first lines trickle in."""
    outcome = []

    def run():
        try:
            outcome.append((call(), None))
        except Exception as e:
            outcome.append((None, e))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if not outcome:
        raise TimeoutError
    result, error = outcome[0]
    if error:
        raise error
    return result


class _NoBar:
    def update(self, n):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        pass


def _progress_bar(total, initial):
    if not is_watched():
        return _NoBar()
    try:
        from tqdm import tqdm
    except ImportError:
        return _NoBar()
    return tqdm(total=total, initial=initial, unit="B", unit_scale=True, dynamic_ncols=True, leave=False)
