// The cells of a notebook's page: edit, run, stop, reset. The runtime starts with the first Run.
"use strict";

const before = kept();
const cells = [...document.querySelectorAll(".code_cell")].map(makeCodeCell);
const answers = [...document.querySelectorAll(".text_cell.celltag_answer")].filter(isOpen).map(makeAnswer);
const shown = new Map([...cells, ...answers].map((cell) => [`${page} ${cell.node.id}`, cell]));
for (const [name, cell] of shown) { cell.place = name; put(cell, before.get(name)); }
let editable = null;  // {path: text} of the files with exercises, as they are handed out
const loadEditable = async () => { editable ||= await (await get("editable.json")).json(); };
loadEditable().catch(() => { /* without a server the page can be read */ });
let worker = null, ready = false, running = null, queue = [], count = 0, started = 0, clock = null;

// ---- cells: of code, and places for words
function makeCell(node, pre, source, label) {
  const cell = { node, pre, source, label, area: null };
  cell.edit = button("Edit", () => { edit(cell, source); cell.area.focus(); }, label);
  cell.reset = button("Reset", () => {
    if (cell === running || queue.includes(cell)) return;
    put(cell, source);
    keep(cell.place, source, source);
    cell.output?.replaceChildren(...storedOutputs(cell));
    cell.edit.focus();
  }, label);
  cell.tools = element("div", { className: "cell_tools" }, cell.edit, cell.reset);
  return cell;
}

function makeCodeCell(node, index) {
  const pre = node.querySelector(".input_area pre");
  const cell = makeCell(node, pre, pre.textContent.replace(/\n$/, ""), `cell ${index + 1}`);
  cell.index = index;
  cell.prompt = node.querySelector(".prompt");
  cell.stored = [...node.querySelectorAll(".output_area")];
  cell.output = node.querySelector(".output");
  if (!cell.output) {
    cell.output = element("div", { className: "output" });
    node.append(element("div", { className: "output_wrapper" }, cell.output));
  }
  const isCheck = cell.source.startsWith("check("), needsImports = /^(check|answer)\(/m.test(cell.source);
  const run = () => runCells(needsImports && cells[0].ranIn !== worker ? [cells[0], cell] : [cell]);
  cell.tools.prepend(button(isCheck ? "Check" : "Run", run, cell.label));
  if (isCheck) addHints(cell);
  if (index) cell.edit.before(button("Run all above", () => runCells(cells.slice(0, index)), cell.label));
  (node.querySelector("details.code") || node.querySelector(".input_area")).after(cell.tools);
  return cell;
}

// What runs as a cell does, and stands in no notebook; its text is as wide as the place for it.
function task(label, code, output) {
  const columns = Math.floor(output.clientWidth / (0.61 * parseFloat(getComputedStyle(output).fontSize))) - 4;
  const source = `__import__("os").environ["COLUMNS"] = "${columns}"\n${code}`;
  return { label, source, output, index: -1, prompt: element("span"), stored: [], area: null };
}

// At a card: the file, and the three hints one after another, below the cell that checks the exercise.
function addHints(cell) {
  const [, exercise] = cell.source.match(/^check\((.+)\)/), output = element("div", { className: "hints" });
  let step = 0;
  cell.edit.before(button("File", () => openFiles(exercise.replaceAll('"', "")), cell.label));
  cell.edit.before(button("Hint", () => {
    step = step % 3 + 1;
    runCells([task(`hint ${step} of ${cell.label}`, `__import__("cs231n.notebook").notebook.hint(${exercise}, ${step})`, output)]);
  }, cell.label));
  cell.node.append(output);
}

function isOpen(node) {  // not so where a model answer stands, or words that were written in Jupyter
  return node.textContent.trim().startsWith("Write your answer here");
}

function makeAnswer(node) {
  const pre = node.querySelector(".text_cell_render");
  const cell = makeCell(node, pre, "", `answer ${node.className.match(/question-([\d.]+)/)[1]}`);
  pre.querySelector("em").textContent = "Write your answer here.";
  pre.after(cell.tools);
  return cell;
}

function text(cell) {
  return cell.area ? cell.area.value : cell.source;
}

// Show what was typed, or the cell as it was handed out.
function put(cell, text = cell.source) {
  if (text !== cell.source) return edit(cell, text);
  cell.area?.remove();
  cell.area = null;
  cell.pre.hidden = cell.edit.hidden = false;
  cell.reset.hidden = true;
}

// Put a text area in the place of the highlighted code.
function edit(cell, value) {
  if (!cell.area) {
    cell.area = element("textarea", { spellcheck: !cell.prompt, wrap: cell.prompt ? "off" : "soft", autocapitalize: "off" });
    cell.area.setAttribute("aria-label", cell.prompt ? `Code of ${cell.label}` : cell.label);
    cell.area.addEventListener("input", () => {
      fit(cell);
      keep(cell.place, cell.area.value, cell.source);
    });
    if (cell.prompt) cell.area.addEventListener("keydown", (event) => key(cell, event));
    cell.pre.after(cell.area);
  }
  cell.area.value = value;
  cell.node.querySelector("details.code")?.setAttribute("open", "");
  cell.pre.hidden = cell.edit.hidden = true;
  fit(cell);
}

function fit(cell) {
  cell.area.rows = Math.max(cell.prompt ? 1 : 4, cell.area.value.split("\n").length);
  cell.reset.hidden = cell.area.value === cell.source;
}

function key(cell, event) {
  if (event.key !== "Enter" || event.isComposing) return;
  if (event.shiftKey || event.ctrlKey || event.metaKey) {
    event.preventDefault();
    runCells([cell]);
  } else {  // the next line is indented as this one, or by four more after a colon
    const line = cell.area.value.slice(0, cell.area.selectionStart).split("\n").pop();
    const indent = line.match(/^ */)[0] + (line.trimEnd().endsWith(":") ? "    " : "");
    event.preventDefault();
    document.execCommand("insertText", false, `\n${indent}`);  // so that it can be undone
  }
}

addEventListener("adopt", ({ detail }) => { if (shown.has(detail.name)) put(shown.get(detail.name), detail.text); });

// What was typed into cells that this edition of the page has no more is shown at its end.
function showLost() {
  const lost = [...before].filter(([name]) => name.startsWith(`${page} `) && !shown.has(name));
  if (!lost.length) return;
  document.querySelector("main").append(
    element("h2", { textContent: "What you wrote in cells that are no longer on this page" }),
    ...lost.map(([, text]) => element("pre", { textContent: text })));
}
showLost();

// ---- the bar at the bottom
const filesButton = button("Files", () => openFiles());
const bar = element("progress", { max: 1, value: 0 });
bar.setAttribute("aria-label", "loading");
const said = element("span", { role: "status" });
const detail = element("span", { className: "time" });  // it changes too often to be read out
const stopper = button("Stop", stop);
const status = element("div", { className: "runtime", hidden: true }, said, detail, bar, stopper);
document.body.append(status);
addEventListener("unstored", () => {
  status.hidden = false;
  status.append(element("p", { className: "warning", role: "alert", textContent:
    "This browser does not keep what you type: it is lost when you close or reload the page. Before you do: Files, Download submission.zip." }));
}, { once: true });

function say(message, more = "", fraction = undefined) {
  status.hidden = false;
  if (said.textContent !== message) said.textContent = message;
  detail.textContent = more;
  bar.hidden = fraction === undefined;
  if (fraction !== undefined) bar.value = fraction;
  stopper.hidden = !running && !queue.length;
}

// ---- the runtime
// A worker from a blob inherits the policy of this page; one from an address would have none. The largest script is
// packed, since few servers compress, and the policy lets it run as a part of that blob alone.
let code = null;
async function get(name) {
  const response = await fetch(name).catch(() => null);
  if (!response?.ok) throw new Error(`${name.split("/").pop()} cannot be loaded`);
  return response;
}

async function loadCode() {
  await loadEditable();
  if (code) return;
  const name = "pyodide.asm.js.packed", { body } = await get(`runtime/${name}`);
  code = await new Response(body.pipeThrough(new DecompressionStream("gzip"))).blob().catch(() => null);
  if (!code) throw new Error(`${name} cannot be loaded`);
}

async function start() {
  ready = false;
  const waits = worker = { terminate() {} };
  say("Loading: Python");
  const failure = await loadCode().catch((error) => error);
  if (worker !== waits) return;  // stopped in the meantime
  if (failure) return handle({ type: "failed", text: failure.message });
  const script = `try { importScripts(${JSON.stringify(new URL("worker.js", base).href)}); } catch {
    postMessage({ type: "failed", text: "worker.js: the server does not answer" }); }`;
  worker = new Worker(URL.createObjectURL(new Blob([code, script], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => handle(data);
  worker.onerror = (event) => handle({ type: "failed", text: event.message || "the worker cannot be started" });
  worker.postMessage({ type: "start", base });
}

function stop() {
  if (running) append(running, "error", "Stopped. The variables are lost: run the cells above again.");
  end();
  start();
}

function end() {
  worker.terminate();
  clearInterval(clock);
  for (const cell of [running, ...queue]) if (cell) mark(cell, "[not run]");
  worker = running = null;
  queue = [];
  count = 0;
}

function isServed() {
  if (location.protocol !== "file:") return true;
  say("This page was opened as a file; its code runs only from a web server. Type in the folder of the page: " +
    "python -m http.server --bind 127.0.0.1 8000 . Then open http://127.0.0.1:8000 in this browser.");
  return false;
}

function runCells(some) {
  if (!isServed()) return;
  for (const cell of some) {
    if ([edited ? null : running, ...queue].some((other) => other?.label === cell.label)) continue;
    queue.push(cell);
    mark(cell, "[waits]");
  }
  if (!worker) start();
  next();
}

function next() {
  if (!ready || running) return;
  running = queue.shift() || null;
  if (!running) return say("ready", progress());
  mark(running, "[runs]");
  running.output.replaceChildren();
  const { label, name = running.index + 1 } = running;
  running.figures = storedOutputs(running).filter((output) => output.querySelector("img"));
  started = performance.now();
  const tick = () => say(`${label} runs`, `${Math.round((performance.now() - started) / 1000)} s`);
  tick();
  clock = setInterval(tick, 1000);
  edited = false;
  worker.postMessage({ type: "run", source: text(running), name, edits: edits() });
}

function handle(message) {
  if (message.type === "load") {
    if (!message.text) return say(running ? `${running.label} runs` : "ready");
    const size = message.total > 1 ? `${(message.loaded / 1e6).toFixed(1)} of ${(message.total / 1e6).toFixed(1)} MB` : "";
    say(`Loading: ${message.text}`, size, message.total ? message.loaded / message.total : undefined);
  } else if (message.type === "ready") {
    ready = true;
    sent = { ...editable };
    say("ready", progress());
    waiting.forEach((message) => worker.postMessage({ ...message, edits: edits() }));
    next();
  } else if (message.type === "failed") {
    const reason = `The runtime ${ready ? "failed" : "does not start"}: ${message.text}. Press Run to try again.`;
    end();
    waiting = [];
    say(reason);
    dispatchEvent(new CustomEvent("refused", { detail: { text: reason } }));
  } else if (message.type === "done") {
    clearInterval(clock);
    mark(running, `[${++count}]`);
    running.ranIn = worker;
    makeReachable(running.output);
    linkEquations(running.output);
    keepVerdicts(running.output.textContent);
    running.done?.();
    running = null;
    if (!message.ok) queue.splice(0).forEach((cell) => mark(cell, "[not run]"));
    next();
  } else if (["packed", "opened", "refused"].includes(message.type)) {
    waiting.shift();
    dispatchEvent(new CustomEvent(message.type, { detail: message }));
  } else if (message.type === "display") {
    show(running, message.data, message.metadata);
  } else if (message.type === "stored") {
    const note = `CIFAR-10 is not in this page, so this cell does not run here.${running.stored.length ? " This is its stored output." : ""}`;
    running.output.replaceChildren(...storedOutputs(running), element("p", { className: "time", textContent: note }));
  } else {
    append(running, message.type === "error" ? "error" : message.name, message.text);
  }
}

// What was typed and the worker has not: files that changed, and the cells of all notebooks.
let sent = {}, waiting = [];  // what was asked and has no answer yet; a new worker is asked again
function edits() {
  const files = { ...editable }, cellsOf = {};
  for (const [name, value] of kept()) {
    const [, notebook, id] = name.match(/^(\w+)\.html cell-id=(.+)$/) || [];
    if (notebook) (cellsOf[`notebooks/${notebook}.ipynb`] ||= {})[id] = value;
    else if (name in files) files[name] = value;
  }
  const changed = Object.entries(files).filter(([name, value]) => sent[name] !== value);
  sent = files;
  return { files: Object.fromEntries(changed), cells: cellsOf };
}

// Ask the worker for something that is no cell.
function ask(message) {
  waiting.push(message);
  if (!worker) start();
  else if (ready) worker.postMessage({ ...message, edits: edits() });
}

// ---- progress: the last verdict of each exercise
function keepVerdicts(text) {
  const total = text.match(/ of (\d+)(?:,| exercises passed)/)?.[1];
  for (const [, number, verdict] of text.matchAll(/(\d+)(?: of \d+,)? +[\w.]+,? +[\d.]+(?: points?)?:? +(passed|wrong|not written yet)/g)) {
    keep(`exercise ${number}`, verdict);
    if (total) keep("exercises", total);
  }
}

function progress() {
  const verdicts = [...kept()].filter(([name]) => name.startsWith("exercise "));
  const passed = verdicts.filter(([, verdict]) => verdict === "passed").length, total = kept().get("exercises");
  return verdicts.length ? `${passed}${total ? ` of ${total}` : ""} exercises passed` : "";
}
if (progress()) say("", progress());

document.querySelector("main").prepend(element("div", { className: "cell_tools" },
  button("Run all", () => runCells(cells)), filesButton,
  element("span", { className: "time", textContent:
    "Code runs in this browser. Shift+Enter runs a cell, and Tab moves out of it." })));
