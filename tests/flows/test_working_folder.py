"""The files that a line leaves in the working folder, apart from those of other lines."""

from types import SimpleNamespace

from flows.chain.working_folder import drop_leftovers
from shift_stac.campaigns.names import LineNames


def test_the_files_of_a_segment_are_not_those_of_the_line_without_segments(tmp_path):
    names = LineNames(name="AV3{date:YYYYMMDD}t{time:HHMMSS}[_{segment:000}]")
    whole, part = names.read("AV320230926t201618"), names.read("AV320230926t201618_000")
    folder = tmp_path / "downloads/v1/20230926"
    folder.mkdir(parents=True)
    for line in (whole, part):
        (folder / f"{line}_rfl.part").touch()
    context = SimpleNamespace(
        campaign=SimpleNamespace(lines=names),
        work_dir=tmp_path,
        options=SimpleNamespace(keep_downloads=False),
    )
    drop_leftovers(whole, context)
    assert [path.name for path in folder.iterdir()] == [f"{part}_rfl.part"]
