"""Parse the variable CS231N_CIFAR10: a folder of batches, an archive, or an address of one."""

import os
import re
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from cs231n.data.errors import DataError

VARIABLE = "CS231N_CIFAR10"


def redact(value: str) -> str:
    """VARIABLE=value for a message: without a password, and cut to a line or two."""
    value = re.sub(r"//([^/:@]*):(?!\d*/).*@", r"//\1:***@", value)
    return f"{VARIABLE}={value if len(value) <= 120 else value[:80] + '...'}"


def parse_location(value: str) -> str | Path:
    """Parse the value of the variable.

    Returns:
        An http or https address as str; an existing file or folder of this machine as absolute Path.

    Raises:
        DataError: it is neither; the message names the variable.
    """
    match = re.match(r"(\w*)://|(file):", value, re.IGNORECASE)
    scheme = match and (match[1] or match[2] or "").lower()
    if scheme in ("http", "https"):
        return _parse_address(value)
    if scheme not in (None, "file"):
        raise DataError(f"{redact(value)}: {scheme}:// is not supported; try https:// or file://")
    return _parse_path(value, is_address=scheme == "file")


def _parse_address(value: str) -> str:
    """Refuse here what urllib would refuse in words that are not for a person."""
    try:
        parts = urlsplit(value)
        host, port = parts.hostname, parts.port
        if not host or port == 0 or not re.fullmatch(r"[!-~]+", value) or not host.encode("idna"):
            raise ValueError
    except ValueError:  # without its text, which may hold part of a password
        raise DataError(
            f"{redact(value)}: not a valid address; try http://HOST/FILE, with any space or "
            "accent in it written as %XX"
        ) from None
    if "@" in parts.netloc:
        raise DataError(
            f"{redact(value)}: an address with a user or a password is not supported; "
            f"try to download the file yourself, and set {VARIABLE} to its path"
        )
    return value


def _parse_path(value: str, is_address: bool) -> Path:
    path = value
    if is_address:
        host = re.match(r"file://([^/]*)", value, re.IGNORECASE)
        if host and host[1].lower() not in ("", "localhost"):
            raise DataError(
                f"{redact(value)}: names another machine, {host[1]}; for a file on "
                "this one try file:///PATH, with three slashes"
            )
        path = urllib.request.url2pathname(re.sub(r"^file:(//[^/]*)?", "", value, flags=re.IGNORECASE))
    path = os.path.abspath(os.path.expanduser(path))
    if not os.path.exists(path):
        raise DataError(
            f"{redact(value)}: no such file or folder, or none that you may read; it may be a folder with "
            "data_batch_1 to 5 and test_batch, an archive, or an address of one; unset it to look elsewhere"
        )
    return Path(path)
