"""The links of a page or of a whole site."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit


def is_outside(address):
    """Whether it is the address of another site, which must be well formed."""
    parts = urlsplit(address)
    if parts.scheme in ("", "data"):
        return parts.scheme == "data"
    assert parts.scheme in ("https", "mailto") and " " not in address, address
    assert parts.scheme == "mailto" or re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), address
    return True


class Addresses(HTMLParser):
    """The links and the ids of a page."""

    def __init__(self, path):
        super().__init__()
        self.links, self.ids, self.inside = [], [], 0
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.links += [attrs[key] for key in ("href", "src") if key in attrs]
        if tag == "a":
            self.inside += 1
            assert self.inside == 1, ("a link in a link", attrs)

    def handle_endtag(self, tag):
        self.inside -= tag == "a"


def follow_links(folder):
    """Follow every link of the pages and of the search within the folder.

    Returns:
        The number of pages, and of links.
    """
    pages = {path.name: Addresses(path) for path in folder.glob("*.html")}
    followed = {(name, address) for name, page in pages.items() for address in page.links}
    index = (folder / "search-index.js").read_text(encoding="utf-8").partition(" = ")[2].rstrip(";\n")
    followed |= {("search-index.js", address) for address, *_ in json.loads(index)}
    for name, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), name
    for name, address in followed:
        if not is_outside(address):
            target, _, anchor = address.partition("#")
            assert (folder / (target or name)).is_file(), (name, address)
            assert not anchor or unquote(anchor) in pages[target or name].ids, (name, address)
    return len(pages), len(followed)
