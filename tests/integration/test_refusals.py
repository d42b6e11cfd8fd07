"""What is wrong with the store, the product or the version ends a run before anything is downloaded.

The dry run says the same as the run.
"""

import re

import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.simulate import simulate_campaign
from support.s3 import serve_s3

DATE = "20220224"


@pytest.mark.parametrize(
    ("campaign", "arguments", "words"),
    [
        ("shift", ("--store", "s3://absent/prefix"), "create the bucket absent"),
        ("shift", ("--store", "s3://archive/a//b"), "s3://archive/a//b"),
        ("shift", ("--portal-version", "v9"), "no portal version 'v9'"),
        ("aviris-classic", ("--product", "L1"), "no radiance"),
        ("shift", ("--leave-out", "igm"), "igm"),
    ],
    ids=["bucket", "two slashes", "version", "product", "needed"],
)
def test_run_and_dry_run_refuse_with_the_same_sentence_before_a_download(
    run_command, tmp_path, campaign, arguments, words
):
    ((line,),) = simulate_campaign(
        tmp_path / "portal",
        campaign=load_campaign(campaign),
        dates=[DATE],
        samples=4,
        scan_lines=4,
        bands=None if campaign == "aviris-classic" else 5,
    ).values()
    asked = ("--campaign", campaign, "--portal", "portal", "--work-dir", "work", *arguments)
    with serve_s3(tmp_path / "s3") as bucket:
        sentences = []
        for mode in ((), ("--dry-run",)):
            done = run_command("flows.ingest", "--date", DATE, *asked, *mode, **bucket.environment)
            assert done.status == 2, done.errors
            assert "Traceback" not in done.errors
            sentences += re.findall(r"^error: (.*)$", done.errors, re.MULTILINE)
    assert len(sentences) == 2
    assert sentences[0] == sentences[1]
    assert words in sentences[0]
    assert not list((tmp_path / "work").rglob(f"*{line}*"))
    assert not list((tmp_path / "s3").rglob("*.json"))
