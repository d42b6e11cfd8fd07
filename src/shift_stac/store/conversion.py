"""Conversion of one flight line's ENVI files into one Zarr store."""

import shutil
import warnings
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr
from numpy.typing import NDArray
from pyproj import CRS
from zarr.storage import LocalStore

from shift_stac.campaigns import Campaign
from shift_stac.envi.image import give_back
from shift_stac.envi.line_headers import scale_note
from shift_stac.errors import EnviError, WorkFolderError
from shift_stac.flightline import UNTIMED
from shift_stac.rows import row_blocks
from shift_stac.sources import Product, SourceLine
from shift_stac.store.bad_bands import BadBands
from shift_stac.store.checksums import write_manifest
from shift_stac.store.codecs import FUSED_PIPELINE
from shift_stac.store.companions import Companions
from shift_stac.store.conversion_options import ConversionOptions, Progress, fingerprint
from shift_stac.store.glt_writing import write_map_group
from shift_stac.store.non_finite import NonFinite
from shift_stac.store.store_format import CUBE_NAMES, ROOT_METADATA, SPECTRAL_DIM, STORE_FORMAT
from shift_stac.store.summary import StoreSummary, VariableSummary, summary_path, told_span
from shift_stac.store.summed_store import SummedStore
from shift_stac.store.template import StoreText, bad_bands_comment, store_template
from shift_stac.swath.geolocation import summarize_geolocation, to_lonlat
from shift_stac.swath.igm_values import mask_igm
from shift_stac.swath.line_files import LineFiles, open_line
from shift_stac.swath.observation import ObservationLayers
from shift_stac.swath.observation_summary import summarize_observation
from shift_stac.swath.source_cube import SourceCube
from shift_stac.swath.spectral import SpectralAxis

# Readers over https cannot list a store, so they need consolidated metadata; zarr warns that version
# 3 of the format does not specify them.
warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part in the Zarr")


def convert_line(
    sources: SourceLine,
    store: Path,
    campaign: Campaign,
    options: ConversionOptions | None = None,
    progress: Progress | None = None,
    open_files: Callable[[SourceLine], LineFiles] = open_line,
) -> StoreSummary:
    """Write the Zarr store of a flight line.

    Blocks of scan lines are copied from the mapped files to whole chunks; memory does not grow with
    the line. Radiance and Reflectance keep their bits and their data type. The store gets its name
    when it is complete; until then it is written to ``<store>.part``, without the metadata needed
    to open it. Remains of a killed run there are removed.

    Parameters
    ----------
    sources
        The line's verified files.
    store
        Path of the store; replaced if it exists. Its manifest and its summary are written beside
        it.
    campaign
        Gives the texts, the default CRS and the good wavelength windows.
    options
        Level, chunks and threads.
    progress
        Called from this thread after each block.
    open_files
        Opens the line's files; by default as ENVI rasters.

    Raises
    ------
    EnviError
        A file is unreadable, or the line's files contradict each other.
    GeolocationError
        No pixel of the line can be located.
    WorkFolderError
        The store cannot be written, for example because the disk is full.
    """
    options = options or ConversionOptions()
    files = open_files(sources)
    cubes = {product: files.cube(product) for product in options.level.cubes}
    first = next(iter(cubes.values()))
    lines, bands, samples = first.data.shape
    axis = files.axis(options.level.cubes, campaign.spectral)
    for product in cubes:
        files.check_cube(product, campaign.spectral)
    igm = files.places(campaign.portal.version(sources.portal_version).crs)
    layers, notes = _observation(files, sources)
    crs = igm.crs
    chunks = options.chunks.clipped(samples=samples, lines=lines, bands=bands)
    observation = None if layers is None else summarize_observation(layers, sources.line)
    if observation is None and not sources.line.has_time:
        notes = (*notes, UNTIMED)
    template, encoding = store_template(
        sources.line,
        cubes,
        axis,
        crs,
        chunks,
        sharded=options.sharded,
        observation=layers,
        span=told_span(sources.line, observation),
        text=StoreText.of_campaign(campaign),
    )

    part = store.with_name(store.name + ".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    for unfinished in (part, store):
        shutil.rmtree(unfinished, ignore_errors=True)
    manifest = Companions.beside(store).manifest
    for described in (manifest, summary_path(store)):
        described.unlink(missing_ok=True)
    summed = SummedStore(part)
    # The setting belongs to the process; conversions at the same time share it, and need the same.
    with zarr.config.set(_engine_settings(options.threads)):
        try:
            # Not as a path, which Zarr reads as a URL, in which # and ? have a meaning.
            template.to_zarr(
                LocalStore(part),
                mode="w",
                zarr_format=3,
                encoding=encoding,
                consolidated=False,
                compute=False,
            )
            # A store does not open without this file: it is missing until the last chunk is
            # written.
            metadata = part / ROOT_METADATA
            withheld = metadata.rename(part / f"{ROOT_METADATA}.withheld")
            finite_share, unusual = _write_arrays(
                summed, cubes, axis, igm.data, crs, layers=layers, progress=progress
            )
            table = write_map_group(part, sources.get(Product.GLT), igm)
            if table.note is not None:
                table = table.model_copy(update={"note": _bare(table.note, sources)})
            withheld.rename(metadata)
            # Readers over https find the group's arrays through the root.
            zarr.consolidate_metadata(part)
            write_manifest(part, manifest, name=store.name, known=summed.checksums)
        except OSError as error:
            msg = f"{part} cannot be written: {error}; make room, or choose another folder"
            raise WorkFolderError(msg) from error
    geolocation = summarize_geolocation(igm.data, crs, name=igm.name, finite_share=finite_share)
    summary = StoreSummary(
        line=sources.line,
        portal_version=sources.portal_version,
        level=options.level,
        store_format=STORE_FORMAT,
        fingerprint=fingerprint(sources, options),
        chunks=options.chunks,
        sharded=options.sharded,
        shape={SPECTRAL_DIM: bands, "y": lines, "x": samples},
        wavelengths=axis.wavelengths,
        fwhm=axis.fwhm,
        good_bands=axis.good,
        variables=_describe(template, encoding),
        geolocation=geolocation,
        map=table,
        observation=observation,
        notes=(*notes, *igm.notes, *_scale_notes(cubes), *unusual),
        size_bytes=sum(file.stat().st_size for file in _files(part)),
        object_count=sum(1 for _ in _files(part)),
        software={name: version(name) for name in ("shift-stac", "zarr", "xarray", "numpy")},
    )
    summary_path(store).write_text(summary.model_dump_json(indent=1), encoding="utf-8")
    part.rename(store)
    return summary


def _scale_notes(cubes: Mapping[Product, SourceCube]) -> tuple[str, ...]:
    found = (scale_note(product, cube) for product, cube in cubes.items())
    return tuple(note for note in found if note)


def _engine_settings(threads: int | None) -> dict[str, Any]:
    settings: dict[str, Any] = {
        # Compresses and writes in a pool of threads, without a coroutine for each chunk.
        "codec_pipeline.path": FUSED_PIPELINE,
        # Chunks of fill values are written too, so that a missing object is an error.
        "array.write_empty_chunks": True,
    }
    if threads is not None:
        settings["codec_pipeline.max_workers"] = threads
    return settings


def _observation(
    files: LineFiles, sources: SourceLine
) -> tuple[ObservationLayers | None, tuple[str, ...]]:
    """Return the line's OBS, and the notes with the reason if an optional OBS is left out."""
    try:
        return files.observation(), sources.notes
    except EnviError as error:
        pair = sources.get(Product.OBS)
        if pair is None or not pair.is_optional:
            raise
        note = f"the {Product.OBS.called} was left out: {_bare(str(error), sources)}"
        return None, (*sources.notes, note)


def _bare(text: str, sources: SourceLine) -> str:
    """Return a text without the folders of the line's files, which differ between machines."""
    for folder in {file.path.parent for file in sources.files}:
        text = text.replace(f"{folder}/", "")
    return text


def _write_arrays(
    store: SummedStore,
    cubes: Mapping[Product, SourceCube],
    axis: SpectralAxis,
    igm: NDArray[Any],
    crs: CRS,
    *,
    layers: ObservationLayers | None,
    progress: Progress | None,
) -> tuple[float, tuple[str, ...]]:
    """Fill the template's arrays, one block of whole chunk rows after another.

    Returns the share of pixels that have a location, and notes on values of the cubes that are not
    numbers. What the bad bands of a reflectance hold is known only then, and becomes its comment.
    """
    lines, _, samples = igm.shape
    arrays = {
        path.parent.name: zarr.open_array(store, path=path.parent.name, mode="r+")
        for path in store.root.glob(f"*/{ROOT_METADATA}")
    }
    row_chunks = {product: arrays[CUBE_NAMES[product]].chunks[1] for product in cubes}
    geometry_rows = arrays["longitude"].chunks[0]
    steps = sum(len(list(row_blocks(lines, n))) for n in (*row_chunks.values(), geometry_rows))
    done = count(1)

    def step() -> None:
        if progress is not None:
            progress(next(done), steps)

    notes: list[str] = []
    for product, cube in cubes.items():
        notes += _write_cube(arrays[CUBE_NAMES[product]], product, cube, axis, step)
    located = 0
    for rows in row_blocks(lines, geometry_rows):
        location = _locate(igm[rows], crs)
        located += int(np.isfinite(location["longitude"]).sum())
        for name, values in location.items():
            arrays[name][rows, :] = values
        if layers is not None:
            for layer in layers.layers:
                arrays[layer.name][rows, :] = layers.read(layer.name, rows).astype(layer.dtype)
        step()
    return float(located / (lines * samples)), tuple(notes)


def _write_cube(
    array: zarr.Array[Any],
    product: Product,
    cube: SourceCube,
    axis: SpectralAxis,
    step: Callable[[], None],
) -> list[str]:
    """Fill the array of a cube; return notes on values that are not numbers."""
    numbers = NonFinite(cube)
    bad = BadBands(cube, axis) if product is Product.REFLECTANCE else None
    for rows in row_blocks(cube.data.shape[0], array.chunks[1]):
        # A view: each chunk is copied out of the map by the thread that compresses it.
        array[:, rows, :] = cube.data[rows].transpose(1, 0, 2)
        numbers.add(cube.data[rows])
        if bad is not None:
            bad.add(cube.data[rows])
        give_back(cube.data)
        step()
    if bad is not None and bad.value is not None:
        array.attrs["comment"] = bad_bands_comment(bad.value, str(array.attrs["comment"]))
    return list(numbers.notes(product))


def _describe(
    template: xr.Dataset, encoding: Mapping[str, Mapping[str, Any]]
) -> tuple[VariableSummary, ...]:
    return tuple(
        VariableSummary(
            name=str(name),
            dims=tuple(str(dim) for dim in variable.dims),
            dtype=str(variable.dtype),
            units=variable.attrs["units"],
            long_name=variable.attrs["long_name"],
            nodata=encoding[str(name)].get("fill_value"),
            scale_factor=variable.attrs.get("scale_factor", 1.0),
            add_offset=variable.attrs.get("add_offset", 0.0),
        )
        for name, variable in template.variables.items()
        if name in encoding
    )


def _files(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file())


def _locate(block: NDArray[Any], crs: CRS) -> dict[str, NDArray[np.float64]]:
    easting, northing, elevation = mask_igm(block)
    longitude, latitude = to_lonlat(easting, northing, crs)
    return {
        "Easting": easting,
        "Northing": northing,
        "Elevation": elevation,
        "longitude": longitude,
        "latitude": latitude,
    }
