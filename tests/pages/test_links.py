"""Every link of README, docs and pages leads somewhere; of those to other sites only the form is tried."""

import json
import re

import pytest

from cs231n.checking.sections import read_sections
from tests.support import ROOT
from tests.support.links import follow_links, is_outside

TEXTS = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "datasets/README.md")]
TEXTS += sorted((ROOT / "docs").glob("*.md"))


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
        if anchor and target.suffix == ".ipynb":  # its pages have ids for both, JupyterLab for headings alone
            known = read_sections(target.name[0])
            headings = [heading.replace(" ", "-") for heading in known.headings.values()]
            assert anchor in [*headings, *(f"eq-{number}" for number in known.of_equations)], address


def test_the_links_of_all_pages_and_of_the_search_lead_somewhere(reports):
    pages, links = follow_links(reports)
    assert pages > 12 and links > 400


@pytest.mark.parametrize(
    "words",
    [
        "W1 error 1e0 at N = 2",
        "db of the affine before batchnorm is 1e-11 and the relative error 1",
        "fails in float32",
        "all ones upstream",
        "running mean has shape (1, D)",
        "loss at test time is nonsense",
        "dx is right up to a factor of N",
        "dx right only on the diagonal",
    ],
)
def test_the_search_finds_a_symptom_by_the_words_of_a_learner(words, reports):
    """As reader.js does: every word is part of what an entry shows."""
    index = json.loads((reports / "search-index.js").read_text("utf-8").partition(" = ")[2].rstrip(";\n"))
    symptoms = [entry for entry in index if entry[0].startswith("symptoms.html#")]
    (found,) = [
        entry for entry in symptoms if all(w in " ".join(entry).lower() for w in words.lower().split())
    ]
    assert found[2].startswith("Symptoms")


def test_the_search_shows_an_equation_without_the_names_of_its_brackets(reports):
    index = (reports / "search-index.js").read_text("utf-8")
    assert "Equation (34): D dx v" in index and not re.search(r"Equation [^\"]*\bBig[lr]\b", index)


@pytest.mark.parametrize(
    "name, own", [("2_batchnorm_gradient", range(1, 27)), ("5_second_derivative", range(27, 45))]
)
def test_every_mention_of_an_equation_is_a_link(name, own, reports):
    """In the notebooks with numbered equations: in the text, and where a printed line begins."""
    page = (reports / f"{name}.html").read_text(encoding="utf-8")
    page = re.sub(r"<(style|math|code)\b.*?</\1>|<div class=\" ?highlight.*?</div>", "", page, flags=re.S)
    numbers = set(re.findall(r'id="eq-(\d+)"', page))
    assert numbers == {str(number) for number in own}
    linked = re.findall(r'<a class="mention" href="#eq-(\d+)">\((\d+)\)</a>', page)
    assert len(linked) > 2 * len(own) and all(target == number for target, number in linked)
    without_links = re.sub(r"<a .*?</a>", "", page, flags=re.S)
    assert re.findall(r"(?<![\w)\]])\((\d{1,2})\)", without_links) == []
