// The spectra that were asked for, side by side: also those of other lines, of other days.

const SPECTRUM_COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
const DASHES = ["", "7 3", "2 3", "9 3 2 3", "4 4", "12 4"];
const spectra = [];
let cubeShown = null;
let drawSpectra = () => {};

function spectraBox(line) {
  const box = node("div", {id: "spectra"});
  const why = whyNot(line.assets[campaign.store]);
  const names = cubesOf(line);
  if (!names.includes(cubeShown)) cubeShown = names.includes("Reflectance") ? "Reflectance" : names[0];
  const choice = node("select", {ariaLabel: "Quantity", onchange: async () => {
    cubeShown = choice.value;
    const again = spectra.splice(0);
    for (const {line: of, pixel} of again) await addSpectrum(of, pixel);
    drawSpectra();
  }}, ...names.map((name) => node("option", {value: name, textContent: name, selected: name === cubeShown})));
  const plot = node("div", {className: "plot"});
  const legend = node("ul", {className: "legend"});
  const told = node("p", {className: "told", role: "status", id: "told", textContent: why || "Click the picture, or give a scan line and a sample."});
  box.append(...(names.length > 1 ? [choice] : []), told, plot, legend);
  drawSpectra = () => {
    plot.replaceChildren(...(spectra.length ? [plotOf(spectra)] : []));
    legend.replaceChildren(...spectra.map((spectrum) => {
      const sign = chip(spectrum.colour);
      const remove = button("Remove", () => { spectra.splice(spectra.indexOf(spectrum), 1); drawSpectra(); }, {ariaLabel: "Remove the spectrum of " + nameOf(spectrum)});
      const where = spectrum.place ? button(pointText(spectrum.place), () => { mark = spectrum.place; fly({x: spectrum.place[0], y: toY(spectrum.place[1]), scale: Math.max(view.scale, 4000)}); }, {title: "Show on the map", className: "link"}) : "no place";
      return node("li", {}, sign, node("span", {}, nameOf(spectrum), " ", where), remove);
    }));
    if (spectra.length) legend.append(node("li", {}, copyButton(tableOf(spectra), "the spectra as CSV", "Copy as CSV")));
    pins();
  };
  drawSpectra();
  return box;
}

const titleOf = ({title}) => title[0].toUpperCase() + title.slice(1);
const nameOf = ({line, pixel}) => line.id + " y " + pixel.y + " x " + pixel.x;

let latest = 0;
async function addSpectrum(line, pixel) {
  const told = (text) => { if (el("told")) el("told").textContent = text; };
  const href = line.assets[campaign.store];
  const why = whyNot(href);
  pins();
  if (why) { told(why); return; }
  const number = ++latest;
  told("Reading y " + pixel.y + ", x " + pixel.x + " …");
  try {
    const spectrum = {line, pixel, cube: cubeShown, ...await readSpectrum(line, cubeShown, pixel)};
    const same = spectra.findIndex((other) => nameOf(other) === nameOf(spectrum));
    if (same >= 0) spectra.splice(same, 1);
    if (spectra.length === SPECTRUM_COLOURS.length) spectra.shift();
    const free = SPECTRUM_COLOURS.findIndex((colour) => spectra.every((other) => other.colour !== colour));
    Object.assign(spectrum, {colour: SPECTRUM_COLOURS[free], dash: DASHES[free]});
    spectra.push(spectrum);
    if (spectrum.place) { mark = spectrum.place; draw(); }
    const some = spectrum.values.some(Number.isFinite);
    if (number === latest) told(some ? inShort(spectrum) : "This pixel has no data: y " + pixel.y + ", x " + pixel.x + ".");
  } catch (error) {
    if (number === latest) told(inWords(error, href));
  }
  drawSpectra();
}

// The spectrum of the chosen line at a place of the map, by the line's own lookup table.
async function addSpectrumAt(line, at) {
  const cell = cellAt(line, at);
  try {
    const pixel = cell && await pixelOf(line, cell);
    if (asked.chosen !== line) return;
    if (pixel) showPixel(pixel);
    else el("told").textContent = "The line has no pixel at this place of the map.";
  } catch (error) {
    el("told").textContent = inWords(error, line.assets[campaign.store]);
  }
}

// For those who do not see the curve: its highest good value and where it is.
function inShort({values, wavelengths, good, units, title, pixel}) {
  let best = -1;
  values.forEach((value, i) => { if (good[i] && Number.isFinite(value) && (best < 0 || value > values[best])) best = i; });
  const highest = best < 0 ? "no good band" : "highest " + values[best].toPrecision(3) + (units && " " + units) + " at " + wavelengths[best].toFixed(0) + " nm";
  return titleOf({title}) + " of y " + pixel.y + ", x " + pixel.x + ": " + highest + ".";
}

// One row a band and spectrum: lines may differ in the last digits of their wavelengths.
function tableOf(some) {
  const number = (value, digits) => Number.isFinite(value) ? String(Number(value.toPrecision(digits))) : "";
  const rows = some.flatMap(({line, pixel, place, cube, units, wavelengths, good, values}) => wavelengths.map((nm, i) => [
    line.id, pixel.y, pixel.x, number(place?.[0], 9), number(place?.[1], 9), cube, units.replaceAll(/[",\n]/g, " "), number(nm, 9), good[i] ? 1 : 0, number(values[i], 9),
  ].join(",")));
  return "flight_line,y,x,longitude,latitude,quantity,unit,wavelength_nm,good,value\n" + rows.join("\n") + "\n";
}

const svg = (name, attributes, text) => {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
};

const WIDE = 480, HIGH = 250, LEFT = 46, BELOW = 34, ABOVE = 10, RIGHT = 8;
function plotOf(some) {
  const waves = some[0].wavelengths, [first, last] = [waves[0], waves[waves.length - 1]];
  const values = some.flatMap((spectrum) => spectrum.values.filter((value, i) => Number.isFinite(value) && spectrum.good[i])).sort((a, b) => a - b);
  const [low, high] = [Math.min(0, values[0] ?? 0), (values[values.length - 1] ?? 1) || 1];
  const x = (nm) => LEFT + (nm - first) / (last - first || 1) * (WIDE - LEFT - RIGHT);
  const y = (value) => HIGH - BELOW - (value - low) / (high - low || 1) * (HIGH - BELOW - ABOVE);
  const name = titleOf(some[0]) + (some[0].units && " (" + some[0].units + ")");
  const plot = svg("svg", {viewBox: `0 0 ${WIDE} ${HIGH}`, role: "img", "aria-label": name + " by wavelength: " + some.map(nameOf).join(", ")});
  // Bands that are not good are left out of the curves, and shaded.
  waves.forEach((nm, i) => {
    if (some[0].good[i]) return;
    const half = Math.abs(waves[Math.min(i + 1, waves.length - 1)] - waves[Math.max(i - 1, 0)]) / 4;
    plot.append(svg("rect", {class: "bad", x: x(nm - half), y: ABOVE, width: Math.max(x(nm + half) - x(nm - half), 1), height: HIGH - BELOW - ABOVE}));
  });
  const step = niceStep((high - low) / 5), digits = Math.max(0, -Math.floor(Math.log10(step)));
  for (let i = Math.ceil(low / step); i * step <= high * 1.0001; i++) {
    plot.append(svg("line", {class: "rule", x1: LEFT, x2: WIDE - RIGHT, y1: y(i * step), y2: y(i * step)}));
    plot.append(svg("text", {x: LEFT - 5, y: y(i * step) + 4, "text-anchor": "end"}, (i * step).toFixed(digits)));
  }
  const wide = niceStep((last - first) / 6);
  for (let nm = Math.ceil(first / wide) * wide; nm <= last; nm += wide) {
    plot.append(svg("text", {x: x(nm), y: HIGH - BELOW + 14, "text-anchor": x(nm) > WIDE - 20 ? "end" : "middle"}, String(nm)));
  }
  plot.append(svg("text", {x: (LEFT + WIDE) / 2, y: HIGH - 4, "text-anchor": "middle"}, name + " by wavelength (nm)"));
  for (const spectrum of some) {
    let path = "", open = false;
    spectrum.values.forEach((value, i) => {
      const drawn = spectrum.good[i] && Number.isFinite(value);
      if (drawn) path += (open ? "L" : "M") + x(spectrum.wavelengths[i]).toFixed(1) + " " + y(value).toFixed(1);
      open = drawn;
    });
    plot.append(svg("path", {class: "curve", d: path, stroke: spectrum.colour, "stroke-dasharray": spectrum.dash}));
  }
  const read = svg("text", {x: WIDE - RIGHT, y: ABOVE + 6, "text-anchor": "end", class: "read"}), hair = svg("line", {class: "hair", y1: ABOVE, y2: HIGH - BELOW, visibility: "hidden"});
  plot.append(hair, read);
  plot.addEventListener("pointermove", (event) => {
    const {left, width} = plot.getBoundingClientRect();
    const nm = first + ((event.clientX - left) / width * WIDE - LEFT) / (WIDE - LEFT - RIGHT) * (last - first);
    const nearest = (all) => all.reduce((best, wave, at) => Math.abs(wave - nm) < Math.abs(all[best] - nm) ? at : best, 0);
    const shown = waves[nearest(waves)];
    for (const end of ["x1", "x2"]) hair.setAttribute(end, x(shown));
    hair.setAttribute("visibility", "visible");
    const told = some.map(({wavelengths, values: all}) => all[nearest(wavelengths)]).map((value) => Number.isFinite(value) ? value.toPrecision(4) : "no data");
    read.textContent = shown.toFixed(1) + " nm: " + told.join(", ");
  });
  return plot;
}

function niceStep(rough) {
  const ten = 10 ** Math.floor(Math.log10(rough || 1));
  return [1, 2, 5, 10].find((part) => part * ten >= rough) * ten;
}
