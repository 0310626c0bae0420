"""The site in a browser, with the bundled runtime and no network: read, run, stop, reload."""

import http.server
import time

import nbformat
import pytest

from tests.support import ROOT
from tests.support.web_site import Site, serve

pytestmark = pytest.mark.slow

FIRST_CHECK_SECONDS = 10  # what a reader is asked to wait
NOTE = "This is the figure that is stored with the notebook."


def is_code(cell):
    return cell.cell_type == "code"


def test_the_page_reads_before_the_runtime(site):
    source = nbformat.read(ROOT / "notebooks" / "1_gradient_checking.ipynb", 4).cells
    assert site.page.locator("h1").text_content().startswith("1. Gradient checking")
    assert site.page.locator("math").count() > 100
    assert site.page.locator(".code_cell").count() == sum(map(is_code, source))
    assert not [url for url in site.asked if "/runtime/" in url or "worker.js" in url]


@pytest.mark.parametrize(
    "name, least, figures",
    [("1_gradient_checking", 40, 4), ("2_batchnorm_gradient", 40, 4), ("5_second_derivative", 24, 1)],
)
def test_a_notebook_from_top_to_bottom_gives_the_stored_outputs(site, name, least, figures):
    """All text but that of cells whose output nbval does not compare either; the stored figures stay."""
    site.open(name)
    cells = [cell for cell in nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", 4).cells if is_code(cell)]
    compared = [
        n for n, cell in enumerate(cells) if "nbval-ignore-output" not in cell.metadata.get("tags", [])
    ]
    stored = site.outputs()
    assert len(compared) > least and sum(bool(stored[n]) for n in compared) > least
    drawn = site.page.locator(".output img").count()
    site.press("Run all")
    site.wait_until(site.is_idle)
    computed = site.outputs()
    assert [computed[n] for n in compared] == [stored[n] for n in compared]
    assert site.prompts() == [f"[{n + 1}]" for n in range(len(cells))]
    assert site.page.locator(".output_error").count() == 0
    notes = sum(line.startswith(NOTE) for lines in computed for line in lines)
    assert site.page.locator(".output img").count() == notes == drawn >= figures


def test_without_the_images_the_stored_results_stay(site):
    """In notebook 3 all cells run but 24; the page says so before, and at each of them."""
    site.open("3_fully_connected_net")
    assert site.page.get_by_text("In this page the images of CIFAR-10 are not there.").count() == 1
    drawn = site.page.locator(".output img").count()
    site.press("Run all")
    site.wait_until(site.is_idle)
    assert "[not run]" not in site.prompts() and site.page.locator(".output_error").count() == 0
    assert site.page.locator(".output").get_by_text("CIFAR-10 is not in this page").count() == 24
    assert "CIFAR-10 is not in this page" in site.output(10)
    assert site.output(17).startswith("two layers: fifty of fifty")
    assert site.page.locator(".output img").count() == drawn


def test_the_first_check_comes_soon(browser, address):
    context = browser.new_context()
    started = time.monotonic()
    site = Site(context, address)
    first = site.cell(1).locator(".input_area pre").text_content()
    output = site.run(1, f"{first}\ncheck('relu_forward')")
    seconds = time.monotonic() - started
    assert output.endswith("relu_forward, 2 points: passed")
    assert site.run(2, "check()").splitlines()[-1].startswith("17 of 17 exercises passed")
    assert seconds < FIRST_CHECK_SECONDS
    context.close()


@pytest.mark.parametrize("body", ["pass", "print('a line')"])
def test_an_endless_loop_can_be_stopped(site, body):
    assert site.run(1, "kept = 1") == ""
    site.edit(2, f"while True:\n    {body}")
    site.press("Run cell 2")
    site.wait_until(lambda: "cell 2 runs" in site.status())
    site.press("Stop")
    site.wait_until(site.is_idle)
    assert site.output(2).endswith("Stopped. The variables are lost: run the cells above again.")
    assert site.cell(2).locator("textarea").input_value() == f"while True:\n    {body}"
    assert "NameError: name 'kept' is not defined" in site.run(3, "print(kept)")


def test_what_was_typed_survives_a_reload_and_can_be_reset(site):
    code = "print('typed before the reload')  # <b> & \"quotes\"\n"
    stored = site.outputs()
    site.edit(3, code)
    site.page.reload()
    assert site.cell(3).locator("textarea").input_value() == code
    assert site.run(3) == "typed before the reload"
    site.press("Reset cell 3")
    assert site.outputs() == stored
    site.page.reload()
    assert site.page.locator("textarea").count() == 0


def test_an_error_shows_the_lines_of_the_cell_and_ends_what_waits(site):
    site.edit(1, "def f():\n    return 1 / 0\n\nf()")
    site.press("Run all")
    site.wait_until(site.is_idle)
    lines = site.output(1).splitlines()
    assert (
        lines[0] == "Traceback (most recent call last):"
        and lines[-1] == "ZeroDivisionError: division by zero"
    )
    assert "return 1 / 0" in site.output(1) and "shell.py" not in site.output(1)
    assert site.prompts()[:2] == ["[1]", "[not run]"]


def test_a_wrong_function_gets_its_diagnosis(site):
    site.run(1)
    wrong = (
        "from pathlib import Path\nfile = Path('/kit/cs231n/layers.py')\n"
        "head, name, tail = file.read_text().partition('def relu_backward')\n"
        "file.write_text(head + name + tail.replace('return ', 'return 2 * ', 1))"
    )
    assert "Traceback" not in site.run(2, wrong)
    output = site.run(3, "check('relu_backward')")
    assert "relu_backward, 3 points: wrong" in output and "ratio 2" in output
    assert output.endswith("Exercise 4: relu_backward is not right yet; the box above says why.")
    links = site.cell(3).locator(".output a")
    assert links.first.get_attribute("href") == "1_gradient_checking.html#section-9"
    ignored = "file.write_text(file.read_text().replace('return 2 * dout', 'return 1.0'))"
    assert "ratio" in site.run(4, f"{ignored}\ncheck('relu_backward')")
    link = site.cell(4).locator(".output a").last.get_attribute("href")
    assert link == "symptoms.html#the-check-passes-with-all-ones-upstream"


def test_code_in_a_cell_reaches_nothing_outside(browser, address):
    """Not even a server that would answer any page: the worker has the policy of the page."""
    asked = []

    class Open(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Access-Control-Allow-Origin", "*")
            self.end_headers()

        def log_message(self, *_):
            pass

    context = browser.new_context()
    site = Site(context, address)
    context.unroute_all()
    ask = "import js\nrequest = js.XMLHttpRequest.new()\nrequest.open('GET', {!r}, False)\nrequest.send()\n"
    ask += "print(request.status)"
    with serve(Open) as other:
        assert "NetworkError" in site.run(1, ask.format(other))
        assert site.run(2, ask.format(address)) == "200"
    assert asked == []
    context.close()


def test_html_that_a_cell_shows_runs_nothing_and_leads_nowhere(site):
    html = "<b id=seen>bold</b><meta http-equiv=refresh content='0;url=index.html'><form action=x></form>"
    show = "from IPython.display import display\ndisplay({'text/html': %r, 'text/plain': ''}, raw=True)"
    site.run(1, show % html)
    site.page.wait_for_timeout(300)
    assert site.page.locator("#seen").text_content() == "bold"
    assert site.page.locator(".output form").count() == 0 and "1_gradient" in site.page.url


def test_a_phone_shows_it_without_scrolling_sideways(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 844})
    site = Site(context, address)
    site.edit(2, f"{'long = 1  # ' + 'x' * 200}\nprint(long * 'y' * 300)")
    assert len(site.run(2)) == 300
    assert site.page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    context.close()


def test_the_code_of_a_figure_is_folded_and_runs_and_a_printed_equation_is_a_link(site):
    folded = site.page.locator(".code_cell").evaluate_all(
        "cells => cells.map(c => !!c.querySelector('.code'))"
    )
    number = folded.index(True) + 1
    assert not site.cell(number).locator("pre").first.is_visible()
    assert "NameError" in site.run(number)
    site.press(f"Edit cell {number}")
    assert site.cell(number).locator("textarea").is_visible()
    site.open("2_batchnorm_gradient")
    site.run(1, "print('(3) holds\\n  (20), one line, f(3)\\n(99) is none\\nequations (17) to (19)')")
    links = site.cell(1).locator(".output a")
    assert links.evaluate_all("links => links.map(a => a.hash)") == ["#eq-3", "#eq-20", "#eq-17", "#eq-19"]
    assert site.output(1) == "(3) holds\n  (20), one line, f(3)\n(99) is none\nequations (17) to (19)"
