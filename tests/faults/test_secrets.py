"""The secrets of a run are in no file that it leaves behind, whether it succeeds or fails."""

from pathlib import Path

from shift_stac.simulate import simulate_campaign
from support.commands import run_command
from support.s3 import SECRET, serve_s3
from support.webserver import free_port

DATE = "20220224"
PLANTED = {
    "SHIFT_AUTH": "keeper:planted-password",
    "SHIFT_WEBHOOK": "https://hooks.invalid/planted-hook",
    "SHIFT_DATABASE": "postgresql+asyncpg://shift:planted-database@db.invalid/shift",
}
WORDS = (SECRET, "planted-password", "planted-hook", "planted-database")


def test_no_secret_is_left_behind(environment, tmp_path, tried):
    tried("secrets: planted, and searched for in what two runs leave", len(WORDS))
    simulate_campaign(tmp_path / "portal", dates=[DATE], samples=20, scan_lines=20, bands=60)
    home, temporary, work = (tmp_path / name for name in ("home", "tmp", "work"))
    for folder in (home, temporary, work):
        folder.mkdir()
    with serve_s3(tmp_path / "s3") as bucket:
        known = environment | bucket.environment | PLANTED
        known |= {
            "PREFECT_HOME": str(home / "prefect"),
            "HOME": str(home),
            "TMPDIR": str(temporary),
        }
        command = ("flows.ingest", "--date", DATE, "--store", bucket.url)
        command += ("--portal", tmp_path / "portal")
        nowhere = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{free_port()}", "AWS_MAX_ATTEMPTS": "1"}
        said = []
        for more, status in ((nowhere, 1), ({}, 0)):
            done = run_command(*command, cwd=work, env=known | more)
            assert done.returncode == status, done.stderr
            said += [done.stdout, done.stderr]
    left = {path: path.read_bytes() for path in _files(home, temporary, work, tmp_path / "s3")}
    assert any(path.suffix == ".db" for path in left)
    assert [path for path in left if path.match("reports/*.json")]
    for word in WORDS:
        assert not [path for path, content in left.items() if word.encode() in content]
        assert not any(word in text for text in said)


def _files(*folders: Path) -> list[Path]:
    return [path for folder in folders for path in folder.rglob("*") if path.is_file()]
