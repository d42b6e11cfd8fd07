// The beginning: what the address asks for is shown, and the address keeps what is shown.

function readAddress() {
  const hash = decodeURIComponent(location.hash.slice(1));
  const told = new URLSearchParams(hash.includes("=") ? location.hash.slice(1) : {line: hash});
  const day = (name, otherwise) => days.find((date) => date === told.get(name)) || otherwise;
  el("find").value = told.get("find") || "";
  asked.chosen = lineOf.get(told.get("line")) || null;
  filter({find: el("find").value, from: day("from", days[0]), to: day("to", days[days.length - 1])});
  tell("choose");
  const [latitude, longitude, level] = (told.get("map") || "").split(",").map(Number);
  if (level > 0 && Math.abs(latitude) < 90 && Number.isFinite(longitude)) look({x: longitude, y: toY(latitude), scale: 2 ** level});
  else look(around(asked.chosen ? [asked.chosen] : shown));
}

let written = 0;
function keepAddress() {
  clearTimeout(written);
  written = setTimeout(() => {
    const parts = [];
    if (asked.chosen) parts.push("line=" + encodeURIComponent(asked.chosen.id));
    if (asked.from !== days[0] || asked.to !== days[days.length - 1]) parts.push("from=" + asked.from, "to=" + asked.to);
    if (asked.find) parts.push("find=" + encodeURIComponent(asked.find));
    parts.push("map=" + [toLatitude(view.y).toFixed(5), view.x.toFixed(5), Math.log2(view.scale).toFixed(2)].join(","));
    history.replaceState(null, "", "#" + parts.join("&"));
  }, 200);
}

const doi = el("cite").dataset.doi;
if (doi) el("cite").append(" ", node("a", {href: "https://doi.org/" + doi, textContent: "doi:" + doi}));
addEventListener("hashchange", readAddress);
let begun = false;
when("size", () => {
  if (begun) return;
  begun = true;
  readAddress();
  for (const what of ["look", "filter", "choose"]) when(what, keepAddress);
});
