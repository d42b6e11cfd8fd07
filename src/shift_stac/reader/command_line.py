"""The command ``shift-stac``: searches, reads and exports an archive."""

import argparse
import math
import sys
import tempfile
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import geopandas
import pandas as pd
from shapely.geometry.base import BaseGeometry

from shift_stac.crs import parse_crs
from shift_stac.errors import MapError, ShiftError
from shift_stac.reader.archive import Archive, open_archive
from shift_stac.reader.geotiff import write_geotiff
from shift_stac.reader.local_paths import file_to_write, local_path, new_path
from shift_stac.reader.mosaic_rule import MosaicRule
from shift_stac.reader.place_files import read_place, read_plots
from shift_stac.reader.places import Places, parse_points, parse_polygons
from shift_stac.reader.polygons import parse_geometry, parse_polygon
from shift_stac.reader.search import parse_box, parse_time
from shift_stac.usage import PlainParser

# The columns of a list of lines as text.
_TOLD = ("id", "datetime", "end_datetime", "gsd", "shift:product", "view:sun_elevation", "store")
_TABLES = (".csv", ".parquet")
_LISTS = (*_TABLES, ".geojson")
# Options of a map, which ENVI files have not.
_OF_MAPS = ("bands", "crs", "resolution")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 0 on success, 1 after an error, 2 for wrong usage."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        _check_together(options)
    except MapError as error:
        options.parser.error(str(error))
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
    _add_place(search, "lines whose footprint intersects it", parse_geometry)
    _add_table(search, _LISTS)

    spectra = _command(commands, "spectra", _spectra, "spectra of points on all lines, as a table")
    _add_plots(spectra, "points", parse_points)
    spectra.add_argument("--wide", action="store_true", help="a column for each band, not a row")

    zonal = _command(commands, "zonal", _zonal, "mean spectra of polygons on all lines, as a table")
    _add_plots(zonal, "polygons", parse_polygons)

    cube = _command(
        commands, "cube", _cube, "one cube (time, wavelength, y, x) of a place, as Zarr"
    )
    _add_place(cube, "the cube's place", parse_polygon)
    _add_grid(cube)
    cube.add_argument(
        "--mosaic",
        choices=[str(rule) for rule in MosaicRule],
        default=str(MosaicRule.NADIR),
        help="line of a day that a cell shows (default: %(default)s)",
    )
    _add_output(cube, "the Zarr store to write; its folder is made", new_path)

    export = _command(
        commands, "export", _export, "write a line, or a part of it, as ENVI files or as a GeoTIFF"
    )
    export.add_argument("line", metavar="LINE", help="the name of a line")
    _add_bbox(export, "only this part of the line")
    _add_grid(export, of="GeoTIFF: ")
    _add_output(
        export,
        "FILE.tif: a map, cloud-optimized; anything else: folder of ENVI files (for ISOFIT ...)",
        _to_export,
    )
    return parser


def _command(
    commands: Any, name: str, run: Callable[[Archive, argparse.Namespace], None], text: str
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[:1].upper()}{text[1:]}."
    )
    command.add_argument(
        "archive", metavar="ARCHIVE", help="the archive's root, or its table items.parquet"
    )
    command.add_argument(
        "--anonymous", action="store_true", help="read the bucket without credentials"
    )
    command.set_defaults(run=run, parser=command)
    return command


def _add_bbox(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument(
        "--bbox", nargs=4, type=float, metavar=("WEST", "SOUTH", "EAST", "NORTH"),
        help=f"box in degrees: {text}",
    )  # fmt: skip


def _add_place(
    command: argparse.ArgumentParser, text: str, parse: Callable[[Any], BaseGeometry]
) -> None:
    def place(name: str) -> BaseGeometry:
        return read_place(Path(name), parse)

    _add_bbox(command, text)
    command.add_argument(
        "--geometry",
        type=_checked(place),
        metavar="FILE",
        help="only inside the polygons of this file (GeoJSON, GPKG, ...)",
    )
    _add_datetime(command)


def _add_datetime(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--datetime", type=_checked(parse_time), metavar="TIME",
        help="UTC: 2022-03, 2022-03-16, or begin/end; .. is open",
    )  # fmt: skip


def _add_values(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--variable", help="default: Reflectance, or Radiance if the line has no Reflectance"
    )
    command.add_argument(
        "--bands", nargs="+", type=_checked(_positive), metavar="NM",
        help="wavelengths in nm; by default all",
    )  # fmt: skip


def _add_grid(command: argparse.ArgumentParser, of: str = "") -> None:
    _add_values(command)
    _add_crs(command, f"{of}such as EPSG:32610; by default the line's UTM zone")
    command.add_argument(
        "--resolution", type=_checked(_positive), help=f"{of}side of a cell in units of the CRS"
    )


def _add_crs(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--crs", type=_checked(parse_crs), help=text)


def _add_plots(command: argparse.ArgumentParser, kind: str, parse: Callable[..., Places]) -> None:
    command.add_argument(
        "plots", metavar="FILE", type=Path,
        help=f"the {kind}: GeoJSON, GPKG, shapefile, GeoParquet"
        + (", or CSV with columns longitude and latitude" if kind == "points" else ""),
    )  # fmt: skip
    command.set_defaults(parse_plots=parse)
    _add_datetime(command)
    _add_values(command)
    _add_crs(command, "CRS of coordinates without one; by default degrees in CSV")
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
            raise MapError(msg)
        return file_to_write(name)

    command.add_argument(
        "-o", "--output", type=_checked(table), metavar="OUTPUT",
        help=f"file ({', '.join(endings)}); by default CSV is printed",
    )  # fmt: skip


def _add_output(
    command: argparse.ArgumentParser, text: str, parse: Callable[[str], Path] = local_path
) -> None:
    command.add_argument(
        "-o", "--output", type=_checked(parse), metavar="OUTPUT", required=True, help=text
    )


def _checked(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Return a parser of one value; the message of its error follows the name of the option."""

    def parsed(text: str) -> Any:
        try:
            return parse(text)
        except MapError as error:
            raise argparse.ArgumentTypeError(str(error)) from error

    return parsed


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        msg = f"{text!r} is not a number above 0"
        raise MapError(msg)
    return number


def _check_together(options: argparse.Namespace) -> None:
    """Check values that depend on each other, and read the plots.

    Raises
    ------
    MapError
        They are wrong, whatever the archive has.
    """
    if getattr(options, "bbox", None) is not None:
        parse_box(options.bbox)
    if "plots" in options:
        options.plots = read_plots(
            options.plots, options.parse_plots, crs=options.crs, ids=options.ids
        )
    if options.run is _export and not _is_geotiff(options.output):
        given = [name for name in _OF_MAPS if getattr(options, name) is not None]
        if given:
            msg = (
                f"{options.output} is a folder of ENVI files, for which --{given[0]} has no effect: "
                "give a FILE.tif"
            )
            raise MapError(msg)


def _is_geotiff(output: Path) -> bool:
    return output.suffix.lower() in (".tif", ".tiff")


def _to_export(name: str) -> Path:
    output = local_path(name)
    return file_to_write(output) if _is_geotiff(output) else output


def _search(archive: Archive, options: argparse.Namespace) -> None:
    found = archive.search(geometry=options.geometry, bbox=options.bbox, datetime=options.datetime)
    output = options.output
    told = found[[name for name in _TOLD if name in found]]
    if output is not None and output.suffix == ".geojson":
        geopandas.GeoDataFrame(told, geometry=found.geometry, crs=found.crs).to_file(output)
    elif output is not None and output.suffix == ".parquet":
        found.to_parquet(output)
    else:
        _write_table(pd.DataFrame(told), output)


def _spectra(archive: Archive, options: argparse.Namespace) -> None:
    table = archive.spectra(options.plots, wide=options.wide, **_of_plots(options))
    _write_table(table, options.output)


def _zonal(archive: Archive, options: argparse.Namespace) -> None:
    _write_table(archive.zonal(options.plots, **_of_plots(options)), options.output)


def _cube(archive: Archive, options: argparse.Namespace) -> None:
    cube = archive.cube(
        geometry=options.geometry,
        bbox=options.bbox,
        datetime=options.datetime,
        variable=options.variable,
        bands=options.bands,
        crs=options.crs,
        resolution=options.resolution,
        mosaic=options.mosaic,
    )
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
    if _is_geotiff(options.output):
        made = line.swath.orthorectify(
            bands=options.bands,
            bbox=options.bbox,
            crs=options.crs,
            resolution=options.resolution,
            variable=options.variable,
        )
        write_geotiff(made, options.output, cog=True)
        return
    part = line if options.bbox is None else line.swath.window(options.bbox)
    for path in part.swath.to_envi(options.output, variable=options.variable):
        sys.stdout.write(f"{path}\n")


def _of_plots(options: argparse.Namespace) -> dict[str, Any]:
    names = ("datetime", "variable", "bands", "crs", "ids")
    return {name: getattr(options, name) for name in names}


def _write_table(table: pd.DataFrame, output: Path | None) -> None:
    if output is None:
        table.to_csv(sys.stdout, index=False)
    elif output.suffix == ".parquet":
        table.to_parquet(output, index=False)
    else:
        table.to_csv(output, index=False)
