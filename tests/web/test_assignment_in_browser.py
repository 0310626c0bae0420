"""The learner's edition in a browser: write functions, read diagnoses, hand in, go on elsewhere."""

import json
import re
import shutil
import zipfile

import pytest

from classroom.grading.words import load_questions
from tests.support import ROOT
from tests.support.grading import EXERCISES, marked, read, shares
from tests.support.links import follow_links
from tests.support.python import run_python
from tests.support.web_site import Site

pytestmark = pytest.mark.slow

FILES = [
    "cs231n/layers.py",
    "cs231n/layer_utils.py",
    "cs231n/optim.py",
    "cs231n/classifiers/fc_net.py",
    "cs231n/second_derivative.py",
]


@pytest.fixture
def site(browser, learner_address):
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    site = Site(context, learner_address)
    yield site
    assert site.outside() == []
    assert site.messages == []
    context.close()


def write(site, name, text):
    """Open a file of the assignment and put `text` in the place of what is there."""
    tab = site.page.locator(f'.files [data-path="{name}"]')
    if not tab.is_visible():
        site.press("Files")
    tab.click()
    site.page.evaluate("text => editor.setValue(text, 1)", text)


def solved(name):
    return (ROOT / name).read_text(encoding="utf-8")


def words(text):
    """What is compared of texts that are broken into lines differently."""
    return re.findall(r"[\w.]+", text)


def check_all(site):
    site.press("Check all")
    site.wait_until(site.is_idle)
    return site.page.locator(".files .output").text_content().strip()


def test_a_card_says_what_is_missing_wrong_and_right(site):
    check = site.page.get_by_role("button", name="Check cell")
    number = site.cell_of('check("relu_backward")')
    assert check.count() == 5

    def verdict():
        site.press(f"Check cell {number}")
        site.wait_until(site.is_idle)
        return site.output(number)

    assert "not written yet" in verdict()
    right = solved("cs231n/layers.py")
    head, name, tail = right.partition("def relu_backward")
    write(site, "cs231n/layers.py", head + name + tail.replace("return ", "return 2 * ", 1))
    assert site.page.evaluate("editor.renderer.lineHeight") > 1.3 * 14  # else underscores are cut off
    site.press("Close")
    assert "relu_backward, 3 points: wrong" in verdict() and "ratio 2" in site.output(number)
    write(site, "cs231n/layers.py", right)
    site.press("Close")
    assert verdict().endswith("relu_backward, 3 points: passed")


def test_all_exercises_are_handed_in_and_opened_elsewhere(site, browser, learner_address, tmp_path):
    assert check_all_after_opening(site).endswith("0 of 17 exercises passed, 0 of 100 points")
    for name in FILES:
        write(site, name, solved(name))
    assert check_all(site).endswith("17 of 17 exercises passed, 100 of 100 points, and 8 bonus points")
    with site.page.expect_download() as download:
        site.press("Download submission.zip")
    path = tmp_path / "student.zip"
    download.value.save_as(path)
    share = shares(marked(read(path).files))
    assert sum(exercise.points * share[exercise.title] for exercise in EXERCISES) == 108

    elsewhere = Site(browser.new_context(), learner_address)
    elsewhere.press("Files")
    elsewhere.page.locator("input[type=file]").set_input_files(path)
    elsewhere.wait_until(lambda: "are here now" in elsewhere.page.locator(".files").text_content())
    assert check_all(elsewhere).endswith("17 of 17 exercises passed, 100 of 100 points, and 8 bonus points")
    assert elsewhere.outside() == elsewhere.messages == []
    elsewhere.context.close()


def test_the_links_of_the_learners_pages_lead_somewhere(learner_folder):
    pages, links = follow_links(learner_folder)
    assert pages == 8 and links > 250


def test_verdicts_and_hints_are_those_of_the_terminal(site, learner_folder, tmp_path):
    """Word for word; the table of all, a card, the hints. The last verdicts stay in sight."""
    right = solved("cs231n/layers.py")
    head, name, tail = right.partition("def affine_backward")
    wrong = head + name + tail.replace("return ", "print('seen')\n    return 2 * ", 1)
    folder = shutil.copytree(learner_folder.parent, tmp_path / "kit", ignore=shutil.ignore_patterns("OUT"))
    (folder / "cs231n" / "layers.py").write_text(wrong, encoding="utf-8")

    def terminal(*arguments):
        return run_python(["-m", "cs231n", *arguments], folder, {"PYTHONPATH": str(folder)}).stdout

    write(site, "cs231n/layers.py", wrong)
    table = terminal("check")
    assert words(check_all(site)) == words(table)
    summary, bar = table.splitlines()[-1].partition(",")[0], site.page.locator(".runtime")
    assert summary in bar.text_content() and 0 < int(summary.split()[0]) < 17
    site.press("Close")
    number = site.cell_of('check("affine_backward")')
    site.press(f"Check cell {number}")
    site.wait_until(site.is_idle)
    line, *findings, _ = terminal("check", "affine_backward").splitlines()
    shown = site.cell(number).locator(".output ul").inner_text()
    assert "wrong" in line and words(" ".join(findings)) == words(shown) and len(words(shown)) > 20
    for step in ("1", "2", "3"):
        site.press(f"Hint cell {number}")
        site.wait_until(site.is_idle)
        shown = words(site.cell(number).locator(".hints").text_content())
        expected = words(terminal("hint", "affine_backward", step))
        assert shown[:40] == expected[:40] and len(shown) > 40
    site.page.reload()
    assert summary in bar.text_content()


def test_a_class_that_asks_about_assistants_gets_an_answer(site, tmp_path):
    meta = "<meta name=declaration content='Which assistants did you use?'>"
    site.page.evaluate("meta => document.head.insertAdjacentHTML('beforeend', meta)", meta)
    site.press("Files")
    site.page.once("dialog", lambda dialog: dialog.dismiss())
    site.press("Download submission.zip")
    assert "Nothing is packed" in site.page.locator(".files").text_content()
    asked = []
    site.page.once("dialog", lambda dialog: (asked.append(dialog.message), dialog.accept("none")))
    with site.page.expect_download() as download:
        site.press("Download submission.zip")
    with zipfile.ZipFile(download.value.path()) as archive:
        assert json.loads(archive.read("manifest.json"))["declaration"] == "none"
    assert asked[0].startswith("Which assistants did you use? Write ")


def test_where_no_figure_is_stored_none_is_promised(site):
    site.run(1)
    draw = "import matplotlib.pyplot as plt\nfrom cs231n.vis_utils import show\n"
    shown = site.run(2, f"{draw}figure, axes = plt.subplots()\nshow(figure, 'A line that rises')")
    none = "This edition has no matplotlib, so it draws no figure."
    assert shown == f"A line that rises{none}"
    assert site.run(2, "plt.plot([1, 2])\nplt.show()") == none


def test_answers_in_words_are_handed_in_and_opened_elsewhere(site, browser, learner_address, tmp_path):
    words = "Rounding grows as 1/h,\n<b>so</b> *h* must not be too small."
    assert site.page.get_by_role("button", name="Edit answer").count() == 3
    site.press("Edit answer 1.10")
    site.page.get_by_label("answer 1.10", exact=True).last.fill(words)
    site.page.reload()
    assert site.page.get_by_role("textbox").input_value() == words
    site.press("Files")
    with site.page.expect_download() as download:
        site.press("Download submission.zip")
    download.value.save_as(tmp_path / "student.zip")
    questions = [question.number for question in load_questions()]
    assert read(tmp_path / "student.zip", questions=questions).words.answers == {"1.10": words}

    elsewhere = Site(browser.new_context(), learner_address)
    elsewhere.press("Files")
    elsewhere.page.locator("input[type=file]").set_input_files(tmp_path / "student.zip")
    elsewhere.wait_until(lambda: "are here now" in elsewhere.page.locator(".files").text_content())
    elsewhere.press("Close")
    assert elsewhere.page.locator(".text_cell textarea").input_value() == words
    elsewhere.press("Reset answer 1.10")
    assert elsewhere.page.get_by_text("Write your answer here.").count() == 3
    elsewhere.page.reload()
    assert elsewhere.page.locator(".text_cell textarea").count() == 0
    elsewhere.context.close()


def test_what_is_typed_is_not_lost_to_a_zip_without_asking(site, tmp_path):
    site.edit(2, "two = 2")
    site.press("Files")
    with site.page.expect_download() as download:
        site.press("Download submission.zip")
    download.value.save_as(tmp_path / "student.zip")
    asked, note = [], site.page.locator(".files > [role=status]")
    site.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))

    def open_zip(says):
        site.page.locator("input[type=file]").set_input_files(tmp_path / "student.zip")
        site.wait_until(lambda: says in note.text_content())

    open_zip("are here now")  # what is typed is in the zip
    assert asked == []
    site.page.evaluate("editor.setValue('# newer')")
    open_zip("Nothing is changed")
    assert len(asked) == 1 and "cs231n/layers.py" in asked[0]
    assert site.kept("cs231n/layers.py") == site.text_of_file() == "# newer"


def test_a_download_waits_for_a_loop_and_comes_when_it_is_stopped(site):
    site.edit(2, "while True: pass")
    site.press("Run cell 2")
    site.wait_until(lambda: site.status() == "cell 2 runs")
    site.press("Files")
    site.press("Download submission.zip")
    assert "after the cell that runs" in site.page.locator(".files > [role=status]").text_content()
    site.press("Download submission.zip")
    downloads = []
    site.page.on("download", lambda download: downloads.append(download))
    with site.page.expect_download():
        site.press("Stop")
    site.press("Check all")
    site.wait_until(site.is_idle)
    assert len(downloads) == 1


def test_an_answer_has_its_imports_wherever_the_learner_starts(site):
    number = site.cell_of("# Question 1.2")
    assert "NameError" not in site.run(number)
    assert site.prompts()[0] == "[1]" and site.prompts()[number - 1] == "[2]"


def test_an_editor_that_cannot_be_loaded_is_named_and_tried_again(site):
    site.page.route("**/ace.js", lambda route: route.abort())
    site.press("Files")
    site.wait_until(lambda: "ace.js" in site.page.locator(".files > [role=status]").text_content())
    site.messages.clear()  # the browser's own words on the request
    site.page.unroute("**/ace.js")
    site.press("Close")
    site.press("Files")
    site.wait_until(lambda: "def relu_forward" in site.text_of_file())
    assert site.page.locator(".files > [role=status]").text_content() == ""


def test_the_editor_fits_over_the_keyboard_of_a_phone(browser, learner_address):
    context = browser.new_context(viewport={"width": 390, "height": 400}, has_touch=True)
    site = Site(context, learner_address)
    site.press("Files")
    site.wait_until(lambda: "def relu_forward" in site.text_of_file())
    editor, panel = (site.page.locator(name).bounding_box() for name in (".files .editor", ".files"))
    assert panel["y"] + panel["height"] - editor["y"] > 200  # some ten lines
    site.press("Close")
    context.close()


def test_a_syntax_error_is_shown_to_its_end(site):
    site.run(1)  # from here on each cell reloads what was edited
    check_all_after_opening(site)
    write(site, "cs231n/layers.py", solved("cs231n/layers.py").replace("np.maximum(x, 0)", "np.maximum(x, 0"))
    check_all(site)
    warning = site.page.locator(".files .output_stderr pre")
    assert "Until you correct it" in warning.text_content()
    assert warning.evaluate("node => node.scrollWidth <= node.clientWidth")


def test_a_second_press_runs_again_only_what_was_edited(site):
    """The cell that runs, or the files that a check reads, can be edited meanwhile."""
    count = "import time\nfor n in range(3):\n    print(n)\n    time.sleep(0.5)"
    site.edit(2, count)
    site.press("Run cell 2")
    site.press("Run cell 2")
    site.wait_until(site.is_idle)
    assert site.prompts()[1] == "[1]" and site.output(2) == "0\n1\n2"
    site.press("Run cell 2")
    site.wait_until(lambda: site.status() == "cell 2 runs")
    site.edit(2, "print('newer')")
    site.press("Run cell 2")
    site.wait_until(site.is_idle)
    assert site.output(2) == "newer"


def test_ctrl_s_in_the_editor_opens_no_dialog(site):
    write(site, "cs231n/optim.py", "# mine")
    press = "new KeyboardEvent('keydown', { keyCode: 83, ctrlKey: true, bubbles: true, cancelable: true })"
    assert not site.page.evaluate(f"editor.textInput.getElement().dispatchEvent({press})")
    assert "need not save" in site.page.locator(".files > [role=status]").text_content()


def check_all_after_opening(site):
    site.press("Files")
    return check_all(site)


def test_another_zip_is_refused(site, tmp_path):
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("../cs231n/layers.py", "print('escaped')")
    (tmp_path / "no.zip").write_bytes(b"no zip")
    site.press("Files")
    for name, reason in [("other.zip", "no file of the assignment is in it"), ("no.zip", "not a zip file")]:
        site.page.locator("input[type=file]").set_input_files(tmp_path / name)
        site.wait_until(lambda reason=reason: reason in site.page.locator(".files").text_content())


@pytest.mark.parametrize("scheme, width", [("light", 1280), ("dark", 390), ("light", 390), ("dark", 1280)])
def test_nothing_serious_for_those_who_use_a_keyboard_or_a_screen_reader(
    browser, learner_address, scheme, width
):
    context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
    site = Site(context, learner_address)
    site.edit(2, "1 / 0")
    site.run(2)
    site.press("Edit answer 1.9")
    number = site.cell_of('check("relu_forward")')
    site.press(f"Hint cell {number}")
    site.wait_until(site.is_idle)
    assert site.serious_findings() == []
    write(site, "cs231n/optim.py", solved("cs231n/optim.py"))
    assert site.serious_findings() == []
    check_all(site)
    assert site.serious_findings() == []
    context.close()
