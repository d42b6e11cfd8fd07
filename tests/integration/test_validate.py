"""The validation as its users run it: the command, on a published campaign."""

import json
import re

import pytest

from support.commands import run_command


@pytest.fixture
def validate(tmp_path, environment, prefect_api):
    def run(*arguments):
        done = run_command(
            "flows.validate",
            *arguments,
            cwd=tmp_path,
            env=environment | {"PREFECT_API_URL": prefect_api},
        )
        named = re.search(r"report in (\S+)", done.stderr)
        return done, json.loads((tmp_path / named[1]).read_text()) if named else None

    return run


def test_good_and_bad_stores_are_listed(ingest, validate, campaign, tmp_path):
    run = ingest("--portal", campaign, "--date", "20220224")
    assert run.status == 0, run.errors
    lines = sorted(run.states)
    # The findings from before the publication are in the run's report.
    for row in run.report["outcomes"]:
        checks = {check["name"]: check["passed"] for check in row["validation"]["checks"]}
        assert checks["values"] is checks["chunks"] is checks["geometry"] is True

    done, report = validate("--blocks", 0)
    assert done.returncode == 0, done.stderr
    assert [line["line"] for line in report["lines"]] == lines
    assert "4 good, 0 bad" in done.stdout

    store = tmp_path / "store/aviris/20220224"
    (store / f"{lines[2]}.zarr/Radiance/c/0/0/0").unlink()
    (store / f"{lines[3]}_overview.tif").unlink()
    done, report = validate("--date", "20220224")
    assert done.returncode == 1
    assert "2 good, 2 bad" in done.stdout
    assert re.search(rf"^{lines[2]}\s+bad\s", done.stdout, re.MULTILINE)
    assert re.search(rf"^{lines[2]}: .*chunks: 1 of", done.stdout, re.MULTILINE)
    assert re.search(rf"^{lines[3]}\s+bad\s", done.stdout, re.MULTILINE)
    assert re.search(rf"^{lines[3]}: .*overview:", done.stdout, re.MULTILINE)

    unknown = "ang20220224t000000"
    done, report = validate("--line", lines[0], "--line", unknown)
    assert done.returncode == 1
    assert [line["line"] for line in report["lines"]] == [unknown, lines[0]]
