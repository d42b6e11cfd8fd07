// The search and the list: names, dates, places and points, and one entry a line.

const plain = (text) => text.normalize("NFD").replace(/\p{M}/gu, "").toLowerCase().trim();
const NEAREST = 5;

// Two numbers: latitude and longitude, or the other way round where only that lies in the area.
function pointIn(text) {
  const parts = text.match(/^\s*(-?\d+(?:\.\d+)?)\s*°?\s*([NSEW]?)\s*[,; ]\s*(-?\d+(?:\.\d+)?)\s*°?\s*([NSEW]?)\s*$/i);
  if (!parts) return null;
  const sign = (number, letter) => Number(number) * (/[SW]/i.test(letter) ? -1 : 1);
  let [latitude, longitude] = [sign(parts[1], parts[2]), sign(parts[3], parts[4])];
  const known = ([x, y]) => x >= WEST && x <= EAST && y >= SOUTH && y <= NORTH;
  if (/[EW]/i.test(parts[2]) || (!known([longitude, latitude]) && known([latitude, longitude]))) [latitude, longitude] = [longitude, latitude];
  return Math.abs(latitude) <= 90 ? [longitude, latitude] : null;
}

// What a text asks for: `lines` picks from those in time, `note` says how; `point` is shown on the map.
function understand(text) {
  const wanted = plain(text);
  if (!wanted) return {};
  const point = pointIn(text);
  if (point) return over(point, pointText(point));
  const date = wanted.match(/^(\d{4})-(\d{2})(?:-(\d{2}))?$/);
  if (date) return {lines: (some) => some.filter((line) => line.date.startsWith(wanted))};
  if (lines.some((line) => line.id.toLowerCase().includes(wanted))) {
    return {lines: (some) => some.filter((line) => line.id.toLowerCase().includes(wanted))};
  }
  const named = places.find((place) => plain(place.name) === wanted) || places.find((place) => plain(place.name).startsWith(wanted));
  if (named) return over(named.point, named.name);
  return {lines: () => [], note: () => "none has this name, and no place here"};
}

function over(point, name) {
  let far = 0;
  const at = project(point);
  return {
    point,
    lines: (some) => {
      const above = some.filter((line) => contains(line.rings, at));
      far = 0;
      if (above.length) return above;
      const near = some.filter((line) => line.outline.length).map((line) => ({line, km: distance(line.outline, point)}));
      const nearest = near.sort((a, b) => a.km - b.km).slice(0, NEAREST);
      far = nearest.length ? nearest[0].km : 0;
      const chosen = new Set(nearest.map(({line}) => line));
      return some.filter((line) => chosen.has(line));
    },
    note: () => (far ? "none over " + name + ": the nearest, from " + far.toFixed(1) + " km away" : "over " + name),
  };
}

const entries = new Map();
const groups = [];

function makeList() {
  for (const day of days) {
    const box = node("div", {});
    const heading = node("h2", {}, chip(colourOf(day)), day);
    for (const line of linesOf.get(day)) {
      const entry = button("", () => { comeTo(entry); choose(line); }, {tabIndex: -1});
      if (safe(line.assets.thumbnail)) entry.append(node("img", {alt: "", loading: "lazy", onerror: (event) => { event.target.style.visibility = "hidden"; }}));
      entry.append(line.id, " ", line.time.slice(11, 16));
      entries.set(line.id, entry);
      box.append(entry);
    }
    groups.push({heading, box, lines: linesOf.get(day)});
    el("list").append(heading, box);
  }
  // A picture is asked for when its entry comes near to what is seen.
  const watcher = new IntersectionObserver((seen) => {
    for (const {isIntersecting, target} of seen) {
      if (!isIntersecting) continue;
      watcher.unobserve(target);
      const picture = target.querySelector("img");
      const line = lineOf.get(target.dataset.line);
      if (picture) picture.src = line.assets.thumbnail;
    }
  }, {rootMargin: "300px"});
  for (const [id, entry] of entries) { entry.dataset.line = id; watcher.observe(entry); }
  arrowKeys(el("list"), visibleEntries, comeTo);
}

const visibleEntries = () => [...entries.values()].filter((entry) => !entry.hidden);

// The list is one stop of the Tab key, at the entry that was last come to.
let stop = null;
function comeTo(entry) {
  if (stop) stop.tabIndex = -1;
  stop = entry || null;
  if (stop) stop.tabIndex = 0;
}

function showList() {
  const now = new Set(shown);
  for (const {heading, box, lines: some} of groups) {
    let any = false;
    for (const line of some) {
      const visible = now.has(line);
      entries.get(line.id).hidden = !visible;
      any = any || visible;
    }
    heading.hidden = box.hidden = !any;
  }
  if (!stop || stop.hidden) comeTo(visibleEntries()[0]);
}

document.querySelector(".skip").onclick = (event) => {
  event.preventDefault();
  if (stop) stop.focus();
};

let typed = 0;
el("find").addEventListener("input", () => {
  clearTimeout(typed);
  typed = setTimeout(() => {
    filter({find: el("find").value});
    if (shown.length && el("find").value) fly(around(shown));
  }, 150);
});
el("search").addEventListener("submit", (event) => {
  event.preventDefault();
  if (shown.length === 1) choose(shown[0]);
});
el("home").onclick = () => {
  el("find").value = "";
  filter({find: "", from: days[0], to: days[days.length - 1]});
  choose(null);
  fly(around(shown));
};
el("places").append(...places.slice(0, 60).map((place) => node("option", {value: place.name})));
makeList();
when("filter", showList);
when("colour", () => groups.forEach(({heading}, i) => { heading.firstChild.style.background = colourOf(days[i]); }));
let current = null;
when("choose", () => {
  if (current) current.removeAttribute("aria-current");
  current = asked.chosen && entries.get(asked.chosen.id);
  if (current) current.setAttribute("aria-current", "true");
});
