// How the map is moved and asked: pointer, wheel, two fingers, buttons, and keys.

const held = new Map();
let travelled = 0;

const placeOf = (event) => {
  const {left, top} = canvas.getBoundingClientRect();
  return [event.clientX - left, event.clientY - top];
};

canvas.addEventListener("pointerdown", (event) => {
  cancelAnimationFrame(flight);
  held.set(event.pointerId, placeOf(event));
  canvas.setPointerCapture(event.pointerId);
  travelled = held.size > 1 ? Infinity : 0;
  closeHere();
});

canvas.addEventListener("pointermove", (event) => {
  const [x, y] = placeOf(event);
  const before = held.get(event.pointerId);
  if (!before) { point(x, y); return; }
  held.set(event.pointerId, [x, y]);
  travelled += Math.hypot(x - before[0], y - before[1]);
  if (held.size === 1) {
    if (travelled < 4) return;
    canvas.classList.add("dragging");
    el("hint").hidden = true;
    look({...view, x: view.x - (x - before[0]) / view.scale, y: view.y + (y - before[1]) / view.scale});
  } else if (held.size === 2) {
    const [other] = [...held].filter(([id]) => id !== event.pointerId).map(([, at]) => at);
    const spread = (a) => Math.hypot(a[0] - other[0], a[1] - other[1]);
    const middle = [(x + other[0]) / 2, (y + other[1]) / 2];
    look({...view, x: view.x - (x - before[0]) / 2 / view.scale, y: view.y + (y - before[1]) / 2 / view.scale});
    zoom(spread([x, y]) / Math.max(spread(before), 1), ...middle);
  }
});

function release(event) {
  if (!held.delete(event.pointerId)) return;
  canvas.classList.remove("dragging");
}
canvas.addEventListener("pointerup", release);
canvas.addEventListener("pointercancel", release);
// Not when the pointer is released: after that a touch gives the map the focus, which closes a list.
canvas.addEventListener("click", (event) => { if (travelled < 4) ask(...placeOf(event)); });
canvas.addEventListener("pointerleave", () => { if (!held.size && el("here").hidden) highlight([]); el("hint").hidden = true; });

canvas.addEventListener("wheel", (event) => {
  event.preventDefault();
  cancelAnimationFrame(flight);
  closeHere();
  // Two fingers on a touchpad come as a wheel with Ctrl, in small steps; some wheels count lines.
  const step = event.deltaY * (event.deltaMode ? 30 : 1) * (event.ctrlKey ? 5 : 1);
  zoom(Math.exp(-Math.max(-300, Math.min(300, step)) * 0.002), ...placeOf(event));
}, {passive: false});

el("closer").onclick = () => zoom(2, undefined, undefined, fly);
el("farther").onclick = () => zoom(0.5, undefined, undefined, fly);
el("whole").onclick = () => fly(around(shown));

const KEYS = {
  ArrowLeft: () => look({...view, x: view.x - 80 / view.scale}),
  ArrowRight: () => look({...view, x: view.x + 80 / view.scale}),
  ArrowUp: () => look({...view, y: view.y + 80 / view.scale}),
  ArrowDown: () => look({...view, y: view.y - 80 / view.scale}),
  "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5),
  0: () => fly(around(shown)),
  Enter: () => ask(size.width / 2, size.height / 2, true),
};
canvas.addEventListener("keydown", (event) => {
  if (!KEYS[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
  event.preventDefault();
  KEYS[event.key]();
});
canvas.addEventListener("focus", draw);
canvas.addEventListener("blur", draw);

function highlight(some) {
  pointed = some;
  draw();
}

function point(x, y) {
  if (!el("here").hidden) return;
  const below = linesAt(fromScreen(x, y));
  canvas.classList.toggle("pointing", below.length > 0);
  if (below.length !== pointed.length || below.some((line, i) => line !== pointed[i])) highlight(below.length > 12 ? [] : below);
  const hint = el("hint");
  hint.hidden = !below.length;
  hint.textContent = below.length === 1 ? below[0].id + ", " + below[0].date + (below[0] === asked.chosen && canRead(below[0]) ? ": click for a spectrum" : "") : below.length + " flight lines here: click for the list";
  place(hint, x + 14, y + 14);
}

// Beside a place of the map, and within it.
function place(box, x, y) {
  box.style.left = Math.max(8, Math.min(x, size.width - box.offsetWidth - 8)) + "px";
  box.style.top = Math.max(8, Math.min(y, size.height - box.offsetHeight - 8)) + "px";
}

// One line at a place is chosen, and the chosen one shows its spectrum there; of several, a list is shown.
function ask(x, y, byKey = false) {
  const at = fromScreen(x, y), below = linesAt(at);
  el("hint").hidden = true;
  const chosen = below.includes(asked.chosen) && canRead(asked.chosen) && asked.chosen.assets[campaign.store] ? asked.chosen : null;
  if (!below.length) { say("No flight line here"); return; }
  if (below.length === 1) { if (chosen) addSpectrumAt(chosen, at); else choose(below[0]); return; }
  const here = el("here");
  const spectrum = chosen ? [button("Spectrum of " + chosen.id + " here", () => { closeHere(); addSpectrumAt(chosen, at); })] : [];
  here.replaceChildren(node("h2", {textContent: below.length + " flight lines here"}), ...spectrum, ...below.map((line) => {
    const entry = button("", () => { closeHere(); choose(line); }, {
      onfocus: () => highlight([line]), onpointerenter: () => highlight([line]),
    });
    entry.append(chip(colourOf(line.date)), line.id, " ", line.time.slice(11, 16));
    return entry;
  }));
  here.hidden = false;
  here.scrollTop = 0;
  place(here, x + 6, y + 6);
  say(below.length + " flight lines here");
  here.querySelector("button").focus({focusVisible: byKey});
}

function closeHere() {
  if (el("here").hidden) return;
  el("here").hidden = true;
  highlight([]);
}
arrowKeys(el("here"), () => [...el("here").querySelectorAll("button")]);
el("here").addEventListener("keydown", (event) => { if (event.key === "Escape") { closeHere(); canvas.focus(); } });
el("here").addEventListener("focusout", (event) => { if (event.relatedTarget && !el("here").contains(event.relatedTarget)) closeHere(); });
