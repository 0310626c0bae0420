// What was typed, kept by the browser: cells by page and id, files of the assignment by path.
"use strict";

const base = new URL("./", location.href).href;
const page = location.pathname.split("/").pop();
const prefix = `cs231n ${new URL(base).pathname} `;
const unstored = new Map();  // what the browser does not take
let edited = false;  // since a cell was last sent to the worker

function keep(name, text, original) {
  edited = true;
  unstored.delete(name);
  try {
    if (text === original) localStorage.removeItem(prefix + name);
    else localStorage.setItem(prefix + name, text);
  } catch {  // blocked, or full
    if (text !== original) unstored.set(name, text);
    dispatchEvent(new Event("unstored"));
  }
}

function kept() {
  let stored = [];
  try { stored = Object.entries(localStorage); } catch { /* blocked */ }
  const ours = stored.filter(([name]) => name.startsWith(prefix));
  return new Map([...ours.map(([name, text]) => [name.slice(prefix.length), text]), ...unstored]);
}

// Another tab, or a zip, has a newer text; undefined is the text as handed out.
function adopt(name) {
  dispatchEvent(new CustomEvent("adopt", { detail: { name, text: kept().get(name) } }));
}

addEventListener("storage", ({ key }) => { if (key?.startsWith(prefix)) adopt(key.slice(prefix.length)); });
addEventListener("pageshow", ({ persisted }) => { if (persisted) [...kept().keys()].forEach(adopt); });
