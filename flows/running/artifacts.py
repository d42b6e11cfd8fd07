"""The artifacts of a line in the Prefect UI: its job, its picture, and a link to its item."""

import base64
import io

from PIL import Image
from prefect.artifacts import create_image_artifact, create_link_artifact
from prefect.logging import get_run_logger

from flows.running.prefect_server import REFUSALS
from shift_stac.campaigns import Campaign
from shift_stac.cluster import JobInfo
from shift_stac.flightline import FlightLine
from shift_stac.monitoring.units import format_seconds
from shift_stac.stac.hrefs import Hrefs
from shift_stac.stac.paths import item_path
from shift_stac.store.companions import Companions

_PICTURE_PIXELS = 480


def describe_job(line: str, job: JobInfo) -> str:
    """Describe a job in Markdown: its log, its dashboard and its script."""
    number = f"job {job.number}" if job.number else "job"
    rows = [f"# {number} of {line}", "", f"- name: `{job.name}`"]
    if job.log_path:
        rows.append(f"- log, on a machine that sees the cluster's folders: `{job.log_path}`")
    if job.node:
        rows.append(f"- node: `{job.node}`")
    if job.queue_seconds is not None:
        rows.append(f"- in the queue: {format_seconds(job.queue_seconds)}")
    if job.run_seconds is not None:
        rows.append(f"- on its node: {format_seconds(job.run_seconds)}")
    if job.dashboard:
        rows.append(f"- [Dask dashboard]({job.dashboard}), as long as the job runs")
    if job.script:
        rows += ["", "Its script:", "", "```bash", job.script.strip(), "```"]
    return "\n".join(rows)


def artifact_key(what: str, line: FlightLine | str) -> str:
    """Return a key that Prefect accepts: small letters, digits and dashes."""
    return f"{what}-{line}".lower().replace("_", "-")


def show_line(line: FlightLine, hrefs: Hrefs, campaign: Campaign, companions: Companions) -> None:
    """Show the quicklook of a line, small, and link to its item."""
    # The picture is embedded: the browser may not be able to read the archive's folder or bucket.
    with Image.open(companions.thumbnail) as picture, io.BytesIO() as content:
        picture.thumbnail((_PICTURE_PIXELS, _PICTURE_PIXELS))
        picture.convert("RGB").save(content, "JPEG", quality=80)
        encoded = base64.b64encode(content.getvalue()).decode()
    try:
        create_image_artifact(
            f"data:image/jpeg;base64,{encoded}",
            key=artifact_key("quicklook", line),
            description=f"{line} in true colour",
        )
        create_link_artifact(
            hrefs.absolute(item_path(campaign, line)),
            link_text=f"STAC item of {line}",
            key=artifact_key("item", line),
            description="An archive without a public address has a path or an S3 address.",
        )
    except REFUSALS as error:
        # The line is published even if the server shows no picture of it.
        get_run_logger().warning("%s: the Prefect server refused its picture: %s", line, error)
