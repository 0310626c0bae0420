// The cells of a notebook's page: edit, run, stop, reset. The runtime starts with the first Run.
"use strict";

const base = new URL("./", location.href).href;
const page = location.pathname.split("/").pop();
const prefix = `cs231n ${new URL(base).pathname} `;
const before = kept();
const cells = [...document.querySelectorAll(".code_cell")].map(makeCell);
let editable = {};  // {path: text} of the files with exercises, as they are handed out
fetch("editable.json").then((response) => response.json()).then((files) => {
  editable = files;
  dispatchEvent(new Event("editable"));
}).catch(() => { /* without a server the page can be read */ });
let worker = null, ready = false, running = null, queue = [], count = 0, started = 0, clock = null;

// ---- what was typed, kept by the browser: cells by page and id, files of the assignment by path
function keep(name, text, original) {
  try {
    if (text === original) localStorage.removeItem(prefix + name);
    else localStorage.setItem(prefix + name, text);
  } catch { /* the browser keeps nothing */ }
}

function kept() {
  try {
    const names = Object.keys(localStorage).filter((name) => name.startsWith(prefix));
    return new Map(names.map((name) => [name.slice(prefix.length), localStorage.getItem(name)]));
  } catch {
    return new Map();
  }
}

function typed(cell, text) {
  keep(`${page} ${cell.node.id}`, text, cell.source);
}

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function button(text, action) {
  const node = element("button", { type: "button", textContent: text });
  node.addEventListener("click", action);
  return node;
}

function makeCell(node, index) {
  const pre = node.querySelector(".input_area pre");
  const cell = { node, index, pre, source: pre.textContent.replace(/\n$/, ""), area: null };
  cell.prompt = node.querySelector(".prompt");
  cell.stored = [...node.querySelectorAll(".output_area")].map((output) => output.cloneNode(true));
  cell.output = node.querySelector(".output");
  if (!cell.output) {
    cell.output = element("div", { className: "output" });
    node.append(element("div", { className: "output_wrapper" }, cell.output));
  }
  const isCheck = cell.source.startsWith("check(");  // it needs the imports of the first cell
  cell.run = button(isCheck ? "Check" : "Run", () => runCells(isCheck && !count ? [cells[0], cell] : [cell]));
  cell.edit = button("Edit", () => edit(cell, true));
  cell.reset = button("Reset", () => reset(cell));
  cell.reset.hidden = true;
  const name = cell.label = `cell ${index + 1}`;
  for (const key of ["run", "edit", "reset"]) cell[key].setAttribute("aria-label", `${cell[key].textContent} ${name}`);
  const above = button("Run all above", () => runCells(cells.slice(0, index)));
  above.setAttribute("aria-label", `Run all above ${name}`);
  above.hidden = index === 0;
  node.querySelector(".input_area").after(
    element("div", { className: "cell_tools" }, cell.run, above, cell.edit, cell.reset));
  const text = before.get(`${page} ${node.id}`);
  if (text !== undefined && text !== cell.source) edit(cell, false, text);
  return cell;
}

function text(cell) {
  return cell.area ? cell.area.value : cell.source;
}

// Put a text area in the place of the highlighted code.
function edit(cell, focus, value = cell.source) {
  if (!cell.area) {
    const lines = () => (cell.area.rows = cell.area.value.split("\n").length);
    cell.area = element("textarea", { value, spellcheck: false, wrap: "off", autocapitalize: "off" });
    cell.area.setAttribute("aria-label", `Code of cell ${cell.index + 1}`);
    cell.area.addEventListener("input", () => { lines(); typed(cell, cell.area.value); cell.reset.hidden = false; });
    cell.area.addEventListener("keydown", (event) => key(cell, event));
    cell.pre.hidden = true;
    cell.pre.after(cell.area);
    lines();
  }
  cell.edit.hidden = true;
  cell.reset.hidden = cell.area.value === cell.source;
  if (focus) cell.area.focus();
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

function reset(cell) {
  if (cell === running || queue.includes(cell)) return;
  cell.area?.remove();
  cell.area = null;
  cell.pre.hidden = false;
  cell.edit.hidden = false;
  cell.reset.hidden = true;
  typed(cell, cell.source);
  cell.output.replaceChildren(...cell.stored.map((output) => output.cloneNode(true)));
  cell.edit.focus();
}

// ---- the bar at the bottom
const bar = element("progress", { max: 1, value: 0 });
bar.setAttribute("aria-label", "loading");
const said = element("span", { role: "status" });
const stopper = button("Stop", stop);
const status = element("div", { className: "runtime", hidden: true }, said, bar, stopper);
document.body.append(status);

function say(message, fraction) {
  status.hidden = false;
  said.textContent = message;
  bar.hidden = fraction === undefined;
  if (fraction !== undefined) bar.value = fraction;
  stopper.hidden = !running && !queue.length;
}

// ---- the runtime
function start() {
  ready = false;
  // A worker from a blob inherits the policy of this page; one from an address would have none.
  const script = `importScripts(${JSON.stringify(new URL("worker.js", base).href)})`;
  worker = new Worker(URL.createObjectURL(new Blob([script], { type: "text/javascript" })));
  worker.onmessage = ({ data }) => handle(data);
  worker.onerror = (event) => handle({ type: "failed", text: event.message || "worker.js cannot be loaded" });
  worker.postMessage({ type: "start", base });
}

function stop() {
  worker.terminate();
  clearInterval(clock);
  if (running) append(running, "error", "Stopped. The variables are lost: run the cells above again.");
  for (const cell of [running, ...queue]) if (cell) mark(cell, "[not run]");
  running = null;
  queue = [];
  count = 0;
  start();
}

function runCells(some) {
  if (location.protocol === "file:") {
    say("These cells need a web server. In this folder: python -m http.server, then open http://127.0.0.1:8000");
    return;
  }
  for (const cell of some) {
    if (cell === running || queue.includes(cell)) continue;
    queue.push(cell);
    mark(cell, "[waits]");
  }
  if (!worker) start();
  next();
}

function next() {
  if (!ready || running) return;
  running = queue.shift() || null;
  if (!running) return say("ready");
  mark(running, "[runs]");
  running.output.replaceChildren();
  const { label, name = running.index + 1 } = running;
  running.figures = running.stored.filter((output) => output.querySelector("img"));
  started = performance.now();
  const tick = () => say(`${label} runs, ${Math.round((performance.now() - started) / 1000)} s`);
  tick();
  clock = setInterval(tick, 1000);
  worker.postMessage({ type: "run", source: text(running), name, edits: edits() });
}

function handle(message) {
  if (message.type === "load") {
    if (!message.text) return say(running ? `${running.label} runs` : "ready");
    const size = message.total > 1 ? `, ${(message.loaded / 1e6).toFixed(1)} of ${(message.total / 1e6).toFixed(1)} MB` : "";
    say(`Loading: ${message.text}${size}`, message.total ? message.loaded / message.total : undefined);
  } else if (message.type === "ready") {
    ready = true;
    sent = { ...editable };
    say("ready");
    waiting.splice(0).forEach((message) => worker.postMessage({ ...message, edits: edits() }));
    next();
  } else if (message.type === "failed") {
    say(`The runtime does not start: ${message.text}. Reload the page to try again.`);
  } else if (message.type === "done") {
    clearInterval(clock);
    mark(running, `[${++count}]`);
    makeReachable(running.output);
    running = null;
    if (!message.ok) queue.splice(0).forEach((cell) => mark(cell, "[not run]"));
    next();
  } else if (["packed", "opened", "refused"].includes(message.type)) {
    dispatchEvent(new CustomEvent(message.type, { detail: message }));
  } else if (message.type === "display") {
    show(running, message.data, message.metadata);
  } else {
    append(running, message.type === "error" ? "error" : message.name, message.text);
  }
}

// What was typed and the worker has not: files that changed, and the cells of all notebooks.
let sent = {}, waiting = [];
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
  if (!worker) start();
  if (ready) worker.postMessage({ ...message, edits: edits() });
  else waiting.push(message);
}

// What scrolls sideways can be reached by keyboard.
function makeReachable(node) {
  for (const part of node.querySelectorAll("pre, table, .equation, .rendered_html p, .rendered_html ul, .output_subarea")) {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  }
}
makeReachable(document);
addEventListener("resize", () => makeReachable(document));
document.querySelectorAll("details").forEach((node) => node.addEventListener("toggle", () => makeReachable(node)));

// ---- outputs
function mark(cell, prompt) {
  cell.prompt.textContent = prompt;
}

function append(cell, kind, message) {
  const last = cell.output.lastElementChild;
  if (kind !== "error" && last?.dataset.kind === kind) {
    last.querySelector("pre").append(message);
    return;
  }
  const pre = element("pre", { textContent: message });
  const area = element("div", { className: "output_area" },
    element("div", { className: `output_subarea output_text output_${kind}` }, pre));
  area.dataset.kind = kind;
  cell.output.append(area);
}

function show(cell, data, metadata) {
  if ("application/vnd.jupyter.widget-view+json" in data) return;  // its script is not here
  const area = element("div", { className: "output_area" });
  if ("application/x-stored-figure" in data) {
    const figure = cell.figures.shift();
    const note = "This is the figure that is stored with the notebook. This edition has no matplotlib, so it draws none.";
    area.append(figure ? figure.cloneNode(true) : element("pre", { textContent: data["text/plain"] }),
      element("p", { className: "time", textContent: note }));
  } else if ("image/png" in data) {
    const alt = metadata["image/png"]?.alt || data["text/plain"] || "";
    area.append(element("img", { src: `data:image/png;base64,${data["image/png"]}`, alt }));
  } else if ("text/html" in data) {  // scripts do not run: the page's policy; a refresh would leave the page
    const { body } = new DOMParser().parseFromString(data["text/html"], "text/html");
    body.querySelectorAll("meta, link, base, iframe, object, embed, form").forEach((node) => node.remove());
    for (const link of body.querySelectorAll("a[href*='.ipynb#']")) {  // as link_pages in cs231n/pages/markup.py
      const [file, section] = link.getAttribute("href").split(".ipynb#");
      link.setAttribute("href", `${file}.html#${link.className || `section-${parseInt(section)}`}`);
    }
    area.append(element("div", { className: "output_subarea rendered_html" }, ...body.childNodes));
  } else {
    area.append(element("div", { className: "output_subarea output_text" },
      element("pre", { textContent: data["text/plain"] })));
  }
  cell.output.append(area);
}

document.querySelector("main").prepend(element("p", { className: "cell_tools" },
  button("Run all", () => runCells(cells)), button("Files", () => openFiles()),
  element("span", { className: "time", textContent: " Code runs in this browser." })));
