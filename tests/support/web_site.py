"""A site that is served here, and a page of it in a browser: what it asks for, its cells, its files."""

import contextlib
import functools
import http.server
import threading
import time

from cs231n.data.errors import DataError
from cs231n.web.runtime import RuntimeFile, find_files
from tests.support.browser import skip_or_fail

AXE = RuntimeFile(
    client="npm",
    package="axe-core@4.14.1",
    member="package/axe.min.js",
    size=653780,
    sha256="29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c",
)


class StaticFiles(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

    def copyfile(self, *files):
        with contextlib.suppress(ConnectionError):  # of a page that was left
            super().copyfile(*files)


@contextlib.contextmanager
def serve(handler):
    """Serve on a free port of this machine, and yield the address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


class Site:
    """A page of a notebook in a new context: what it asked for, and what it complained of."""

    def __init__(self, context, address, notebook="1_gradient_checking"):
        self.context, self.address = context, address
        self.asked, self.messages = [], []
        context.route("**/*", self._answer)
        self.page = context.new_page()
        self.page.on("console", lambda message: self.messages.append(f"console: {message.text}"))
        self.page.on("pageerror", lambda error: self.messages.append(f"error: {error}"))
        self.open(notebook)

    def open(self, name):
        self.page.goto(f"{self.address}{name}.html")

    def _answer(self, route):
        self.asked.append(route.request.url)
        if route.request.url.startswith((self.address, f"blob:{self.address}")):
            route.continue_()
        else:
            route.abort()

    def outside(self):
        return [url for url in self.asked if not url.startswith((self.address, f"blob:{self.address}"))]

    def cell(self, number):
        return self.page.locator(".code_cell").nth(number - 1)

    def press(self, name):
        self.page.get_by_role("button", name=name, exact=True).click()

    def edit(self, number, code):
        if not self.cell(number).locator("textarea").count():
            self.press(f"Edit cell {number}")
        self.cell(number).locator("textarea").fill(code)

    def wait_until(self, done, seconds=60):
        end = time.monotonic() + seconds
        while not done():
            assert time.monotonic() < end, self.status()
            self.page.wait_for_timeout(50)

    def status(self):
        return self.page.locator(".runtime [role=status]").text_content()

    def prompts(self):
        return self.page.locator(".code_cell .prompt").all_text_contents()

    def is_idle(self):
        return self.status() == "ready" and not {"[waits]", "[runs]"} & set(self.prompts())

    def run(self, number, code=None):
        """Edit and run one cell; returns its output as text."""
        if code is not None:
            self.edit(number, code)
        self.press(f"Run cell {number}")
        self.wait_until(self.is_idle)
        return self.output(number)

    def cell_of(self, code):
        """The number of the cell that starts with it."""
        codes = self.page.locator(".code_cell .input_area pre").all_text_contents()
        return next(number for number, text in enumerate(codes, 1) if text.startswith(code))

    def text_of_file(self):
        """What the editor shows."""
        return self.page.evaluate("editor ? editor.getValue() : ''")

    def kept(self, name):
        return self.page.evaluate("name => kept().get(name)", name)

    def output(self, number):
        return self.cell(number).locator(".output").text_content().strip()

    def outputs(self):
        """Of each cell its outputs as lines of text."""
        areas = "cell => [...cell.querySelectorAll('.output_area')].map(area => area.textContent)"
        found = self.page.evaluate(f"[...document.querySelectorAll('.code_cell')].map({areas})")
        return [[line for line in "\n".join(areas).split("\n") if line.strip()] for areas in found]

    def serious_findings(self, within=None):
        return serious_findings(self.page, within)


def serious_findings(page, within=None):
    """The serious findings of axe-core, of the page or a part of it: [(rule, the HTML it is about)]."""
    try:
        axe = find_files([AXE])["axe.min.js"].read_text(encoding="utf-8")
    except DataError as error:
        skip_or_fail(f"needs axe-core: {error}")
    page.evaluate(axe)
    run = "within => axe.run(within || document).then(result => result.violations)"
    found = page.evaluate(run, within)
    return [
        (rule["id"], sorted({node["html"][:150] for node in rule["nodes"]})[:20])
        for rule in found
        if rule["impact"] in ("serious", "critical")
    ]


def serve_folder(folder):
    return serve(functools.partial(StaticFiles, directory=folder))
