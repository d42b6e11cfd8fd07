// What the archive's page takes from others: zarrita reads stores, geotiff.js reads overviews.
export {FetchStore, get, open, root} from "zarrita";
export {fromUrl} from "geotiff";
