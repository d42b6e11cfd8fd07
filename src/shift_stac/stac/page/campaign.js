// The campaign: its lines and days, the colour of each day, and which lines are shown.

const campaign = JSON.parse(el("campaign").textContent);
const lines = campaign.lines;
for (const line of lines) line.date = line.time.slice(0, 10);
const lineOf = new Map(lines.map((line) => [line.id, line]));
const days = [...new Set(lines.map((line) => line.date))].sort();
const linesOf = new Map(days.map((day) => [day, lines.filter((line) => line.date === day)]));

// Few days: Okabe and Ito's colours, which can be told apart with any colour vision. Many: viridis by
// date, without the end that is as bright, or as dark, as the paper.
const FEW = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const VIRIDIS = ["#440154", "#482878", "#3e4989", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const dark = matchMedia("(prefers-color-scheme: dark)");

function viridis(share) {
  const at = Math.min(share, 0.9999) * (VIRIDIS.length - 1);
  const [low, high] = [VIRIDIS[Math.floor(at)], VIRIDIS[Math.floor(at) + 1]];
  const part = (hex, i) => parseInt(hex.slice(1 + 2 * i, 3 + 2 * i), 16);
  return "rgb(" + [0, 1, 2].map((i) => Math.round(part(low, i) + (at % 1) * (part(high, i) - part(low, i)))).join(" ") + ")";
}

const numberOf = new Map(days.map((day, number) => [day, number]));
function colourOf(day) {
  const number = numberOf.get(day);
  if (days.length <= FEW.length) return FEW[number];
  const share = number / (days.length - 1);
  return viridis(dark.matches ? 0.25 + 0.75 * share : 0.88 * share);
}

// What the visitor asked for; parts of the page listen for "filter" and "choose".
const asked = {from: days[0], to: days[days.length - 1], find: "", chosen: null};
const news = new EventTarget();
const when = (what, act) => news.addEventListener(what, act);
const tell = (what) => news.dispatchEvent(new Event(what));

let shown = lines;
let found = {};

function filter(changes = {}) {
  Object.assign(asked, changes);
  found = understand(asked.find);
  const inTime = lines.filter((line) => line.date >= asked.from && line.date <= asked.to);
  shown = found.lines ? found.lines(inTime) : inTime;
  const note = found.note ? found.note(shown) : "";
  el("count").textContent = shown.length + " of " + lines.length + " flight lines" + (note && ", " + note);
  tell("filter");
}

function choose(line) {
  asked.chosen = line;
  tell("choose");
  goToLine();
}
