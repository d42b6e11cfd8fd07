// The time axis: one bar a flight day, as high as it has lines; a day or a range can be chosen.

const bars = new Map();
const DAY = 86_400_000;
const [FIRST, LAST] = [Date.parse(days[0]), Date.parse(days[days.length - 1])];
// Room at the ends for the bars themselves; a campaign of one day has it in the middle.
const shareOf = (moment) => LAST > FIRST ? 0.02 + 0.96 * (moment - FIRST) / (LAST - FIRST) : 0.5;
const across = (share) => (100 * share).toFixed(3) + "%";

function makeTimeline() {
  const most = Math.max(...days.map((day) => linesOf.get(day).length));
  const height = (day) => 0.5 + 3 * linesOf.get(day).length / most;
  // As wide as leaves the nearest two days apart, if they can be.
  const gaps = days.slice(1).map((day, i) => (Date.parse(day) - Date.parse(days[i])) / (LAST - FIRST));
  const width = Math.max(0.35, Math.min(2.5, 90 * Math.min(...gaps, 0.03)));
  for (const day of days) {
    const count = linesOf.get(day).length;
    const text = day + ": " + count + (count === 1 ? " flight line" : " flight lines");
    const bar = button("", (event) => chooseDay(day, event.shiftKey), {title: text, ariaLabel: text, tabIndex: day === days[0] ? 0 : -1});
    bar.style.cssText = `left: ${across(shareOf(Date.parse(day)))}; height: ${height(day)}rem; width: max(5px, ${width}%)`;
    bars.set(day, bar);
    el("days").append(bar);
  }
  for (const select of [el("from"), el("to")]) {
    for (const day of days) select.append(node("option", {value: day, textContent: day}));
  }
  colourDays();
  labelMonths();
}

function colourDays() {
  for (const [day, bar] of bars) bar.style.background = colourOf(day);
}

// The months' or years' beginnings, as many as have room.
function labelMonths() {
  for (const label of el("days").querySelectorAll("span")) label.remove();
  const months = (LAST - FIRST) / DAY / 30;
  const room = Math.max(1, el("days").clientWidth / 75);
  const step = [1, 2, 3, 6, 12, 24, 60, 120].find((every) => months / every <= room) || 240;
  const at = new Date(FIRST);
  at.setUTCDate(1);
  at.setUTCMonth(Math.ceil(at.getUTCMonth() / Math.min(step, 12)) * Math.min(step, 12));
  for (; at <= LAST; at.setUTCMonth(at.getUTCMonth() + step)) {
    if (at < FIRST) continue;
    const label = node("span", {textContent: at.toISOString().slice(0, step < 12 ? 7 : 4), ariaHidden: "true"});
    label.style.left = across(Math.min(shareOf(at.getTime()), 0.93));
    el("days").append(label);
  }
  if (!el("days").querySelector("span")) {
    const label = node("span", {textContent: days[0] || "", ariaHidden: "true"});
    label.style.left = across(LAST > FIRST ? 0.02 : 0.45);
    el("days").append(label);
  }
}

// A second press on the only day shows all days again; with Shift, the range grows to the day.
function chooseDay(day, extend) {
  const isOnly = asked.from === day && asked.to === day;
  if (extend) setRange(day < asked.from ? day : asked.from, day > asked.from ? day : asked.to);
  else if (isOnly) setRange(days[0], days[days.length - 1]);
  else setRange(day, day);
}

function setRange(from, to) {
  filter(from <= to ? {from, to} : {from: to, to: from});
  fly(around(shown));
}

function showRange() {
  el("from").value = asked.from;
  el("to").value = asked.to;
  for (const [day, bar] of bars) bar.setAttribute("aria-pressed", day >= asked.from && day <= asked.to);
}

el("from").onchange = el("to").onchange = () => setRange(el("from").value, el("to").value);
// With a pointer, a range is drawn over the axis.
let drawnFrom = null;
const dayAt = (event) => {
  const {left, width} = el("days").getBoundingClientRect();
  const share = (event.clientX - left) / width;
  const off = (day) => Math.abs(shareOf(Date.parse(day)) - share);
  return days.reduce((best, day) => off(day) < off(best) ? day : best, days[0]);
};
el("days").addEventListener("pointerdown", (event) => { if (event.button === 0) drawnFrom = [dayAt(event), event.clientX]; });
el("days").addEventListener("pointermove", (event) => {
  if (!drawnFrom || Math.abs(event.clientX - drawnFrom[1]) <= 8) return;
  const [from, to] = [drawnFrom[0], dayAt(event)].sort();
  if (from !== asked.from || to !== asked.to) filter({from, to});
});
addEventListener("pointercancel", () => { drawnFrom = null; });
addEventListener("pointerup", (event) => {
  if (!drawnFrom) return;
  const [begin, x] = drawnFrom;
  drawnFrom = null;
  if (Math.abs(event.clientX - x) > 8) setRange(begin, dayAt(event));
  else if (event.target === el("days")) chooseDay(dayAt(event), event.shiftKey);
});
arrowKeys(el("days"), () => [...bars.values()], (bar) => {
  for (const other of bars.values()) other.tabIndex = other === bar ? 0 : -1;
});
if (days.length) makeTimeline();
when("filter", showRange);
when("colour", colourDays);
when("size", () => { if (days.length) labelMonths(); });
