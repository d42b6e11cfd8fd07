// The chosen line: what is known of it, its pictures, and how programs open it.

// As programs take it: a web address, or the path of a file.
function address(href) {
  const {protocol, pathname, href: whole} = leadsTo(href);
  return protocol === "file:" ? decodeURIComponent(pathname).replace(/^\/(?=[A-Z]:)/i, "") : whole;
}

const percent = (share) => (100 * share).toFixed(share && share < 0.001 ? 3 : 1) + " %";
const minutes = (seconds) => seconds < 90 ? Math.round(seconds) + " s" : (seconds / 60).toFixed(1) + " min";

function factsOf(line) {
  const facts = [];
  const add = (name, value) => { if (value) facts.push(node("dt", {textContent: name}), node("dd", {textContent: value})); };
  const lasted = line.end ? (Date.parse(line.end) - Date.parse(line.time)) / 1000 : 0;
  add("Time", line.time.replace("T", " ").replace("Z", " UTC") + (lasted > 0 ? ", " + minutes(lasted) : ""));
  add("Pixels", line.shape && line.shape[1] + " across, " + line.shape[0] + " along" + (line.gsd ? ", " + line.gsd.toFixed(1) + " m" : ""));
  add("Sun", line.sunElevation !== null && line.sunElevation.toFixed(0) + "° high" + (line.sunAzimuth === null ? "" : ", from " + line.sunAzimuth.toFixed(0) + "°"));
  add("View", line.offNadir !== null && line.offNadir.toFixed(1) + "° off nadir on average");
  add("Without place", line.located !== null && percent(1 - line.located) + " of the pixels");
  const nodata = Object.entries(line.nodata || {}).filter(([, share]) => share !== null);
  add("Without data", nodata.map(([name, share]) => percent(share) + " of " + name + " (sampled)").join(", "));
  add("Product", [line.product, line.version && "portal " + line.version, line.bytes && (line.bytes / 1e9).toFixed(2) + " GB"].filter(Boolean).join(", "));
  add("Noted", (line.notes || []).join("; "));
  return node("dl", {}, ...facts);
}

function snippetsOf(line) {
  const store = line.assets[campaign.store], item = line.item;
  const quoted = (href) => JSON.stringify(address(href));
  const gdal = (href) => location.protocol === "file:" ? address(href) : "/vsicurl/" + address(href);
  const snippets = {};
  if (store) {
    snippets.shift_stac = "import shift_stac\n\nds = shift_stac.open_flightline(\n    " + quoted(store) + "\n)";
    snippets.xarray = "import xarray as xr\n\nds = xr.open_zarr(\n    " + quoted(store) + ",\n    consolidated=True,\n)";
  }
  snippets.STAC = "import pystac\n\nitem = pystac.Item.from_file(\n    " + quoted(item) + "\n)";
  if (line.assets.overview) snippets.GDAL = "gdalinfo '" + gdal(line.assets.overview).replaceAll("'", "'\\''") + "'";
  if (store) snippets.GDAL = "gdalmdiminfo 'ZARR:\"" + gdal(store).replaceAll("'", "'\\''") + "\"'" + (snippets.GDAL ? "\n" + snippets.GDAL : "");
  return snippets;
}

function tabsOf(line) {
  const snippets = snippetsOf(line);
  const body = node("div", {className: "snippet", role: "tabpanel", id: "snippet"});
  const show = (name) => {
    body.replaceChildren(node("pre", {textContent: snippets[name]}), copyButton(snippets[name], "the lines for " + name));
    body.setAttribute("aria-label", name);
    for (const tab of tabs) { tab.setAttribute("aria-selected", tab.textContent === name); tab.tabIndex = tab.textContent === name ? 0 : -1; }
  };
  const tabs = Object.keys(snippets).map((name) => button(name, () => show(name), {role: "tab"}));
  for (const tab of tabs) tab.setAttribute("aria-controls", "snippet");
  const list = node("div", {className: "tabs", role: "tablist", ariaLabel: "Programs"}, ...tabs);
  arrowKeys(list, () => tabs, (tab) => show(tab.textContent));
  show(Object.keys(snippets)[0]);
  return [list, body];
}

function linksOf(line) {
  const names = {...campaign.titles, [campaign.store]: "Zarr store"};
  const entries = [["STAC item", line.item], ...Object.entries(line.assets).map(([name, href]) => [names[name] || name, href])];
  return node("ul", {}, ...entries.map(([text, href]) => node("li", {}, node("a", {href: safe(href) || "#", textContent: text}))));
}

function beside(line, step) {
  return shown[shown.indexOf(line) + step];
}

function showLine() {
  const line = asked.chosen, about = el("about");
  about.hidden = !line;
  el("introduction").hidden = Boolean(line);
  mark = null;
  if (!line) { about.replaceChildren(); return; }
  const step = (text, by, label) => {
    const next = beside(line, by);
    // Who goes from line to line by keys stays on the same button.
    return button(text, () => { choose(next); el("about").querySelector(`[title="${label}"]`).focus(); }, {disabled: !next, ariaLabel: label, title: label});
  };
  const heading = node("h2", {}, chip(colourOf(line.date)), line.id);
  about.replaceChildren(
    node("nav", {ariaLabel: "From line to line"}, button("Close", () => { choose(null); canvas.focus(); }), step("‹", -1, "Line before"), step("›", 1, "Next line")),
    heading,
    factsOf(line),
    ...picturesOf(line),
    node("h3", {textContent: "Open it"}),
    ...tabsOf(line),
    node("h3", {textContent: "Files"}),
    linksOf(line),
  );
}

// Where the visitor chose a line, the panel is brought into view, and read out.
function goToLine() {
  if (!asked.chosen) return;
  el("side").scrollTop = 0;
  el("about").focus({preventScroll: true});
  // On a narrow screen, the panel lies below the map.
  if (el("side").scrollHeight === el("side").clientHeight) el("about").scrollIntoView({block: "start"});
  say("Chosen: " + asked.chosen.id);
}

when("choose", showLine);
