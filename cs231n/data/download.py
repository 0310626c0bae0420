"""Download a file over http: resume an earlier attempt, give up on a server that stalls or trickles.

The bytes go to `<file>.part` in the same folder, which is renamed only when its length and digest are right;
so a file under its own name is always whole.
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
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple, TypeVar
from urllib.parse import urlsplit

from cs231n.common.files import sha256_of
from cs231n.common.terminal import is_watched, log
from cs231n.data.errors import DataError

T = TypeVar("T")


class DownloadLimits(NamedTuple):
    """When to give up on a server."""

    connect: float = 4  # seconds to reach the host at all
    response: float = 30  # seconds until it begins to send the file, redirections included
    silence: float = 10  # seconds without a byte
    window: float = 15  # seconds over which the speed is measured
    min_speed: int = 100_000  # bytes a second; 0 for any


def download(
    url: str,
    path: Path,
    sizes: Sequence[int],
    sha256: str | None,
    limits: DownloadLimits,
) -> None:
    """Download a file of known size, whole and verified.

    Args:
        url: an http or https address.
        path: where to; what an earlier attempt left beside it, for this address or another, is completed.
        sizes: the sizes in bytes that the file may have. No more than the largest is downloaded; where a
            server declares no length, a shorter file passes.
        sha256: its digest in hexadecimal (None: not known).
        limits: when to give up.

    Raises:
        DataError: the download failed. The .part file stays, to be resumed, unless its content is wrong.
        OSError: path cannot be written.
    """
    part = path.with_name(path.name + ".part")
    if path.exists():  # left by a process that ended before it was used: verify it, do not fetch it
        os.replace(path, part)
    for attempt in range(2):
        resumed_from = _transfer(url, part, sizes, limits)
        digest = sha256_of(part)
        if sha256 is None or digest == sha256:
            os.replace(part, path)
            return
        part.unlink()
        # The wrong bytes may be those of an earlier attempt: then fetch all of it once.
        if attempt == 1 or resumed_from == 0:
            raise DataError(f"corrupted: sha256 {digest[:12]}..., not {sha256[:12]}...; deleted")


def _transfer(url: str, part: Path, sizes: Sequence[int], limits: DownloadLimits) -> int:
    """Append to part what it lacks -> the offset that the transfer began at."""
    have, largest = part.stat().st_size if part.exists() else 0, max(sizes)
    if have == largest:
        return have
    if have > largest:
        part.unlink()
        have = 0
    _probe_host(url, limits.connect)
    request = urllib.request.Request(url, headers={"User-Agent": "cs231n-kit", "Accept-Encoding": "identity"})
    if have:
        request.add_header("Range", f"bytes={have}-")
    with _open(request, have, sizes, limits) as response:
        if response is None:
            return have
        if "text/" in response.headers.get("Content-Type", ""):
            raise DataError("answered with a web page, not the file")
        resumes = response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
        if response.status != 206 or not resumes:
            have = 0  # the server sends the whole file all the same
        total = _declared_size(response, have, sizes)
        amount = f", {total / 1e6:,.0f} MB" if total else ""
        rest = f", {have / 1e6:,.0f} of them already here" if have else ""
        log(f"{urlsplit(url).hostname}: fetching {urlsplit(url).path.split('/')[-1]}{amount}{rest}")
        _receive(_iter_bytes(response, limits), part, have, total, largest, limits)
    return have


class _Redirections(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, request, response, code, reason, headers, url):  # type: ignore[no-untyped-def]
        response.close()  # or its body would be read to the end, however long
        if urlsplit(url).scheme not in ("http", "https"):
            raise DataError(f"redirects to {url[:80]}, which is not on the web")
        return super().redirect_request(request, response, code, reason, headers, url)


def _open(
    request: urllib.request.Request, have: int, sizes: Sequence[int], limits: DownloadLimits
) -> AbstractContextManager[http.client.HTTPResponse | None]:
    """Open the response, as a context; it is None where the server has nothing beyond the bytes at hand."""
    opener, began = urllib.request.build_opener(_Redirections), time.monotonic()
    try:
        return _call_with_timeout(limits.response, lambda: opener.open(request, timeout=limits.silence))
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


def _declared_size(response: http.client.HTTPResponse, have: int, sizes: Sequence[int]) -> int | None:
    """The size of the whole file as the server declares it, or None; refuse one that is not in sizes."""
    length = response.headers.get("Content-Length")
    if length is None:
        return sizes[0] if len(sizes) == 1 else None
    total = have + int(length) if re.fullmatch("[0-9]{1,18}", length) else None
    if total not in sizes:
        offer = repr(length[:20]) if total is None else f"{total:,}"
        raise DataError(f"offers a file of {offer} bytes, not {' or '.join(f'{size:,}' for size in sizes)}")
    return total


def _iter_bytes(response: http.client.HTTPResponse, limits: DownloadLimits) -> Iterator[bytes]:
    try:
        # read1 returns what has come; read would wait for a full buffer, however slowly it trickles in.
        while chunk := response.read1(1 << 16):
            yield chunk
    except TimeoutError:
        raise DataError(f"silent for {limits.silence:g} s; what came is kept") from None
    except (http.client.HTTPException, OSError, ValueError) as e:
        raise DataError(f"connection lost ({type(e).__name__}: {str(e)[:80]}); what came is kept") from None


def _receive(
    chunks: Iterator[bytes], part: Path, have: int, total: int | None, largest: int, limits: DownloadLimits
) -> None:
    checked_at, checked_size = time.monotonic(), have
    with open(part, "r+b" if have else "wb") as f, _progress_bar(total, have) as advance:
        f.seek(have)
        for chunk in chunks:
            f.write(chunk)
            have += len(chunk)
            advance(len(chunk))
            if have > (total or largest):
                raise DataError(f"sent more than the {total or largest:,} bytes of the file")
            elapsed = time.monotonic() - checked_at
            if elapsed > limits.window:
                speed = (have - checked_size) / elapsed
                if speed < limits.min_speed:
                    raise DataError(f"too slow ({speed / 1000:,.0f} kB/s); {have:,} bytes are kept")
                checked_at, checked_size = time.monotonic(), have
    if total is not None and have < total:
        raise DataError(f"broke off after {have:,} of {total:,} bytes; they are kept")


def _probe_host(url: str, seconds: float) -> None:
    """Open and close one connection, so that a host that is not there costs these few seconds."""
    try:
        target = urlsplit(url)
        proxy = urllib.request.getproxies().get(target.scheme)
        if proxy and not urllib.request.proxy_bypass(target.hostname or ""):
            target = urlsplit(proxy if "://" in proxy else "http://" + proxy)
        address = (target.hostname, target.port or (443 if target.scheme == "https" else 80))
        _call_with_timeout(seconds, lambda: socket.create_connection(address, timeout=seconds).close())
    except TimeoutError:
        raise DataError(f"cannot be reached (no answer within {seconds:g} s)") from None
    except (OSError, ValueError) as e:
        raise DataError(f"cannot be reached ({getattr(e, 'strerror', None) or e})") from None


def _call_with_timeout(seconds: float, call: Callable[[], T]) -> T:
    """Run call() in a daemon thread and give up after `seconds`, with TimeoutError.

    Needed because neither DNS resolution nor slowly arriving response headers honour a socket timeout. The
    thread is abandoned, not stopped.
    """
    results: list[T] = []
    errors: list[Exception] = []

    def run() -> None:
        try:
            results.append(call())
        except Exception as e:
            errors.append(e)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    if errors:
        raise errors[0]
    if not results:
        raise TimeoutError
    return results[0]


@contextlib.contextmanager
def _progress_bar(total: int | None, initial: int) -> Iterator[Callable[[int], object]]:
    """Yield a function that advances the bar by a number of bytes; there is no bar where nobody watches."""
    if not is_watched():
        yield lambda n: None
        return
    from tqdm import tqdm

    with tqdm(
        total=total, initial=initial, unit="B", unit_scale=True, dynamic_ncols=True, leave=False
    ) as bar:
        yield bar.update
