// Places and distances: Mercator's projection, rings, and numbers as people read them.

const RADIAN = Math.PI / 180;
const KM_PER_DEGREE = 111.195;

// Mercator in degrees: x is the longitude, y grows northward, and shapes look as they are.
const toY = (latitude) => Math.log(Math.tan(Math.PI / 4 + latitude * RADIAN / 2)) / RADIAN;
const toLatitude = (y) => 2 * Math.atan(Math.exp(y * RADIAN)) / RADIAN - 90;
const project = ([longitude, latitude]) => [longitude, toY(latitude)];

function boxOf(rings) {
  const box = [Infinity, Infinity, -Infinity, -Infinity];
  for (const ring of rings) {
    for (const [x, y] of ring) {
      box[0] = Math.min(box[0], x); box[1] = Math.min(box[1], y);
      box[2] = Math.max(box[2], x); box[3] = Math.max(box[3], y);
    }
  }
  return box;
}

const unite = (boxes) => boxOf(boxes.map(([west, south, east, north]) => [[west, south], [east, north]]));

// Whether a point lies in any of the rings: how often a ray from it crosses each is odd.
function contains(rings, [x, y]) {
  return rings.some((ring) => {
    let inside = false;
    for (let i = 0, j = ring.length - 1; i < ring.length; j = i++) {
      const [xi, yi] = ring[i], [xj, yj] = ring[j];
      if (yi > y !== yj > y && x < (xj - xi) * (y - yi) / (yj - yi) + xi) inside = !inside;
    }
    return inside;
  });
}

// Kilometres from a point to the nearest edge of any ring; a degree is as long as at the point.
function distance(rings, [x, y]) {
  const squeeze = Math.cos(y * RADIAN);
  let least = Infinity;
  for (const ring of rings) {
    for (let i = 1; i < ring.length; i++) {
      const ax = (ring[i - 1][0] - x) * squeeze, ay = ring[i - 1][1] - y;
      const bx = (ring[i][0] - x) * squeeze - ax, by = ring[i][1] - y - ay;
      const along = Math.max(0, Math.min(1, -(ax * bx + ay * by) / (bx * bx + by * by || 1)));
      least = Math.min(least, Math.hypot(ax + along * bx, ay + along * by));
    }
  }
  return least * KM_PER_DEGREE;
}

// Degrees of longitude and latitude with the letters of their halves.
function degrees(value, isLatitude, digits) {
  const turned = isLatitude ? value : (value + 540) % 360 - 180;
  const letter = isLatitude ? (turned < 0 ? "S" : "N") : (turned < 0 ? "W" : "E");
  return Math.abs(turned).toFixed(digits) + "° " + letter;
}

const pointText = ([longitude, latitude]) => degrees(latitude, true, 4) + ", " + degrees(longitude, false, 4);
