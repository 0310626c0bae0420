"""--runtime cdn: its address is answered here, since the tests reach no such server."""

import hashlib
import io
import json
import re
import zipfile

import pytest

from cs231n.web import site as web_site
from cs231n.web.runtime import find_runtime, load_table
from tests.support.web_site import Site, serve_folder

pytestmark = pytest.mark.slow

CDN = load_table()["cdn"]


@pytest.fixture(scope="module")
def wheels(address):
    """{file name: content}: NumPy's wheel of the bundled runtime, and one that it needs."""
    small = io.BytesIO()
    with zipfile.ZipFile(small, "w") as archive:
        archive.writestr("small.py", "answer = 42\n")
    (numpy,) = (path for name, path in find_runtime("bundled").items() if name.startswith("numpy-"))
    return {"numpy-wasm32.whl": numpy.read_bytes(), "small-1.0.whl": small.getvalue()}


@pytest.fixture
def cdn_address(wheels, tmp_path, monkeypatch):
    """The address of a site whose lock file holds the digests of these wheels."""
    lock = json.loads(find_runtime("cdn")["pyodide-lock.json"].read_bytes())
    lock["packages"] = {
        name.partition("-")[0]: {
            "file_name": name,
            "sha256": hashlib.sha256(content).hexdigest(),
            "depends": [],
        }
        for name, content in wheels.items()
    }
    lock["packages"]["numpy"]["depends"] = ["small"]
    (tmp_path / "lock.json").write_text(json.dumps(lock))
    files = {**find_runtime("cdn"), "pyodide-lock.json": tmp_path / "lock.json"}
    monkeypatch.setattr(web_site, "find_runtime", lambda _: files)
    monkeypatch.setattr(web_site, "load_table", lambda: {**load_table(), "cdn_packages": ["numpy"]})
    web_site.write_site(tmp_path / "site", "cdn")
    assert not list((tmp_path / "site" / "runtime").glob("numpy*"))
    with serve_folder(tmp_path / "site") as url:
        yield url


def test_the_worker_takes_the_packages_from_the_cdn_and_verifies_them(browser, cdn_address, wheels):
    context = browser.new_context()
    site = Site(context, cdn_address)
    asked, served = [], dict(wheels)

    def answer(route):
        name = route.request.url.rpartition("/")[2]
        asked.append(route.request.url)
        headers = {"Access-Control-Allow-Origin": "*"}
        route.fulfill(status=200 if name in served else 404, body=served.get(name, b""), headers=headers)

    context.route(re.compile("https:"), answer)
    served["numpy-wasm32.whl"] = wheels["numpy-wasm32.whl"][:-1] + b"?"
    site.press("Run cell 1")
    site.wait_until(lambda: "does not start" in site.status())
    assert (
        "numpy-wasm32.whl from cdn.jsdelivr.net is not the pinned file: its SHA-256 is wrong" in site.status()
    )
    del served["numpy-wasm32.whl"]
    site.press("Run cell 1")
    site.wait_until(lambda: "numpy-wasm32.whl: the server answers 404" in site.status())
    served |= wheels
    assert site.run(1, "import numpy, small\nprint(numpy.ones(3).sum(), small.answer)") == "3.0 42"
    assert set(asked) == {CDN + name for name in wheels}

    asked.clear()
    ask = "import js\nrequest = js.XMLHttpRequest.new()\nrequest.open('GET', {!r}, False)\nrequest.send()\n"
    ask += "print(request.status)"
    assert site.run(2, ask.format(CDN + "small-1.0.whl")) == "200"
    for refused in (CDN.replace("/full/", "/other/"), CDN.replace("cdn.", "www.")):
        assert "NetworkError" in site.run(2, ask.format(refused + "small-1.0.whl"))
    assert asked == [CDN + "small-1.0.whl"] and site.outside() == []
    context.close()
