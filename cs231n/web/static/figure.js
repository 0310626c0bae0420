// The figure below the cell with the tag "explorable": move a point, gamma and eps; watch x_hat, y and dx.
"use strict";

function makeFigure(cell) {
  const fixed = [-1, -0.4, 0.1, 0.5, 1], g = [0.5, -1, 0.3, 0.8, -0.2, 0.6];  // as in `picture` of the notebook
  const names = ["1", "2", "3", "4", "5", "diamond"], columns = ["x", "x_hat", "y", "g", "dx"];
  const left = -5, right = 8.5;  // ends of the scale, which is the same in all rows
  const heights = { x: 46, x_hat: 126, y: 206 }, top = 242, step = 16, bottom = top + 6 * step + 6;
  const sum = (values, weights) => values.reduce((total, value, i) => total + value * (weights ? weights[i] : 1), 0);
  const show = (value, digits = 4) =>  // no -0.0000
    (Math.abs(value) < 0.5 * 10 ** -digits ? 0 : value).toFixed(digits).replace("-", "\u2212");
  let width = 600, waiting, spoken;

  // ---- what is set
  const controls = element("div", { className: "controls" });
  function makeRange(label, min, max, step, value, text) {
    const range = element("input", { type: "range", id: `explorable-${label}`, autocomplete: "off" });
    Object.assign(range, { min, max, step, defaultValue: value });
    const shown = element("span", { className: "value" });
    range.tell = () => range.setAttribute("aria-valuetext", (shown.textContent = text(Number(range.value))));
    range.addEventListener("input", draw);
    controls.append(element("label", { htmlFor: range.id, textContent: label }), range, shown);
    return range;
  }
  const point = makeRange("diamond", -4, 8, 0.1, 2.5, (value) => `x = ${show(value, 1)}`);
  const gamma = makeRange("gamma", -2, 2, 0.1, 1.5, (value) => show(value, 1));
  const eps = makeRange("eps", -3, 1, 0.25, -1, (value) => String(Number((10 ** value).toPrecision(2))));
  const ranges = [point, gamma, eps];
  const reset = button("Reset the figure", () => {
    for (const range of ranges) range.value = range.defaultValue;
    draw();
  });

  // ---- what is shown
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", "Number lines of x, x_hat and y, with each of the six points joined from line to line, " +
    "and a bar for the dx of each point. The table below has the numbers.");
  const handle = element("div", { className: "handle" });  // not in the SVG, where Chromium ignores touch-action
  const cellOf = {};
  const row = (name, skip = 0) => element("tr", {}, element("th", { scope: "row", textContent: name, colSpan: 1 + skip }),
    ...columns.slice(skip).map((column) => (cellOf[`${name} ${column}`] = element("td"))));
  const table = element("table", {},
    element("thead", {}, element("tr", {},
      ...["point", ...columns].map((name) => element("th", { scope: "col", textContent: name })))),
    element("tbody", {}, ...names.map((name) => row(name))),
    element("tfoot", {}, row("sum"), row("dot product with x_hat", 1)));
  const sentence = element("output", { className: "time" });
  const figure = element("figure", { className: "explorable" },
    element("figcaption", {}, element("strong", { textContent: "Drag the diamond, or use the sliders. " }),
      "The band is mean \u00b1 s. Normalization maps it to \u00b11, and gamma maps that to \u00b1gamma. A diamond far out " +
      "makes the band wide: the round points crowd together, and every dx shrinks. A large eps makes it wide too: every " +
      "x_hat comes closer to 0."),
    element("div", { className: "plot" }, svg, handle), element("div", { className: "numbers" },
      element("div", {}, controls, element("div", { className: "cell_tools" }, reset),
        element("p", { textContent: "Whatever you set, the dx sum to 0: moving the whole column changes no output. Their " +
          "dot product with x_hat goes to 0 with eps: without eps, stretching the column changes no output either." }),
        sentence),
      table));

  function speak() {
    if (sentence.textContent !== spoken) sentence.textContent = spoken;
  }

  function normalize(x) {
    const mean = sum(x) / 6, centered = x.map((value) => value - mean);
    const s = Math.sqrt(sum(centered, centered) / 6 + 10 ** Number(eps.value));
    return { mean, s, x_hat: centered.map((value) => value / s) };
  }

  function draw() {
    ranges.forEach((range) => range.tell());
    const x = [...fixed, Number(point.value)], scale = Number(gamma.value);
    const { mean, s, x_hat } = normalize(x), y = x_hat.map((value) => scale * value);
    // By differences, so that this file gives no formula for dx away.
    const loss = (i, step) => scale * sum(g, normalize(x.map((value, k) => value + (k === i ? step : 0))).x_hat);
    const dx = x.map((_, i) => (loss(i, 1e-4) - loss(i, -1e-4)) / 2e-4);
    const all = { x, x_hat, y, g, dx };
    for (const column of columns) {
      const digits = column === "x" || column === "g" ? 1 : 4;
      all[column].forEach((value, i) => (cellOf[`${names[i]} ${column}`].textContent = show(value, digits)));
      cellOf[`sum ${column}`].textContent = show(sum(all[column]), digits);
      if (["x_hat", "g", "dx"].includes(column)) {
        cellOf[`dot product with x_hat ${column}`].textContent = show(sum(all[column], x_hat));
      }
    }
    cellOf["sum g"].append(element("small", { textContent: "dbeta" }));
    cellOf["dot product with x_hat g"].append(element("small", { textContent: "dgamma" }));
    spoken = `The diamond at ${show(x[5], 1)} has x_hat ${show(x_hat[5])}, y ${show(y[5])} and dx ${show(dx[5])}; ` +
      `the column has mean ${show(mean)} and s ${show(s)}.`;
    clearTimeout(waiting);  // a screen reader hears where it stops, and not each step on the way
    waiting = setTimeout(speak, 500);
    drawPlot({ x, x_hat, y }, dx, { x: [mean - s, mean, mean + s], x_hat: [-1, 0, 1], y: [-scale, 0, scale] });
  }

  function drawPlot(lines, dx, band) {
    const at = (value) => ((value - left) / (right - left) * width).toFixed(1);
    const line = (x1, y1, x2, y2, kind) => `<line x1="${x1}" y1="${y1}" x2="${x2}" y2="${y2}" class="${kind}"/>`;
    const label = (px, py, text, kind) => `<text x="${px}" y="${py}" class="${kind}">${text}</text>`;
    const mark = (i, px, py) => i < 5 ? `<circle cx="${px}" cy="${py}" r="6" class="point${i}"/>`
      : `<path d="M${px} ${py - 9}l9 9l-9 9l-9 -9z" class="diamond"/>`;
    const through = (values) => Object.keys(heights).map((name) => `${at(values(name))},${heights[name]}`);
    const edge = (k) => through((name) => band[name][k]);
    const parts = [`<polygon points="${edge(0).join(" ")} ${edge(2).reverse().join(" ")}" class="band"/>`];
    for (let value = -4; value <= 8; value += 2) {
      parts.push(line(at(value), 24, at(value), bottom, value ? "grid" : "zero"),
        label(at(value), bottom + 17, show(value, 0), "tick scale"));
    }
    parts.push(`<polyline points="${edge(1).join(" ")}" class="mean"/>`);
    for (const name in lines) parts.push(line(0, heights[name], width, heights[name], "axis"));
    names.forEach((name, i) => parts.push(
      `<polyline points="${through((name) => lines[name][i]).join(" ")}" class="path ${name}"/>`));
    names.forEach((name, i) => {
      const height = top + (i + 0.5) * step, side = dx[i] < 0 ? -1 : 1;
      for (const row in lines) parts.push(mark(i, at(lines[row][i]), heights[row]));
      parts.push(line(at(0), height, at(dx[i]), height, `bar ${name}`), mark(i, at(dx[i]), height));
      if (i === 5) return;
      parts.push(label(at(lines.x[i]), heights.x - 11, name, "tick"),
        label(Number(at(dx[i])) + 14 * side, height + 4, name, "tick"));
    });
    const heading = (height, name, value) => parts.push(label(0, height, name, ""), label(width, height, value, "value"));
    heading(14, "x, and mean \u00b1 s", `mean ${show(band.x[1])}, s ${show(band.x[2] - band.x[1])}`);
    heading(heights.x_hat - 12, "x_hat, and \u00b11", `diamond ${show(lines.x_hat[5])}`);
    heading(heights.y - 12, "y, and \u00b1gamma", `diamond ${show(lines.y[5])}`);
    heading(top + 8, "dx", `diamond ${show(dx[5])}`);
    svg.innerHTML = parts.join("");
    svg.setAttribute("viewBox", `0 0 ${width} ${bottom + 22}`);
    handle.style.left = `${at(lines.x[5]) / width * 100}%`;
    handle.style.top = `${heights.x / (bottom + 22) * 100}%`;
  }

  handle.addEventListener("pointerdown", (event) => {
    event.preventDefault();
    handle.setPointerCapture(event.pointerId);
    point.focus({ preventScroll: true });  // the arrow keys go on from here
  });
  handle.addEventListener("pointermove", (event) => {
    if (!handle.hasPointerCapture(event.pointerId)) return;
    const box = svg.getBoundingClientRect();
    point.value = left + (event.clientX - box.left) / box.width * (right - left);
    draw();
  });
  draw();
  speak();  // before it is in the page: a screen reader hears of changes alone
  cell.after(figure);
  new ResizeObserver(() => {
    width = svg.clientWidth || width;
    draw();
    makeReachable(figure);
  }).observe(cell);  // it is as wide as the figure
}

// Not before all scripts of the page have run: it calls one of reader.js, which comes last.
addEventListener("DOMContentLoaded", () => document.querySelectorAll(".celltag_explorable").forEach(makeFigure));
