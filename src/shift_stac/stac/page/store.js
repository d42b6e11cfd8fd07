// Reading the archive: the stores' arrays, by zarrita, which the page carries packed.

// Why a browser cannot read at an address, or nothing.
function whyNot(href) {
  if (leadsTo(href).protocol !== "file:") return "";
  return "Spectra need the archive over http: a browser lets no page read the files beside it in a folder. "
    + "Serve the folder, for example by “python -m http.server” in it, and open the page there.";
}

let unpacked = null;
function reader() {
  unpacked = unpacked || (async () => {
    const packed = Uint8Array.from(atob(el("reader").textContent), (letter) => letter.charCodeAt(0));
    const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    document.head.append(node("script", {textContent: await new Response(stream).text()}));
    return window.ArchiveReader;
  })();
  return unpacked;
}

class Unreachable extends Error {}
async function request(asked) {
  const answer = await fetch(asked).catch((error) => { throw new Unreachable(error.message); });
  // A server that does not know ranges, such as Python's, sends the whole.
  const range = answer.status === 200 && asked.headers.get("range")?.match(/^bytes=(\d+)-(\d+)$/);
  if (range) return new Response((await answer.arrayBuffer()).slice(Number(range[1]), Number(range[2]) + 1), {status: 206});
  // A bucket that may not be listed says "forbidden" of what is not there, such as a chunk without data.
  const isChunk = !asked.url.endsWith("zarr.json");
  return answer.status === 403 && isChunk ? new Response(null, {status: 404}) : answer;
}

const arrays = new Map();

// An array of a line's store, opened once; null where the store has none of this name.
function arrayOf(line, name) {
  const address = leadsTo(line.assets[campaign.store]).href;
  const key = address + "/" + name;
  if (!arrays.has(key)) {
    const opened = (async () => {
      const {FetchStore, open, root} = await reader();
      try {
        return await open.v3(root(new FetchStore(address, {fetch: request})).resolve(name), {kind: "array"});
      } catch (error) {
        if (/not found/i.test(error.name + error.message)) return null;
        throw error;
      }
    })();
    // What failed is tried again.
    opened.catch(() => arrays.delete(key));
    arrays.set(key, opened);
  }
  return arrays.get(key);
}

const wholes = new Map();
async function whole(line, name) {
  const array = await arrayOf(line, name);
  if (!array) return null;
  if (!wholes.has(array)) wholes.set(array, (async () => (await (await reader()).get(array)).data)());
  return wholes.get(array);
}

// The pixel that a cell of the overview shows; null where it shows none, or where the lookup table has
// other cells, as one that is not north-up does. The table counts from 1, negative where it filled in.
async function pixelOf(line, cell) {
  const tables = await Promise.all(["glt/glt_line", "glt/glt_sample"].map((name) => arrayOf(line, name)));
  const [rows, columns] = line.map.shape;
  if (tables.some((table) => !table || table.shape[0] !== rows || table.shape[1] !== columns)) return null;
  const {get} = await reader();
  const [y, x] = await Promise.all(tables.map((table) => get(table, cell)));
  return x && y ? {y: Math.abs(y) - 1, x: Math.abs(x) - 1} : null;
}

const cubesOf = (line) => Object.keys(line.nodata || {}).length ? Object.keys(line.nodata) : ["Reflectance", "Radiance"];

// The spectrum of a pixel, and where it lies. Values are physical, NaN where the store has none.
async function readSpectrum(line, cube, {y, x}) {
  const array = await arrayOf(line, cube);
  if (!array) throw new Error("the store has no " + cube);
  const {get} = await reader();
  const one = async (name) => {
    const where = await arrayOf(line, name);
    return where ? get(where, [y, x]) : null;
  };
  const [stored, wavelengths, good, longitude, latitude] = await Promise.all([
    get(array, [null, y, x]), whole(line, "wavelength"), whole(line, "good_wavelength"), one("longitude"), one("latitude"),
  ]);
  const {scale_factor: scale = 1, add_offset: offset = 0, units, long_name: title} = array.attrs;
  const fill = stored.data instanceof Float32Array ? Math.fround(array.fillValue) : array.fillValue;
  const values = Array.from(stored.data, (value) => value === fill || !Number.isFinite(value) ? NaN : value * scale + offset);
  return {
    values, wavelengths: Array.from(wavelengths), good: good ? Array.from(good, Boolean) : values.map(() => true),
    units: units === "1" ? "" : units || "", title: title || cube,
    place: Number.isFinite(longitude) && Number.isFinite(latitude) ? [longitude, latitude] : null,
  };
}

function inWords(error, href) {
  if (error instanceof Unreachable) {
    const {origin} = leadsTo(href);
    return origin !== location.origin
      ? "The store at " + origin + " cannot be read from here: its server is not reached, or does not let pages of other sites read it (CORS)."
      : "The store cannot be read: its server is not reached.";
  }
  return "The spectrum cannot be read: " + error.message + ".";
}
