"""Every link of README, docs and pages leads somewhere; of those to other sites only the form is tried."""

import json
import re
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest

from tests.support import ROOT

TEXTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "datasets/README.md")]
TEXTS += sorted((ROOT / "docs").glob("*.md"))


def is_outside(address):
    """Whether it is the address of another site, which must be well formed."""
    parts = urlsplit(address)
    if parts.scheme in ("", "data"):
        return parts.scheme == "data"
    assert parts.scheme in ("https", "mailto") and " " not in address, address
    assert parts.scheme == "mailto" or re.fullmatch(r"[\w-]+(\.[\w-]+)+", parts.netloc), address
    return True


def github_ids(text):
    """The ids that GitHub gives the headings of a Markdown text."""
    headings = re.findall(r"^#+ +(.+)$", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("path", TEXTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_links_of_a_text_lead_somewhere_on_github(path):
    text = re.sub(r"^```.*?^```|`[^`\n]*`", "", path.read_text(encoding="utf-8"), flags=re.M | re.S)
    for address in re.findall(r"\]\(([^)\s]+)\)|(?:src|href)=\"([^\"]+)\"", text):
        address = "".join(address)
        if is_outside(address):
            continue
        name, _, anchor = address.partition("#")
        target = (path.parent / name).resolve() if name else path
        assert target.exists(), address
        if anchor and target.suffix == ".md":
            assert anchor in github_ids(target.read_text(encoding="utf-8")), address


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


def test_the_links_of_all_pages_and_of_the_search_lead_somewhere(reports):
    pages = {path.name: Addresses(path) for path in reports.glob("*.html")}
    followed = {(name, address) for name, page in pages.items() for address in page.links}
    index = (reports / "search-index.js").read_text(encoding="utf-8").partition(" = ")[2].rstrip(";\n")
    followed |= {("search-index.js", address) for address, *_ in json.loads(index)}
    assert len(pages) > 12 and len(followed) > 400
    for name, page in pages.items():
        assert len(page.ids) == len(set(page.ids)), name
    for name, address in followed:
        if not is_outside(address):
            target, _, anchor = address.partition("#")
            assert (reports / (target or name)).is_file(), (name, address)
            assert not anchor or unquote(anchor) in pages[target or name].ids, (name, address)


def test_every_mention_of_an_equation_is_a_link(reports):
    """In notebook 2, the only one with numbered equations: in its text, and where a printed line begins."""
    page = (reports / "2_batchnorm_gradient.html").read_text(encoding="utf-8")
    page = re.sub(r"<(style|math|code)\b.*?</\1>|<div class=\" ?highlight.*?</div>", "", page, flags=re.S)
    numbers = set(re.findall(r'id="eq-(\d+)"', page))
    assert numbers == {str(number) for number in range(1, 27)}
    linked = re.findall(r'<a class="mention" href="#eq-(\d+)">\((\d+)\)</a>', page)
    assert len(linked) > 60 and all(target == number for target, number in linked)
    without_links = re.sub(r"<a .*?</a>", "", page, flags=re.S)
    assert re.findall(r"(?<![\w)\]])\((\d{1,2})\)", without_links) == []
