// What a page can do beyond being read. Without this script everything is still there.
"use strict";
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
})();
