"""The forms of the Prefect UI: the choices that they offer, and how they refuse wrong input in words."""

from functools import cache
from pathlib import Path

import pytest
from prefect.utilities.schema_tools.validation import validate

from deployments.deployments import describe
from deployments.offers import is_reached, portal_dates
from flows.settings import ArchiveOptions, ServiceOptions
from shift_stac.cluster import ClusterProfile
from shift_stac.errors import ShiftError

pytestmark = pytest.mark.usefixtures("no_settings")
DATES = ["2022-02-24", "2022-02-28"]


def make_forms():
    described = describe(ServiceOptions(), "pool", Path("/srv/shift"), DATES)
    return {deployment.name: deployment for deployment in described}


forms = cache(make_forms)


def fields_of(deployment):
    schema = deployment._parameter_openapi_schema
    name = schema.properties["options"]["$ref"].rpartition("/")[2]
    return schema.definitions[name]["properties"]


def test_a_form_has_eight_fields_at_most_and_starts_with_those_alone():
    for name, deployment in forms().items():
        fields = fields_of(deployment)
        assert 1 <= len(fields) <= 8, name
        assert set(deployment.parameters["options"]) <= set(fields), name
    assert set(fields_of(forms()["ingest"])) == {
        *("date", "line", "product", "force", "dry_run", "store", "portal_version", "cluster"),
    }
    store = forms()["validate"].parameters["options"]["store"]
    assert store == "/srv/shift/store"


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"date": []}, "at least one date"),
        ({"date": ["2022-02-25"]}, "'2022-02-24', '2022-02-28'"),
        ({"date": DATES, "line": ["ang 2022"]}, "names of letters, digits, - and _ alone"),
        (
            {"date": [DATES[0]], "line": ["ang20220224t195402", "ang20220228t183924"]},
            "'ang20220228t183924' is not one of ['lines of the dates that are chosen']",
        ),
        ({"date": DATES, "line": ["ang20220224t195402", "ang20220228t183924"]}, ""),
        ({"date": DATES}, ""),
    ],
)
def test_a_form_refuses_wrong_input_in_words(told, words):
    ingest = forms()["ingest"]
    options = ingest.parameters["options"] | told
    errors = validate({"options": options}, ingest._parameter_openapi_schema.model_dump())
    said = " ".join(error.message for error in errors)
    assert words in said
    assert bool(said) == bool(words)
    assert "(?" not in said


def test_a_cluster_that_this_machine_does_not_reach_is_not_offered(monkeypatch):
    assert "discover" not in fields_of(forms()["ingest"])["cluster"]["enum"]
    profile = ClusterProfile.model_validate(
        {"name": "mine", "class": "dask_jobqueue.SLURMCluster", "options": {"interface": "lo"}}
    )
    monkeypatch.setenv("PATH", "")
    assert not is_reached(profile)
    assert is_reached(ClusterProfile())


def test_the_dates_of_a_portal_are_those_of_its_versions(tmp_path):
    site = ArchiveOptions(portal=str(tmp_path))
    with pytest.raises(ShiftError):
        portal_dates(site)
    for folder in ("v1/20220228/L1/rdn", "v1/20220224/L1/rdn"):
        (tmp_path / folder).mkdir(parents=True)
    assert portal_dates(site) == DATES


def test_aws_session_says_what_it_will_do(monkeypatch):
    assert "no MFA device is configured" in forms()["aws-session"].description
    monkeypatch.setenv("SHIFT_S3__MFA_SERIAL", "arn:keeper")
    monkeypatch.setenv("SHIFT_SESSION_WAIT_MINUTES", "7")
    told = make_forms()["aws-session"].description
    assert "arn:keeper" in told
    assert "within 7 minutes" in told
