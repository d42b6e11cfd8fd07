"""The checks before a run."""

import pytest

from deployments import check
from deployments.check import Verdict
from flows.settings import ArchiveOptions
from shift_stac.simulate import simulate_campaign


@pytest.fixture
def settings(tmp_path):
    portal = tmp_path / "portal"
    simulate_campaign(portal, dates=["20220224"], lines=1, samples=10, scan_lines=10, bands=60)
    return ArchiveOptions(
        portal=str(portal), store=str(tmp_path / "archive"), work_dir=tmp_path / "work"
    )


def found(settings) -> dict[str, check.CheckResult]:
    return {finding.subject: finding for finding in check.look(settings, try_job=False)}


def test_missing_folders_are_reported_and_not_made(settings, tmp_path):
    before = set(tmp_path.iterdir())
    findings = found(settings)
    assert {finding.verdict for finding in findings.values()} <= {Verdict.GOOD, Verdict.NOTE}
    for subject in ("working folder", "store"):
        assert findings[subject].verdict is Verdict.NOTE
        assert "does not exist yet" in findings[subject].words
    assert set(tmp_path.iterdir()) == before


def test_the_disk_is_compared_with_the_lines_of_the_cluster_too(settings, tmp_path):
    assert "4 lines at once" in found(settings)["disk"].words
    profile = tmp_path / "mine.toml"
    profile.write_text(
        'class = "dask_jobqueue.SLURMCluster"\nmax_jobs = 10\n'
        '[options]\ncores = 1\nmemory = "1GB"\ninterface = "absent0"\n'
    )
    findings = found(settings.model_copy(update={"cluster": str(profile)}))
    assert "14 lines at once" in findings["disk"].words
    assert "no network interface absent0" in findings["interface"].words


def test_things_that_a_run_cannot_use_are_bad(settings, tmp_path):
    (tmp_path / "empty").mkdir()
    lost = {"portal": str(tmp_path / "empty"), "cluster": "nowhere"}
    findings = found(settings.model_copy(update=lost))
    bad = {name for name, finding in findings.items() if finding.verdict is Verdict.BAD}
    assert bad == {"portal", "cluster"}
    # A terminal that is too narrow for the table repeats the first column before each finding.
    assert [next(iter(finding.row().values())) for finding in findings.values()] == [*findings]
