// The outlines of the shown lines, on a sheet beside the map: it is drawn some lines a frame, and laid under
// the map's present view meanwhile, so that moving the map costs the same with ten lines and with thousands.

const ROOM = 1.5;  // the sheet is so many times as wide and as high as the map
const LINES_A_FRAME = 120, MILLISECONDS_A_FRAME = 6;
const STILL_AFTER = 120;  // milliseconds after the last move
const MANY_DAYS = 6, MANY_LINES = 400;

let sheet = null;    // what lies on the map: a canvas, its view, and what it shows
let growing = null;  // what will lie there when it is whole
let spare = document.createElement("canvas");
let moved = -Infinity, later = 0;
let edition = 0;     // rises when other lines are shown, or in other colours

function renewSheet() {
  edition += 1;
  growing = null;
  draw();
}

// Whether a sheet shows the present view sharply, and all of it.
function fits(some) {
  if (!some || some.edition !== edition || some.view.scale !== view.scale || some.width !== size.width || some.height !== size.height) return false;
  const spare = (ROOM - 1) / 2;
  return Math.abs(some.view.x - view.x) * view.scale <= spare * size.width && Math.abs(some.view.y - view.y) * view.scale <= spare * size.height;
}

function begin() {
  const ratio = canvas.width / size.width;
  const paper = spare;
  paper.width = Math.round(size.width * ROOM * ratio);
  paper.height = Math.round(size.height * ROOM * ratio);
  const [west, south, east, north] = [
    view.x - size.width * ROOM / 2 / view.scale, view.y - size.height * ROOM / 2 / view.scale,
    view.x + size.width * ROOM / 2 / view.scale, view.y + size.height * ROOM / 2 / view.scale,
  ];
  const waiting = shown.filter((line) => meets(line.box, [west, south, east, north]));
  growing = {paper, ratio, edition, view, width: size.width, height: size.height, waiting, done: 0, days: new Set(shown.map((line) => line.date)).size, filled: shown.length <= MANY_LINES && !picturesInView()};
}

function grow() {
  const {paper, ratio, waiting, filled} = growing;
  const brush = paper.getContext("2d"), scale = growing.view.scale * ratio, pixel = 1 / growing.view.scale;
  brush.setTransform(scale, 0, 0, -scale, paper.width / 2 - (growing.view.x - MIDDLE[0]) * scale, paper.height / 2 + (growing.view.y - MIDDLE[1]) * scale);
  brush.lineJoin = "round";
  const many = growing.days > MANY_DAYS;
  brush.lineWidth = (many ? 1.1 : 1.5) * pixel;
  const until = performance.now() + MILLISECONDS_A_FRAME;
  const stop = Math.min(waiting.length, growing.done + LINES_A_FRAME);
  while (growing.done < stop && performance.now() < until) {
    const line = waiting[growing.done++];
    brush.fillStyle = brush.strokeStyle = colourOf(line.date);
    // Many days over each other leave the coast to be seen.
    brush.globalAlpha = Math.min(0.16, 0.4 / growing.days);
    if (filled) brush.fill(line.path);
    brush.globalAlpha = many ? 0.75 : 1;
    brush.stroke(line.path);
  }
  if (growing.done < waiting.length) return;
  spare = sheet ? sheet.paper : document.createElement("canvas");
  sheet = growing;
  growing = null;
}

function paintSheet() {
  const moving = performance.now() - moved < STILL_AFTER;
  if (fits(sheet)) {
    growing = null;
  } else if (sheet?.edition === edition && moving) {
    // While the map moves, the sheet that is there will do.
    clearTimeout(later);
    later = setTimeout(draw, STILL_AFTER);
  } else {
    if (!growing) begin();
    grow();
    if (!fits(sheet)) draw();
  }
  if (!sheet) return;
  const zoomed = view.scale / sheet.view.scale;
  const [x, y] = toScreen([sheet.view.x, sheet.view.y]);
  const [width, height] = [sheet.width * ROOM * zoomed, sheet.height * ROOM * zoomed];
  // Beside a chosen line, the others stand back.
  pen.globalAlpha = asked.chosen ? 0.5 : 1;
  pen.drawImage(sheet.paper, x - width / 2, y - height / 2, width, height);
  pen.globalAlpha = 1;
}

when("look", () => { moved = performance.now(); });
when("filter", renewSheet);
when("colour", renewSheet);
