// The document's elements: finding and making them, and telling a screen reader what happened.

const el = (id) => document.getElementById(id);

// Texts go in as text: nothing that the archive tells becomes markup.
function node(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("aria")) made.setAttribute("aria-" + key.slice(4).toLowerCase(), value);
    else if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
}

// What an href leads to, also one that is no address.
const leadsTo = (href) => href && URL.canParse(href, location.href) ? new URL(href, location.href) : new URL("about:blank");

// Only what a browser fetches: an href of another scheme, such as a script's, leads nowhere.
function safe(href) {
  return ["http:", "https:", "file:"].includes(leadsTo(href).protocol) ? href : "";
}

function button(text, onclick, attributes = {}) {
  return node("button", {type: "button", textContent: text, onclick, ...attributes});
}

function chip(colour) {
  const made = node("span", {className: "chip", ariaHidden: "true"});
  made.style.background = colour;
  return made;
}

function say(text) { el("said").textContent = text; }

// A button that copies; over plain http browsers have no clipboard, and a selection is copied instead.
function copyButton(text, what, label = "Copy") {
  const made = button(label, async () => {
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = node("textarea", {value: text});
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    made.textContent = "Copied";
    say("Copied " + what);
    setTimeout(() => { made.textContent = label; }, 1500);
  }, {ariaLabel: "Copy " + what});
  return made;
}

// Moves between the children of an element by arrow keys, as in a list of choices.
function arrowKeys(parent, children, onmove = () => {}) {
  parent.addEventListener("keydown", (event) => {
    const all = children();
    const now = all.indexOf(document.activeElement);
    const step = {ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1}[event.key];
    const next = event.key === "Home" ? 0 : event.key === "End" ? all.length - 1 : step && now + step;
    if (next === undefined || now < 0 || !all[next]) return;
    event.preventDefault();
    all[next].focus();
    onmove(all[next]);
  });
}
