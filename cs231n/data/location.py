"""What the variable CS231N_CIFAR10 names: a folder of batches, an archive, or an address of one."""

import os
import re
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from cs231n.data.download import DataError

VARIABLE = "CS231N_CIFAR10"
WANTED = "a folder with data_batch_1 to 5 and test_batch, an archive, or an address of one"


def shown(value):
    """VARIABLE=value for a message: no password, and no longer than a line or two."""
    value = re.sub(r"//([^/:@]*):(?!\d*/).*@", r"//\1:***@", value)
    return f"{VARIABLE}={value if len(value) <= 120 else value[:80] + '...'}"


def named(value):
    """An http(s) address as str, anything on this machine as Path.

    Raises: DataError for what is neither, which names the variable.
    """
    scheme = re.match(r"(\w*)://|(file):", value, re.IGNORECASE)
    scheme = scheme and (scheme[1] or scheme[2] or "").lower()
    if scheme in ("http", "https"):
        return _address(value)
    if scheme not in (None, "file"):
        raise DataError(f"{shown(value)}: {scheme}:// is not supported; try https:// or file://")
    return _path(value, is_address=scheme == "file")


def _address(value):
    """value, if it can be asked for: what urllib makes of a wrong one is not for a person."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
        if not host or port == 0 or not re.fullmatch(r"[!-~]+", value) or not host.encode("idna"):
            raise ValueError
    except ValueError:  # without its text, which may hold part of a password
        raise DataError(
            f"{shown(value)}: not a valid address; try http://HOST/FILE, with any space or "
            "accent in it written as %XX"
        ) from None
    if "@" in parts.netloc:
        raise DataError(
            f"{shown(value)}: an address with a user or a password is not supported; "
            f"try to fetch the file yourself, and let {VARIABLE} name it"
        )
    return value


def _path(value, is_address):
    path = value
    if is_address:
        host = re.match(r"file://([^/]*)", value, re.IGNORECASE)
        if host and host[1].lower() not in ("", "localhost"):
            raise DataError(
                f"{shown(value)}: names another machine, {host[1]}; for a file of "
                "this one try file:///PATH, with three slashes"
            )
        path = urllib.request.url2pathname(re.sub(r"^file:(//[^/]*)?", "", value, flags=re.IGNORECASE))
    path = os.path.abspath(os.path.expanduser(path))
    if not os.path.exists(path):
        raise DataError(
            f"{shown(value)}: no such file or folder, or none that you may read; it may be "
            f"{WANTED}; unset it to look elsewhere"
        )
    return Path(path)
