"""Draw the pictures of README.md: python docs/pictures.py equations|web.

`web` needs the extra [browser], Chromium and Node.js.
"""

import re
import sys
import tempfile
from pathlib import Path
from subprocess import run

DOCS = Path(__file__).resolve().parent
KIT = DOCS.parent
UNWRITTEN = re.compile(r" +#.*\n +raise NotImplementedError.*\n")
S = r"s = \sqrt{\sigma^2 + \varepsilon}"
FORWARD = rf"$\hat{{x}} = \dfrac{{x - \mu}}{{s}}, \quad {S}, \quad y = \gamma\,\hat{{x}} + \beta$"
BACKWARD = r"$dx = \dfrac{\gamma}{s}\left(g - \dfrac{d\beta}{N} - \hat{x}\,\dfrac{d\gamma}{N}\right)$"
MEAN = r"\mathrm{mean}"
SECOND = (
    rf"$D(dx)[v] = -\dfrac{{\gamma}}{{s^2}}\left({MEAN}(v\,\hat{{x}})\,P g"
    rf" + {MEAN}(g\,\hat{{x}})\,P v + \hat{{x}}\,{MEAN}(g\,P v)\right)$"
)
PROJECTION = rf"$P t = t - {MEAN}(t) - \hat{{x}}\,{MEAN}(t\,\hat{{x}})$"


def draw_equations(path: Path) -> None:
    """Draw the forward pass, its gradient and the derivative of that, one line each."""
    import matplotlib.pyplot as plt

    plt.rcParams["mathtext.fontset"] = "cm"
    figure = plt.figure(figsize=(6.6, 2.9))
    rows = [
        ("forward", FORWARD, 19, 0.82),
        ("backward", BACKWARD, 19, 0.54),
        ("derivative\nalong v", SECOND, 14.5, 0.27),
    ]
    for name, equation, size, height in [*rows, ("with", PROJECTION, 14.5, 0.06)]:
        figure.text(0.02, height + 0.02, name, size=11, color="#5f6670", va="center")
        figure.text(0.16, height, equation, size=size, va="baseline")
    figure.savefig(path, dpi=200, facecolor="white")


def draw_web(path: Path) -> None:
    """Photograph the learner's site: a card, the verdict on a wrong function, and the editor."""
    sys.path.insert(0, str(KIT))
    from tests.support.browser import start_chromium
    from tests.support.web_site import Site, serve_folder

    with tempfile.TemporaryDirectory() as temp:
        run([sys.executable, "-m", "classroom.releasing.start", f"{temp}/kit"], cwd=KIT, check=True)
        run([sys.executable, "-m", "cs231n", "web", "site"], cwd=f"{temp}/kit", check=True)
        with serve_folder(f"{temp}/kit/site") as address, start_chromium() as browser:
            context = browser.new_context(viewport={"width": 1280, "height": 640})
            site = Site(context, address)
            site.press("Files")
            site.page.locator('[data-path="cs231n/layers.py"]').wait_for()
            text = site.page.evaluate("editor.getValue()")
            head, name, tail = text.partition("def relu_forward")
            wrong = tail.replace(UNWRITTEN.search(tail)[0], "    out = np.abs(x)\n    return out, x\n", 1)
            site.page.evaluate("text => editor.setValue(text, 1)", head + name + wrong)
            line = (head + name).count("\n") - 1
            site.page.evaluate(f"editor.scrollToLine({line}); editor.clearSelection()")
            card = site.page.locator(".code_cell").filter(has_text='check("relu_forward")')
            card.get_by_role("button", name=re.compile("^Check")).click()
            site.wait_until(site.is_idle)
            card.locator(".output").scroll_into_view_if_needed()
            site.page.screenshot(path=path)


if __name__ == "__main__":
    {"equations": draw_equations, "web": draw_web}[sys.argv[1]](DOCS / f"{sys.argv[1]}.png")
