// The chosen line's picture: the flight goes from left to right, and a place in it is a pixel of the store.

// The picture shows squares of so many pixels of the line each, as whole pixels of its own.
function stepOf(line, picture) {
  return Math.ceil(Math.max(...line.shape) / Math.max(picture.naturalHeight, picture.naturalWidth));
}

// The pixel of the line at a share of the drawn picture's width and height; rows of the line go to the right,
// and its samples upward.
function pixelAt(line, picture, [right, down]) {
  const step = stepOf(line, picture);
  const within = (value, count) => Math.max(0, Math.min(count - 1, Math.floor(value)));
  return {
    y: within(right * picture.naturalHeight * step, line.shape[0]),
    x: within((1 - down) * picture.naturalWidth * step, line.shape[1]),
  };
}

function sharesOf(line, picture, {y, x}) {
  const step = stepOf(line, picture);
  return [(y + 0.5) / (picture.naturalHeight * step), 1 - (x + 0.5) / (picture.naturalWidth * step)];
}

let pins = () => {};
let showPixel = () => {};

function picturesOf(line) {
  const href = safe(line.assets.thumbnail);
  if (!href) return [];
  const sheet = node("canvas", {tabIndex: 0, role: "application", ariaLabel: "Quicklook of " + line.id + ", the flight from left to right. Arrow keys move the cross, Enter shows the spectrum of its pixel."});
  const over = node("div", {className: "over"}, sheet);
  const strip = node("div", {className: "strip"}, over);
  const figure = node("figure", {}, strip);
  const picture = new Image();
  let cross = null;
  picture.onload = () => {
    const {naturalWidth: across, naturalHeight: along} = picture;
    sheet.width = along;
    sheet.height = across;
    const brush = sheet.getContext("2d");
    brush.setTransform(0, -1, 1, 0, 0, across);
    brush.drawImage(picture, 0, 0);
    over.style.aspectRatio = along + " / " + across;
    pins();
  };
  picture.onerror = () => { strip.replaceChildren("The picture cannot be read."); };
  picture.src = href;
  if (!line.shape || !line.assets[campaign.store]) return [figure];

  const scanLine = node("input", {type: "number", min: 0, max: line.shape[0] - 1, required: true, ariaLabel: "Scan line y"});
  const sample = node("input", {type: "number", min: 0, max: line.shape[1] - 1, required: true, ariaLabel: "Sample x"});
  const go = (pixel) => {
    scanLine.value = pixel.y;
    sample.value = pixel.x;
    cross = pixel;
    addSpectrum(line, pixel);
    seeCross();
  };
  showPixel = go;
  const seeCross = () => {
    const at = over.querySelector(".cross")?.offsetLeft;
    if (at < strip.scrollLeft || at > strip.scrollLeft + strip.clientWidth) strip.scrollLeft = at - strip.clientWidth / 2;
  };
  sheet.onclick = (event) => {
    if (!picture.naturalWidth) return;
    const {left, top, width, height} = sheet.getBoundingClientRect();
    go(pixelAt(line, picture, [(event.clientX - left) / width, (event.clientY - top) / height]));
  };
  sheet.onkeydown = (event) => {
    const by = picture.naturalWidth ? stepOf(line, picture) * (event.shiftKey ? 10 : 1) : 1;
    const move = {ArrowRight: [by, 0], ArrowLeft: [-by, 0], ArrowUp: [0, by], ArrowDown: [0, -by]}[event.key];
    if (!move && event.key !== "Enter") return;
    event.preventDefault();
    cross = cross || {y: Math.floor(line.shape[0] / 2), x: Math.floor(line.shape[1] / 2)};
    const within = (value, count) => Math.max(0, Math.min(count - 1, value));
    if (!move) { go(cross); return; }
    cross = {y: within(cross.y + move[0], line.shape[0]), x: within(cross.x + move[1], line.shape[1])};
    pins();
    seeCross();
    say("Scan line " + cross.y + ", sample " + cross.x);
  };
  pins = () => {
    for (const pin of over.querySelectorAll("i")) pin.remove();
    if (!picture.naturalWidth) return;
    const pin = (pixel, colour, name) => {
      const [right, down] = sharesOf(line, picture, pixel);
      const made = node("i", {className: name, ariaHidden: "true"});
      made.style.cssText = `left: ${100 * right}%; top: ${100 * down}%; border-color: ${colour}`;
      over.append(made);
    };
    for (const spectrum of spectra) if (spectrum.line === line) pin(spectrum.pixel, spectrum.colour, "pin");
    if (cross) pin(cross, "currentColor", "cross");
  };
  const form = node("form", {className: "pixel", onsubmit: (event) => {
    event.preventDefault();
    go({y: scanLine.valueAsNumber, x: sample.valueAsNumber});
  }}, node("label", {}, "y ", scanLine), node("label", {}, "x ", sample), node("button", {type: "submit", textContent: "Show spectrum"}));
  return [figure, node("h3", {textContent: "Spectra"}), form, spectraBox(line)];
}
