// The map: what is in view, and its drawing on a canvas, which stays fast with thousands of lines.

const canvas = el("map");
const pen = canvas.getContext("2d");
const [WEST, SOUTH, EAST, NORTH] = campaign.basemap.area;
const MIDDLE = [(WEST + EAST) / 2, (toY(SOUTH) + toY(NORTH)) / 2];
const CLOSEST = 200_000;  // pixels a degree: about half a metre each

// The centre in projected degrees, and how many pixels a degree has.
let view = {x: MIDDLE[0], y: MIDDLE[1], scale: 100};
let size = {width: 1, height: 1};
let pointed = [], mark = null;

// A path's numbers are of single precision: they count from the middle of the area.
function pathOf(rings) {
  const path = new Path2D();
  for (const ring of rings) {
    ring.forEach(([x, y], i) => path[i ? "lineTo" : "moveTo"](x - MIDDLE[0], y - MIDDLE[1]));
    path.closePath();
  }
  return path;
}

const land = pathOf(campaign.basemap.land.map((ring) => ring.map(project)));
for (const line of lines) {
  line.rings = line.outline.map((ring) => ring.map(project));
  line.box = boxOf(line.rings);
  line.path = pathOf(line.rings);
}
const places = campaign.basemap.places.map(([name, longitude, latitude, people]) =>
  ({name, people, point: [longitude, latitude], at: project([longitude, latitude])}));

const toScreen = ([x, y]) => [size.width / 2 + (x - view.x) * view.scale, size.height / 2 - (y - view.y) * view.scale];
const fromScreen = (x, y) => [view.x + (x - size.width / 2) / view.scale, view.y - (y - size.height / 2) / view.scale];
const boxInView = () => [...fromScreen(0, size.height), ...fromScreen(size.width, 0)];
const meets = (a, b) => a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3];

function linesAt([x, y]) {
  return shown.filter(({box, rings}) => x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3] && contains(rings, [x, y]));
}

// The view stays within the area of which coast and places are known.
function look(next) {
  const least = Math.max(size.width / (EAST - WEST), size.height / (toY(NORTH) - toY(SOUTH)));
  const scale = Math.min(CLOSEST, Math.max(least, next.scale));
  const within = (value, low, high, room) => Math.min(high - room, Math.max(low + room, value));
  view = {
    x: within(next.x, WEST, EAST, size.width / scale / 2),
    y: within(next.y, toY(SOUTH), toY(NORTH), size.height / scale / 2),
    scale,
  };
  draw();
  tell("look");
}

let flight = 0;
function fly(next) {
  cancelAnimationFrame(flight);
  if (matchMedia("(prefers-reduced-motion: reduce)").matches) { look(next); return; }
  const from = view, begin = performance.now();
  const step = (now) => {
    const t = Math.min(1, Math.max(0, (now - begin) / 300)), eased = 1 - (1 - t) ** 3;
    const mix = (a, b) => a + (b - a) * eased;
    look({x: mix(from.x, next.x), y: mix(from.y, next.y), scale: Math.exp(mix(Math.log(from.scale), Math.log(next.scale)))});
    if (t < 1) flight = requestAnimationFrame(step);
  };
  step(begin);
}

function around(some) {
  const seen = some.filter((line) => line.rings.length);
  if (!seen.length) return view;
  const [west, south, east, north] = unite(seen.map((line) => line.box));
  const room = 0.86, least = 0.01;
  const scale = Math.min(size.width * room / Math.max(east - west, least), size.height * room / Math.max(north - south, least));
  return {x: (west + east) / 2, y: (south + north) / 2, scale};
}

// Zooms so that what is at a place of the screen stays there.
function zoom(factor, x = size.width / 2, y = size.height / 2, move = look) {
  const [px, py] = fromScreen(x, y);
  const least = Math.max(size.width / (EAST - WEST), size.height / (toY(NORTH) - toY(SOUTH)));
  const scale = Math.min(CLOSEST, Math.max(least, view.scale * factor));
  const ratio = view.scale / scale;
  move({x: px + (view.x - px) * ratio, y: py + (view.y - py) * ratio, scale});
}

let waiting = 0;
function draw() {
  if (!waiting) waiting = requestAnimationFrame(() => { waiting = 0; paint(); });
}

let ink = {};
function readInk() {
  const style = getComputedStyle(document.documentElement);
  for (const name of ["ink", "soft", "sea", "land", "coast", "grid", "halo", "mark", "paper"]) ink[name] = style.getPropertyValue("--" + name);
}

function inWorld(act) {
  const ratio = canvas.width / size.width, scale = view.scale * ratio;
  pen.save();
  pen.setTransform(scale, 0, 0, -scale, canvas.width / 2 - (view.x - MIDDLE[0]) * scale, canvas.height / 2 + (view.y - MIDDLE[1]) * scale);
  act(1 / view.scale);
  pen.restore();
}

function paint() {
  pen.setTransform(canvas.width / size.width, 0, 0, canvas.height / size.height, 0, 0);
  pen.fillStyle = ink.sea;
  pen.fillRect(0, 0, size.width, size.height);
  inWorld((pixel) => {
    pen.fillStyle = ink.land; pen.fill(land, "evenodd");
    pen.strokeStyle = ink.coast; pen.lineWidth = pixel; pen.stroke(land);
  });
  const labels = paintGraticule();
  paintPictures();
  paintSheet();
  inWorld((pixel) => {
    // Above many outlines the coast is still to be seen; pictures have a better one.
    pen.strokeStyle = ink.coast; pen.lineWidth = pixel;
    if (!picturesInView()) pen.stroke(land);
    pen.lineJoin = "round";
    for (const line of pointed) outline(line, 3 * pixel, pixel);
    if (asked.chosen) outline(asked.chosen, 3.5 * pixel, pixel);
  });
  pen.font = "11px system-ui, sans-serif";
  for (const label of labels) write(...label, ink.soft);
  paintPlaces();
  paintScale();
  if (found.point) paintMark(project(found.point), ink.ink);
  if (mark) paintMark(project(mark), ink.mark);
  if (document.activeElement === canvas && canvas.matches(":focus-visible")) paintCross();
}

function outline(line, width, pixel) {
  pen.strokeStyle = ink.paper; pen.lineWidth = width + 3 * pixel; pen.stroke(line.path);
  pen.strokeStyle = line === asked.chosen ? ink.mark : colourOf(line.date); pen.lineWidth = width; pen.stroke(line.path);
}

const TOP = 14, LABEL = 60;  // pixels: the meridians' labels stand at the top, left of the buttons
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30];
// Returns the labels, with their places: they are written above the lines.
function paintGraticule() {
  const step = STEPS.find((degrees) => degrees * view.scale > 110) || 30;
  const digits = Math.max(0, Math.ceil(-Math.log10(step) - 1e-9));
  const [west, south, east, north] = boxInView();
  pen.strokeStyle = ink.grid; pen.lineWidth = 1;
  pen.beginPath();
  const labels = [];
  for (let i = Math.ceil(west / step); i * step < east; i++) {
    const x = Math.round(toScreen([i * step, 0])[0]) + 0.5;
    pen.moveTo(x, 0); pen.lineTo(x, size.height);
    if (x + LABEL < el("zoom").offsetLeft) labels.push([degrees(i * step, false, digits), x + 4, TOP]);
  }
  for (let i = Math.ceil(toLatitude(south) / step); i * step < toLatitude(north); i++) {
    const y = Math.round(toScreen([0, toY(i * step)])[1]) + 0.5;
    pen.moveTo(0, y); pen.lineTo(size.width, y);
    if (y > 2 * TOP) labels.push([degrees(i * step, true, digits), 5, y - 4]);
  }
  pen.stroke();
  return labels;
}

function write(text, x, y, colour) {
  pen.lineJoin = "round"; pen.lineWidth = 3; pen.strokeStyle = ink.halo; pen.strokeText(text, x, y);
  pen.fillStyle = colour; pen.fillText(text, x, y);
}

// The largest places first; names that would lie over others are left out.
function paintPlaces() {
  const taken = [];
  const inView = boxInView();
  pen.font = "12px system-ui, sans-serif";
  for (const place of places) {
    if (!meets([...place.at, ...place.at], inView)) continue;
    const [x, y] = toScreen(place.at);
    const width = pen.measureText(place.name).width + 12;
    // At the right edge of the map, a name stands left of its place.
    const left = x + width > size.width;
    const box = left ? [x - width, y - 8, x + 5, y + 8] : [x - 5, y - 8, x + width, y + 8];
    if (taken.some((other) => meets(box, other))) continue;
    taken.push(box);
    pen.beginPath(); pen.arc(x, y, 2.5, 0, 7); pen.fillStyle = ink.ink; pen.fill();
    write(place.name, left ? x - width + 6 : x + 6, y + 4, ink.ink);
    if (taken.length > 40) break;
  }
}

function paintScale() {
  const kmPerPixel = KM_PER_DEGREE * Math.cos(toLatitude(view.y) * RADIAN) / view.scale;
  const most = 110 * kmPerPixel, ten = 10 ** Math.floor(Math.log10(most));
  const km = [5, 2, 1].map((part) => part * ten).find((length) => length <= most);
  const width = km / kmPerPixel, x = 12, y = size.height - 8;
  pen.lineWidth = 4; pen.strokeStyle = ink.halo;
  for (let round = 0; round < 2; round++) {
    pen.beginPath(); pen.moveTo(x, y - 5); pen.lineTo(x, y); pen.lineTo(x + width, y); pen.lineTo(x + width, y - 5); pen.stroke();
    pen.lineWidth = 1.5; pen.strokeStyle = ink.ink;
  }
  pen.font = "11px system-ui, sans-serif";
  write(km < 1 ? Math.round(km * 1000) + " m" : km + " km", x + 5, y - 4, ink.ink);
}

function paintMark(at, colour) {
  const [x, y] = toScreen(at);
  for (const [radius, width, style] of [[8, 5, ink.paper], [8, 2.5, colour]]) {
    pen.beginPath(); pen.arc(x, y, radius, 0, 7); pen.moveTo(x - 3, y); pen.lineTo(x + 3, y); pen.moveTo(x, y - 3); pen.lineTo(x, y + 3);
    pen.lineWidth = width; pen.strokeStyle = style; pen.stroke();
  }
}

function paintCross() {
  const [x, y] = [size.width / 2, size.height / 2];
  pen.strokeStyle = ink.ink; pen.lineWidth = 1.5; pen.beginPath();
  pen.moveTo(x - 9, y); pen.lineTo(x + 9, y); pen.moveTo(x, y - 9); pen.lineTo(x, y + 9); pen.stroke();
}

new ResizeObserver(() => {
  const {clientWidth: width, clientHeight: height} = canvas;
  if (!width || !height) return;
  size = {width, height};
  canvas.width = Math.round(width * devicePixelRatio);
  canvas.height = Math.round(height * devicePixelRatio);
  look(view);
  tell("size");
}).observe(canvas);
readInk();
dark.addEventListener("change", () => { readInk(); tell("colour"); draw(); });
when("choose", draw);
