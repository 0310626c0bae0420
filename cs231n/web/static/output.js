// Elements of the page, and what a cell prints, shows and raises.
"use strict";

function element(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

function button(text, action, label = "") {
  const node = element("button", { type: "button", textContent: text });
  if (label) node.setAttribute("aria-label", `${text} ${label}`);
  node.addEventListener("click", action);
  return node;
}

function storedOutputs(cell) {
  return cell.stored.map((output) => output.cloneNode(true));
}

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
  if (kind === "error" && !message.includes("\n")) pre.className = "sentence";
  const area = element("div", { className: "output_area" },
    element("div", { className: `output_subarea output_text output_${kind}` }, pre));
  area.dataset.kind = kind;
  cell.output.append(area);
}

function show(cell, data, metadata) {
  if ("application/vnd.jupyter.widget-view+json" in data) {  // its script is not here
    if (cell.node?.nextElementSibling?.matches(".explorable")) append(cell, "stdout", "The sliders are in the figure below.");
    return;
  }
  const area = element("div", { className: "output_area" });
  if ("application/x-stored-figure" in data) {
    const figure = cell.figures.shift();
    const note = figure ? "This is the figure that is stored with the notebook. This edition has no matplotlib, so it draws none."
      : "This edition has no matplotlib, so it draws no figure.";
    area.append(figure ? figure.cloneNode(true) : element("pre", { textContent: data["text/plain"] }),
      element("p", { className: "time", textContent: note }));
  } else if ("image/png" in data) {
    const alt = metadata["image/png"]?.alt || data["text/plain"] || "";
    area.append(element("img", { src: `data:image/png;base64,${data["image/png"]}`, alt }));
  } else if ("text/html" in data) {  // scripts do not run: the page's policy; a refresh would leave the page
    const { body } = new DOMParser().parseFromString(data["text/html"], "text/html");
    body.querySelectorAll("meta, link, base, iframe, object, embed, form").forEach((node) => node.remove());
    for (const link of body.querySelectorAll("a[href]")) {  // as link_pages in cs231n/pages/markup.py
      const [, file, kind, anchor] = /([^/]*)\.(ipynb|md)#(.*)/.exec(link.getAttribute("href")) || [];
      if (kind) link.href = `${file}.html#${kind === "md" ? anchor : link.className || `section-${parseInt(anchor)}`}`;
    }
    area.append(element("div", { className: "output_subarea rendered_html" }, ...body.childNodes));
  } else {
    area.append(element("div", { className: "output_subarea output_text" },
      element("pre", { textContent: data["text/plain"] })));
  }
  cell.output.append(area);
}
