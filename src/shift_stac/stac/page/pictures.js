// Pictures on the map: the parts of the lines' overviews that are seen, in as many pixels as the screen has.

const LEAST_SEEN = 120;      // a line that is fewer pixels long on the screen is drawn as an outline only
const MOST_LINES = 30, MOST_TILES = 160, READ_AT_ONCE = 4;
const tiles = new Map();     // decoded, by line, level and place; the oldest are let go
const overviews = new Map();
let queue = [], reading = 0, emptied = 0;

// Latitude and longitude of a share of the overview's width and height: the second degree through nine places.
const throughThree = (t) => [(2 * t - 1) * (t - 1), 4 * t * (1 - t), t * (2 * t - 1)];
function placeIn({nodes}, across, down) {
  const [a, d] = [throughThree(across), throughThree(down)];
  const sum = (axis) => nodes.reduce((total, place, i) => total + place[axis] * a[i % 3] * d[Math.floor(i / 3)], 0);
  return project([sum(0), sum(1)]);
}

// The cell of the overview at a place of the map, found by Newton's steps; null outside.
function cellAt({map}, [x, y]) {
  let [across, down] = [0.5, 0.5];
  for (let step = 0; step < 8; step++) {
    const here = placeIn(map, across, down), h = 1e-4;
    const [right, below] = [placeIn(map, across + h, down), placeIn(map, across, down + h)];
    const [a, b, c, d] = [right[0] - here[0], below[0] - here[0], right[1] - here[1], below[1] - here[1]].map((part) => part / h);
    const area = a * d - b * c;
    across += (d * (x - here[0]) - b * (y - here[1])) / area;
    down += (a * (y - here[1]) - c * (x - here[0])) / area;
  }
  const [rows, columns] = map.shape;
  const [row, column] = [Math.floor(down * rows), Math.floor(across * columns)];
  return row >= 0 && row < rows && column >= 0 && column < columns ? [row, column] : null;
}

const canRead = (line) => line.map && ["http:", "https:"].includes(leadsTo(line.assets.overview).protocol);
const lengthOf = (line) => Math.max(line.box[2] - line.box[0], line.box[3] - line.box[1]) * view.scale;
const linesWithPictures = () => {
  const inView = boxInView();
  const seen = shown.filter((line) => canRead(line) && !overviews.get(line)?.lost && lengthOf(line) > LEAST_SEEN && meets(line.box, inView));
  const few = seen.length > MOST_LINES ? seen.filter((line) => line === asked.chosen) : seen;
  // The chosen one lies above the others.
  return few.sort((a, b) => (a === asked.chosen) - (b === asked.chosen));
};
const picturesInView = () => linesWithPictures().length > 0;

// The levels of a line's overview, the finest first; none where it cannot be read.
function levelsOf(line) {
  if (!overviews.has(line)) {
    const entry = {levels: [], lost: false};
    overviews.set(line, entry);
    (async () => {
      const {fromUrl} = await reader();
      const tiff = await fromUrl(leadsTo(line.assets.overview).href, {allowFullFile: false});
      const count = await tiff.getImageCount();
      const images = await Promise.all(Array.from({length: count}, (_, i) => tiff.getImage(i)));
      entry.levels = images.filter((image) => image.getSamplesPerPixel() === 4)
        .map((image) => ({image, width: image.getWidth(), height: image.getHeight(), side: [image.getTileWidth(), image.getTileHeight()]}))
        .sort((a, b) => b.width - a.width);
      want();
      draw();
    })().catch((error) => {
      entry.lost = true;
      el("pictureless").textContent = /full file/.test(error.message) ? "No pictures here: they need a server that sends parts of files (HTTP ranges) · " : "The lines' pictures cannot be read from here · ";
      // Outlines without pictures are filled.
      clearTimeout(emptied);
      emptied = setTimeout(renewSheet, 50);
    });
  }
  return overviews.get(line).levels;
}

// The coarsest level that has a pixel for each of the screen's, or the finest.
function levelFor(line, levels) {
  const [west, east] = [placeIn(line.map, 0, 0.5), placeIn(line.map, 1, 0.5)];
  const onScreen = Math.hypot(east[0] - west[0], east[1] - west[1]) * view.scale * (canvas.width / size.width);
  const sharp = levels.filter((level) => level.width >= onScreen);
  return sharp.length ? levels.indexOf(sharp[sharp.length - 1]) : 0;
}

function tilesOf(line, levels, number) {
  const {width, height, side} = levels[number];
  const found = [], inView = boxInView();
  for (let top = 0; top < height; top += side[1]) {
    for (let left = 0; left < width; left += side[0]) {
      const [right, bottom] = [Math.min(left + side[0], width), Math.min(top + side[1], height)];
      const at = (x, y) => placeIn(line.map, x / width, y / height);
      const corners = [at(left, top), at(right, top), at(left, bottom), at(right, bottom)];
      if (meets(boxOf([corners]), inView)) found.push({key: [line.id, number, left, top].join(), corners, window: [left, top, right, bottom]});
    }
  }
  return found;
}

// What is wanted now takes the place of what was wanted before, and has not been begun.
function want() {
  queue = [];
  for (const line of linesWithPictures()) {
    const levels = levelsOf(line);
    if (!levels.length) continue;
    const number = levelFor(line, levels);
    for (const tile of tilesOf(line, levels, number)) {
      if (!tiles.has(tile.key)) queue.push({...tile, image: levels[number].image});
    }
  }
  next();
}

function next() {
  while (reading < READ_AT_ONCE && queue.length) {
    const {key, window: [left, top, right, bottom], image} = queue.shift();
    reading += 1;
    // Where nothing could be read, nothing is asked for again.
    tiles.set(key, null);
    image.readRasters({window: [left, top, right, bottom], interleave: true})
      .then((values) => createImageBitmap(new ImageData(new Uint8ClampedArray(values), right - left, bottom - top)))
      .then((bitmap) => { tiles.set(key, bitmap); draw(); })
      .catch(() => {})
      .finally(() => { reading -= 1; next(); });
  }
  for (const [key, bitmap] of tiles) {
    if (tiles.size <= MOST_TILES) break;
    tiles.delete(key);
    bitmap?.close();
  }
}

// Coarser levels that have been read lie below, until the right one has come.
function paintPictures() {
  for (const line of linesWithPictures()) {
    const levels = levelsOf(line);
    if (!levels.length) continue;
    const finest = levelFor(line, levels);
    for (let number = levels.length - 1; number >= finest; number--) {
      for (const {key, corners, window: [left, top, right, bottom]} of tilesOf(line, levels, number)) {
        const bitmap = tiles.get(key);
        if (bitmap) paintTile(bitmap, corners.map(toScreen), right - left, bottom - top);
      }
    }
  }
}

// A tile is so small that straight lines lead to its places: one affine transform draws it, half a pixel of the
// screen larger, so that nothing shines through between two.
function paintTile(bitmap, [a, b, c], width, height) {
  const ratio = canvas.width / size.width;
  const beyond = 0.5 / ratio;
  pen.save();
  pen.setTransform(
    (b[0] - a[0]) / width * ratio, (b[1] - a[1]) / width * ratio,
    (c[0] - a[0]) / height * ratio, (c[1] - a[1]) / height * ratio, a[0] * ratio, a[1] * ratio,
  );
  pen.drawImage(bitmap, 0, 0, width * (1 + beyond / Math.hypot(b[0] - a[0], b[1] - a[1])), height * (1 + beyond / Math.hypot(c[0] - a[0], c[1] - a[1])));
  pen.restore();
}

let wanted = 0;
for (const what of ["look", "filter", "choose"]) {
  when(what, () => { clearTimeout(wanted); wanted = setTimeout(want, 120); });
}
