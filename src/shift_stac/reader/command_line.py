"""The command ``shift-stac``: searches, reads and exports an archive."""

import argparse
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd

from shift_stac.errors import MapError, ShiftError
from shift_stac.reader.archive import Archive, open_archive
from shift_stac.reader.geotiff import write_geotiff
from shift_stac.reader.local_paths import file_to_write
from shift_stac.reader.mosaic_rule import MosaicRule
from shift_stac.usage import PlainParser

# The columns of a list of lines as text.
_TOLD = ("id", "datetime", "end_datetime", "gsd", "shift:product", "view:sun_elevation", "store")
_TABLES = (".csv", ".parquet")
_LISTS = (*_TABLES, ".geojson")
_GEOTIFFS = (".tif", ".tiff")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 on success, 1 after an error, 2 for wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        # The web and folders need no credentials.
        anonymous = options.anonymous and options.archive.startswith("s3://")
        archive = open_archive(
            options.archive, storage_options={"anon": True} if anonymous else None
        )
        options.run(archive, options)
    except BrokenPipeError:
        # The reader of the pipe has closed it; the rest of the output is dropped.
        sys.stdout = None
    except (ShiftError, OSError) as error:
        sys.stderr.write(f"shift-stac: {error}\n")
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = PlainParser(
        prog="shift-stac",
        description="Search, read and export an archive of flight lines: a folder, s3:// or https://.",
        epilog="shift-stac COMMAND --help explains the options of a command.",
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    search = _command(commands, "search", _search, "list lines by place and time")
    _add_place(search, "lines whose footprint intersects it")
    _add_table(search, _LISTS)

    spectra = _command(commands, "spectra", _spectra, "spectra of points on all lines, as a table")
    _add_plots(spectra, "points")
    spectra.add_argument("--wide", action="store_true", help="a column for each band, not a row")

    zonal = _command(commands, "zonal", _zonal, "mean spectra of polygons on all lines, as a table")
    _add_plots(zonal, "polygons")

    cube = _command(
        commands, "cube", _cube, "one cube (time, wavelength, y, x) of a place, as Zarr"
    )
    _add_place(cube, "the cube's place")
    _add_grid(cube)
    cube.add_argument(
        "--mosaic",
        choices=[str(rule) for rule in MosaicRule],
        default=str(MosaicRule.NADIR),
        help="line of a day that a cell shows (default: %(default)s)",
    )
    _add_output(cube, "the Zarr store to write; its folder is made")

    export = _command(
        commands, "export", _export, "a line, or a window of it, as ENVI files or as a GeoTIFF"
    )
    export.add_argument("line", metavar="LINE", help="the name of a line")
    _add_bbox(export, "only this part of the line")
    _add_grid(export, of="GeoTIFF: ")
    _add_output(
        export,
        "FILE.tif: a map, cloud-optimized; anything else: folder of ENVI files (for ISOFIT ...)",
    )
    return parser


def _command(
    commands: Any, name: str, run: Callable[[Archive, argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(name, help=text, description=f"{text}.")
    command.add_argument(
        "archive", metavar="ARCHIVE", help="the archive's root, or its table items.parquet"
    )
    command.add_argument(
        "--anonymous", action="store_true", help="read the bucket without credentials"
    )
    command.set_defaults(run=run)
    return command


def _add_bbox(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        "--bbox", nargs=4, type=float, metavar=("WEST", "SOUTH", "EAST", "NORTH"),
        help=f"box in degrees: {text}",
    )  # fmt: skip


def _add_place(command: argparse.ArgumentParser, text: str) -> None:
    _add_bbox(command, text)
    command.add_argument(
        "--geometry",
        type=Path,
        metavar="FILE",
        help="only inside the polygons of this file (GeoJSON, GPKG, ...)",
    )
    _add_datetime(command)


def _add_datetime(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--datetime", metavar="TIME", help="UTC: 2022-03, 2022-03-16, or begin/end; .. is open"
    )


def _add_values(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--variable", help="default: Reflectance, or Radiance if the line has no Reflectance"
    )
    command.add_argument(
        "--bands", nargs="+", type=float, metavar="NM", help="wavelengths in nm; by default all"
    )


def _add_grid(command: argparse.ArgumentParser, of: str = "") -> None:
    _add_values(command)
    command.add_argument("--crs", help=f"{of}such as EPSG:32610; by default the line's UTM zone")
    command.add_argument("--resolution", type=float, help=f"{of}side of a cell in units of the CRS")


def _add_plots(command: argparse.ArgumentParser, kind: str) -> None:
    command.add_argument(
        "plots", metavar="FILE", type=Path,
        help=f"the {kind}: GeoJSON, GPKG, shapefile, GeoParquet"
        + (", or CSV with columns longitude and latitude" if kind == "points" else ""),
    )  # fmt: skip
    _add_datetime(command)
    _add_values(command)
    command.add_argument("--crs", help="CRS of coordinates without one; by default degrees in CSV")
    command.add_argument(
        "--ids",
        metavar="COLUMN",
        help="column with the names of the places; by default id, or the row's number",
    )
    _add_table(command, _TABLES)


def _add_table(command: argparse.ArgumentParser, endings: tuple[str, ...]) -> None:
    def table(name: str) -> Path:
        if not name.endswith(endings):
            msg = f"{name} does not end with one of {', '.join(endings)}, which give its format"
            raise argparse.ArgumentTypeError(msg)
        try:
            return file_to_write(name)
        except MapError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    command.add_argument(
        "-o", "--output", type=table, metavar="OUTPUT",
        help=f"file ({', '.join(endings)}); by default CSV is printed",
    )  # fmt: skip


def _add_output(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("-o", "--output", type=Path, metavar="OUTPUT", required=True, help=text)


def _search(archive: Archive, options: argparse.Namespace) -> None:
    found = archive.search(
        geometry=_geometry(options.geometry), bbox=options.bbox, datetime=options.datetime
    )
    output = options.output
    told = found[[name for name in _TOLD if name in found]]
    if output is not None and output.suffix == ".geojson":
        geopandas.GeoDataFrame(told, geometry=found.geometry, crs=found.crs).to_file(output)
    elif output is not None and output.suffix == ".parquet":
        found.to_parquet(output)
    else:
        _write_table(pd.DataFrame(told), output)


def _spectra(archive: Archive, options: argparse.Namespace) -> None:
    table = archive.spectra(_plots(options.plots), wide=options.wide, **_of_plots(options))
    _write_table(table, options.output)


def _zonal(archive: Archive, options: argparse.Namespace) -> None:
    _write_table(archive.zonal(_plots(options.plots), **_of_plots(options)), options.output)


def _cube(archive: Archive, options: argparse.Namespace) -> None:
    cube = archive.cube(
        geometry=_geometry(options.geometry),
        bbox=options.bbox,
        datetime=options.datetime,
        variable=options.variable,
        bands=options.bands,
        crs=options.crs,
        resolution=options.resolution,
        mosaic=options.mosaic,
    )
    if options.output.exists():
        msg = f"{options.output} already exists: remove it, or choose another name"
        raise FileExistsError(msg)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=options.output.parent, prefix=".cube-") as folder:
        with warnings.catch_warnings():
            # https cannot list: a reader over it needs consolidated metadata.
            warnings.filterwarnings("ignore", message="Consolidated metadata is currently not part")
            cube.to_zarr(Path(folder) / "cube.zarr")
        # A store under its final name is complete.
        (Path(folder) / "cube.zarr").rename(options.output)


def _export(archive: Archive, options: argparse.Namespace) -> None:
    line = archive.open(options.line)
    if options.output.suffix.lower() in _GEOTIFFS:
        made = line.swath.orthorectify(
            bands=options.bands,
            bbox=options.bbox,
            crs=options.crs,
            resolution=options.resolution,
            variable=options.variable,
        )
        write_geotiff(made, options.output, cog=True)
        return
    unused = [name for name in ("bands", "crs", "resolution") if getattr(options, name) is not None]
    if unused:
        msg = (
            f"{options.output} is a folder of ENVI files, for which --{unused[0]} has no effect: "
            "give a FILE.tif"
        )
        raise MapError(msg)
    part = line if options.bbox is None else line.swath.window(options.bbox)
    for path in part.swath.to_envi(options.output, variable=options.variable):
        sys.stdout.write(f"{path}\n")


def _of_plots(options: argparse.Namespace) -> dict[str, Any]:
    names = ("datetime", "variable", "bands", "crs", "ids")
    return {name: getattr(options, name) for name in names}


def _plots(path: Path) -> pd.DataFrame:
    """Read a file of plots as a table."""
    if not path.is_file():
        msg = f"there is no file {path}"
        raise FileNotFoundError(msg)
    try:
        if path.suffix.lower() == ".csv":
            return pd.read_csv(path)
        if path.suffix.lower() in (".parquet", ".geoparquet"):
            return geopandas.read_parquet(path)
        return geopandas.read_file(path)
    except (RuntimeError, ValueError) as error:
        msg = f"{path} cannot be read as plots ({type(error).__name__}: {error})"
        raise MapError(msg) from error


def _geometry(path: Path | None) -> Any:
    return None if path is None else _plots(path)


def _write_table(table: pd.DataFrame, output: Path | None) -> None:
    if output is None:
        table.to_csv(sys.stdout, index=False)
    elif output.suffix == ".parquet":
        table.to_parquet(output, index=False)
    else:
        table.to_csv(output, index=False)
