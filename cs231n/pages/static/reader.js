// What a page can do beyond being read. Without this script everything is still there.
"use strict";

// What scrolls can be reached by keyboard.
function makeReachable(node) {
  for (const part of node.querySelectorAll("pre, table, .equation, .rendered_html p, .rendered_html ul, .output_subarea")) {
    if (part.scrollWidth > part.clientWidth) part.tabIndex = 0;
  }
  for (const part of node.querySelectorAll(".contents")) {
    if (part.scrollHeight > part.clientHeight) part.tabIndex = 0;
  }
}
makeReachable(document);
addEventListener("resize", () => makeReachable(document));
document.querySelectorAll("details").forEach((node) => node.addEventListener("toggle", () => makeReachable(node)));

// As PageText.link_equations, for what a cell shows while the page is open, hints among it.
function linkEquations(node) {
  for (const pre of node.querySelectorAll(".output_text pre")) {
    const [first, ...parts] = pre.textContent.split(/(^ *|(?<=quations? [^.:;]{0,30}))\((\d+)\)/m), nodes = [first];
    for (let at = 0; at < parts.length; at += 3) {
      const [spaces, number, rest] = parts.slice(at, at + 3), link = document.createElement("a");
      Object.assign(link, { className: "mention", href: `#eq-${number}`, textContent: `(${number})` });
      nodes.push(spaces, document.getElementById(`eq-${number}`) ? link : link.textContent, rest);
    }
    pre.replaceChildren(...nodes);
  }
}

(() => {
  // ---- an equation beside the number that mentions it, on hover and on focus; Escape hides it
  const card = document.createElement("div");
  card.className = "equation-card";
  card.role = "tooltip";
  card.id = "equation-card";
  let shown = null;

  function show(link) {
    const equation = document.getElementById(link.hash.slice(1))?.closest(".equation");
    if (!equation) return;
    const copy = equation.cloneNode(true);
    for (const node of [copy, ...copy.querySelectorAll("[id]")]) node.removeAttribute("id");
    card.replaceChildren(copy);
    link.after(card);
    const place = link.getBoundingClientRect(), parent = document.body.getBoundingClientRect();
    card.style.top = `${place.bottom - parent.top}px`;
    card.style.left = `${Math.min(place.left, innerWidth - card.offsetWidth - 8) - parent.left}px`;
    link.setAttribute("aria-describedby", card.id);
    shown = link;
  }

  function hide() {
    shown?.removeAttribute("aria-describedby");
    shown = null;
    card.remove();
  }

  const mention = (event) => event.target.closest?.("a.mention");
  for (const type of ["mouseover", "focusin"]) {
    document.addEventListener(type, (event) => {
      const link = mention(event);
      if (link === shown || card.contains(event.target)) return;
      hide();
      if (link) show(link);
    });
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());

  // ---- copy the code of a cell, as it is now
  for (const pre of document.querySelectorAll(".input_area pre, .text_cell_render pre")) {
    const wrapper = document.createElement("div"), button = document.createElement("button");
    wrapper.className = "copyable";
    button.type = "button";
    button.textContent = "Copy";
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(wrapper.querySelector("textarea")?.value ?? pre.textContent);
      button.textContent = "Copied";
      setTimeout(() => (button.textContent = "Copy"), 2000);
    });
    pre.replaceWith(wrapper);
    wrapper.append(pre, button);
  }

  // ---- search: "/" goes to the box, the arrow keys go through the results, Escape ends it
  const input = Object.assign(document.createElement("input"), { type: "search", placeholder: "Search" });
  input.setAttribute("aria-label", "Search headings, equations and mistakes");
  const results = document.createElement("ul"), count = document.createElement("p"), box = document.createElement("search");
  count.setAttribute("role", "status");
  box.append(input, count, results);
  document.querySelector("header").append(box);

  function loadIndex() {
    if (document.querySelector("script[src='search-index.js']")) return;
    const script = Object.assign(document.createElement("script"), { src: "search-index.js", onload: find });
    document.head.append(script);
  }

  function find() {
    const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
    const rank = ([address, text, place]) => {
      const title = text.toLowerCase(), all = `${title} ${place.toLowerCase()}`;
      if (!words.every((word) => all.includes(word))) return 9;
      return words.every((word) => title.includes(word)) ? address.includes("#eq-") || !text.includes(": ") ? 0 : 1 : 2;
    };
    const found = words.length ? (window.searchIndex || []).map((entry) => [rank(entry), entry]) : [];
    const best = found.filter(([value]) => value < 9).sort((a, b) => a[0] - b[0]);
    results.replaceChildren(...best.slice(0, 12).map(([, [address, text, place]]) => {
      const item = document.createElement("li"), link = document.createElement("a"), small = document.createElement("small");
      link.href = address;
      link.append(text);
      small.append(place);
      item.append(link, small);
      return item;
    }));
    count.textContent = words.length ? `${best.length} found` + (best.length > 12 ? ", the first 12:" : "") : "";
  }

  input.addEventListener("focus", loadIndex);
  input.addEventListener("input", find);
  results.addEventListener("click", clear);
  function clear() {
    input.value = "";
    find();
  }
  box.addEventListener("keydown", (event) => {
    const stops = [input, ...results.querySelectorAll("a")], at = stops.indexOf(document.activeElement);
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      stops[Math.max(0, Math.min(stops.length - 1, at + step))].focus();
      event.preventDefault();
    } else if (event.key === "Escape") {
      clear();
      document.activeElement.blur();
    } else if (event.key === "Enter" && at === 0) {
      stops[1]?.click();
    }
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.target.closest("input, textarea, .ace_editor")) return;
    input.focus();
    event.preventDefault();
  });
})();
