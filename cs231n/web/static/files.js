// The files of the assignment beside the page: an editor, the check of all exercises, the zip to hand in.
"use strict";

const editorBox = element("div", { className: "editor" });
const tabs = element("div", { className: "cell_tools" });
const results = element("div", { className: "output" });
const note = element("p", { className: "time", role: "status" });
const picker = element("input", { type: "file", accept: ".zip", hidden: true });
const panel = element("aside", { className: "files", hidden: true, tabIndex: -1 },
  element("div", { className: "cell_tools" },
    button("Check all", checkAll), button("Download submission.zip", download),
    button("Open a zip", () => picker.click()), button("Reset file", resetFile), button("Close", closeFiles), picker),
  note, tabs, editorBox, results);
panel.setAttribute("aria-label", "Files of the assignment");
panel.addEventListener("keydown", (event) => { if (event.key === "Escape") closeFiles(); });  // the editor stops its own
document.body.append(panel);
let editor = null, path = null, loading = null, opener = null;

function loadScript(name) {
  return new Promise((done, failed) => document.head.append(
    element("script", { src: `runtime/${name}`, onload: done, onerror: () => failed(Error(`${name} cannot be loaded`)) })));
}

async function openFiles(exercise) {
  if (!isServed()) return;
  opener = document.activeElement;
  panel.hidden = false;
  document.body.classList.add("with_files");
  if (!loading) {
    note.textContent = "";
    loading = loadEditable().then(() => loadScript("ace.js")).then(() => loadScript("mode-python.js"));
  }
  try { await loading; } catch (error) {
    loading = null;
    note.textContent = `The editor does not start: ${error.message}. Press Close, then Files, to try again.`;
    return;
  }
  if (!editor) {
    editor = ace.edit(editorBox, { mode: "ace/mode/python", useWorker: false, enableKeyboardAccessibility: true,
      fontSize: 14, tabSize: 4, useSoftTabs: true, showPrintMargin: false });
    editor.textInput.getElement().setAttribute("aria-label", "Code of the file");
    editor.on("change", () => { if (!editor.filling) keep(path, editor.getValue(), editable[path]); });
    editor.commands.addCommand({ name: "save", bindKey: { win: "Ctrl-S", mac: "Command-S" }, exec() {
      note.textContent = "You need not save: a check uses what is in the editor.";
    } });
    tabs.append(...Object.keys(editable).map((name) => {
      const tab = button(name.split("/").pop(), () => showFile(name));
      tab.dataset.path = name;
      return tab;
    }));
    showFile(Object.keys(editable).find((name) => name.endsWith("/layers.py")) || Object.keys(editable)[0]);
  }
  if (exercise) {
    const start = new RegExp(`^(def|class) ${exercise.split(".")[0]}\\b`, "m");
    showFile(Object.keys(editable).find((name) => start.test(editable[name])) || path);
    editor.find(start);
  }
  editor.resize();
  makeReachable(document);  // the page is narrower now
  panel.focus();
}

function closeFiles() {
  panel.hidden = true;
  document.body.classList.remove("with_files");
  opener?.focus();
}

function showFile(name) {
  path = name;
  for (const tab of tabs.children) tab.setAttribute("aria-pressed", tab.dataset.path === name);
  editor.filling = true;
  editor.session.setValue(kept().get(name) ?? editable[name]);
  editor.filling = false;
}

function resetFile() {
  if (!confirm(`Put ${path} back as it was handed out? What you wrote in it is lost.`)) return;
  keep(path, editable[path], editable[path]);
  showFile(path);
}

function checkAll() {
  note.textContent = "";
  const check = task("the check", "from cs231n.checks import check_exercises as _check\n_ = _check()", results);
  runCells([Object.assign(check, { name: "check", done() {
    results.tabIndex = 0;  // it scrolls
    results.scrollIntoView({ block: "nearest" });
  } })]);
}

function download() {
  if (waiting.some(({ type }) => type === "pack")) return;
  const question = document.querySelector("meta[name=declaration]")?.content;  // about the use of assistants
  const how = '"none", or "for explanations: ..." or "for code: ...", with which and what for.';
  const declaration = question ? prompt(`${question} Write ${how}`)?.trim() : "";
  if (question && !declaration) note.textContent = "Nothing is packed: your class asks how you used assistants.";
  else {
    note.textContent = running ? "It is packed after the cell that runs. Stop ends the cell." : "packing";
    ask({ type: "pack", declaration });
  }
}

addEventListener("packed", ({ detail }) => {
  const url = URL.createObjectURL(new Blob([detail.zip], { type: "application/zip" }));
  element("a", { href: url, download: "submission.zip" }).click();
  note.textContent = "submission.zip is downloaded. Hand it in as your course says.";
});

picker.addEventListener("change", async () => {
  if (picker.files.length) ask({ type: "open", zip: new Uint8Array(await picker.files[0].arrayBuffer()) });
  picker.value = "";
});

// The zip has all files, and of each notebook the cells that are not as handed out.
addEventListener("opened", ({ detail }) => {
  const texts = new Map(Object.entries(detail.files));
  for (const [notebook, sources] of Object.entries(detail.cells)) {
    const stem = notebook.split("/").pop().replace(".ipynb", "");
    for (const name of kept().keys()) if (name.startsWith(`${stem}.html `)) texts.set(name, undefined);
    for (const [id, text] of Object.entries(sources)) texts.set(`${stem}.html cell-id=${id}`, text);
  }
  const lost = [...texts].filter(([name, text]) => kept().has(name) && kept().get(name) !== text);
  const places = [...new Set(lost.map(([name]) => name.split(" ")[0]))].join(", ");  // files and pages
  if (lost.length && !confirm(`Put the zip in the place of what you typed here? It replaces text in ${places}.`)) {
    note.textContent = "Nothing is changed.";
    return;
  }
  for (const [name, text] of texts) {
    keep(name, text, editable[name]);
    adopt(name);
  }
  note.textContent = "The files, the cells and the answers of the zip are here now.";
});

addEventListener("adopt", ({ detail }) => { if (editor && detail.name === path) showFile(path); });
addEventListener("refused", ({ detail }) => { note.textContent = detail.text; });
