import pytest

from shift_stac.campaigns import load_campaign
from shift_stac.errors import MissingProductError, PortalError, TransferError
from shift_stac.flightline import FlightLine
from shift_stac.portal.download import Downloader
from shift_stac.portal.http_client import HttpOptions
from shift_stac.portal.portal import campaign_portal, open_portal
from shift_stac.sources import Product, ProductLevel
from support.webserver import faulty_server, free_port

LINE = FlightLine("ang20220224t195402")
LATER = FlightLine("ang20220224t200332")
V1 = load_campaign().portal.version("v1")


def put(root, *names):
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())


@pytest.fixture
def mirror(tmp_path):
    root = tmp_path / "mirror"
    put(
        root,
        "v1/20220224/L1/rdn/ang20220224t195402_rdn_v2aa1_clip",
        "v1/20220224/L1/rdn/ang20220224t195402_rdn_v2aa1_clip.hdr",
        "v1/20220224/L1/igm/ang20220224t195402_igm",
        "v1/20220224/L1/igm/ang20220224t195402_igm.hdr",
        "v1/20220224/L2a/ang20220224t200332_rfl",
        # None of these is a line of that date in v1:
        "v1/20220224/L1/rdn/ang20220224t210144_rdn_v2z4_clip",
        "v1/20220224/L1/rdn/ang20220224t256144_rdn_v2aa1_clip",
        "v1/20220224/L1/rdn/ang20220228t195402_rdn_v2aa1_clip",
        "v1/20220224/L1/rdn/ang20220224t211618_rdn_v2aa1_clip.bak",
        "v1/20220224/L1/rdn/old_ang20220224t211618_rdn_v2aa1_clip",
        "v1/20220230/x",
        "v1/readme",
        "v1/20220301",
    )
    (root / "v1/20220224/L2a/ang20220224t213004_rfl").mkdir()
    return root


def test_a_mirror_lists_dates_and_lines_that_match_a_products_name(mirror):
    with open_portal(str(mirror), V1, "v1", HttpOptions()) as portal:
        assert portal.dates() == ["20220224"]
        assert portal.lines("20220224") == [LINE, LATER]
        assert portal.lines("20220228") == []


def test_matched_and_unmatched_files_are_reported_with_reasons(mirror):
    with open_portal(str(mirror), V1, "v1", HttpOptions()) as portal:
        found = portal.coverage()
    assert found.lines == {"20220224": (LINE, LATER)}
    lacking = {product.product: product.lacking for product in found.products}
    assert lacking[Product.IGM] == lacking[Product.RADIANCE] == (LATER,)
    # This line has only its data file.
    assert lacking[Product.REFLECTANCE] == (LINE, LATER)
    left = {path: group.reason for group in found.leftovers for path in group.examples}
    folder = "v1/20220224/L1/rdn"
    clip = "rdn_v2aa1_clip"
    for path, reason in {
        f"{folder}/ang20220224t210144_rdn_v2z4_clip": f"the file's is not {{line}}_{clip}",
        f"{folder}/ang20220224t211618_{clip}.bak": f"the file's is not {{line}}_{clip}",
        f"{folder}/ang20220224t256144_{clip}": "a date or time that does not exist",
        f"{folder}/ang20220228t195402_{clip}": "of another date than its folder",
        "v1/readme": "only folders",
        "v1/20220224/L2a/ang20220224t213004_rfl/": "a folder",
    }.items():
        assert reason in left[path]
    assert sum(group.count for group in found.leftovers) == 9


def test_files_of_other_endings_and_folders_of_other_names_are_left_over(tmp_path):
    put(tmp_path, "v1/20220224/L2a/ang20220224t200332_rfl.foo", "v1/20220224/L2/x", "v2/x")
    put(tmp_path, "v1/20220224/L2a/a line.img")
    images = V1.model_copy(update={"ending": ".img", "header": "instead"})
    with open_portal(str(tmp_path), images, "v1", HttpOptions()) as portal:
        found = portal.coverage()
    assert found.lines == {}
    assert {group.examples: group.reason for group in found.leftovers} == {
        ("v1/20220224/L2a/ang20220224t200332_rfl.foo",): "ends with neither .img nor .hdr",
        ("v1/20220224/L2/",): "a folder whose name is not L1 or L2a",
        ("v2/",): "a folder whose name is not v1",
        ("v1/20220224/L2a/a line.img",): "no name of letters, digits, '.', '-' and '_'",
    }


def test_files_whose_names_fit_a_folders_are_left_over(tmp_path):
    put(tmp_path, "prm20231110t071521_rdn", "prm20231110t071521_rdn.hdr")
    with campaign_portal(load_campaign("prism"), "v1", HttpOptions(), str(tmp_path)) as portal:
        (left,) = portal.coverage().leftovers
    assert (left.count, left.reason) == (
        2,
        "a file where the campaign file has only folders: LINE_*",
    )


def test_files_are_found_with_size_and_optional_ones_may_be_absent(mirror):
    with open_portal(str(mirror), V1, "v1", HttpOptions()) as portal:
        found = portal.find(LINE, ProductLevel.L1.products)
    assert [product.product for product in found.products] == [Product.RADIANCE, Product.IGM]
    data = found.products[0].data
    assert data.name == "ang20220224t195402_rdn_v2aa1_clip"
    assert data.size == len("v1/20220224/L1/rdn/ang20220224t195402_rdn_v2aa1_clip")
    assert data.last_modified.endswith("GMT")


def test_a_missing_required_product_names_line_and_file(mirror):
    with open_portal(str(mirror), V1, "v1", HttpOptions()) as portal:
        with pytest.raises(
            MissingProductError, match=r"ang20220224t195402.*L2a/ang20220224t195402_rfl"
        ):
            portal.find(LINE, ProductLevel.ALL.products)
        with pytest.raises(MissingProductError, match=r"ang20220224t200332_rfl\.hdr"):
            portal.find(LATER, ProductLevel.L2.products)


@pytest.mark.parametrize("address", ["ftp://portal/pub", "nowhere"])
def test_addresses_of_another_kind_are_refused(address):
    with pytest.raises(PortalError, match=address):
        open_portal(address, V1, "v1", HttpOptions())


def test_a_portal_without_dates_is_reported(tmp_path):
    (tmp_path / "v1/maintenance").mkdir(parents=True)
    with (
        open_portal(str(tmp_path), V1, "v1", HttpOptions()) as portal,
        pytest.raises(PortalError, match=f"{tmp_path} lists no date"),
    ):
        portal.dates()


def test_a_portal_without_the_version_is_reported(tmp_path):
    with (
        open_portal(str(tmp_path), V1, "v1", HttpOptions()) as portal,
        pytest.raises(PortalError, match="v1"),
    ):
        portal.dates()


def test_a_portal_that_cannot_be_reached_is_named():
    url = f"http://127.0.0.1:{free_port()}"
    with (
        open_portal(url, V1, "v1", HttpOptions()) as portal,
        pytest.raises(TransferError, match=url),
    ):
        portal.lines("20220224")


def test_refusals_contain_the_status():
    with faulty_server() as (url, faults), open_portal(url, V1, "v1", HttpOptions()) as portal:
        for status, kind in (("403", PortalError), ("503", TransferError), ("429", TransferError)):
            faults.script = [status]
            with pytest.raises(kind, match=status):
                portal.lines("20220224")


def served(faults, *names):
    """Two files of a line, and an OBS, on a server with scripted answers."""
    header = b"ENVI\nsamples = 4\nlines = 1\nbands = 1\ndata type = 2\ninterleave = bil\n"
    header += b"wavelength = {500}\n"
    for name in names:
        path = f"v1/20220224/L1/{name}"
        faults.files |= {path: bytes(8), f"{path}.hdr": header}


def test_a_portal_whose_top_may_not_be_listed_is_covered(mirror, monkeypatch):
    with open_portal(str(mirror), V1, "v1", HttpOptions()) as portal:
        whole = portal.coverage()
        lists = portal._tree.list

        def refuse_top(path):
            if not path:
                raise PortalError(path)
            return lists(path)

        # Tests may run as root, who may list every folder of a mirror.
        monkeypatch.setattr(portal._tree, "list", refuse_top)
        assert portal.coverage() == whole


RADIANCE = "rdn/ang20220224t195402_rdn_v2aa1_clip"
OBS = "obs/ang20220224t195402_obs"


@pytest.mark.parametrize("tells_size", ["in ranges", "never"])
def test_sizes_are_found_if_head_does_not_give_them(tells_size):
    with faulty_server() as (url, faults), open_portal(url, V1, "v1", HttpOptions()) as portal:
        served(faults, RADIANCE)
        faults.tells_size = tells_size
        (found,) = portal.find(LINE, [Product.RADIANCE]).products
        assert found.data.size == 8
        assert found.header.size == len(faults.files[f"v1/20220224/L1/{RADIANCE}.hdr"])
        faults.files[f"v1/20220224/L1/{RADIANCE}.hdr"] = b"<html>not here</html>"
        if tells_size == "never":
            with pytest.raises(
                PortalError, match="neither the server nor the header gives its size"
            ):
                portal.find(LINE, [Product.RADIANCE])


@pytest.mark.parametrize("method", ["HEAD", "GET"])
@pytest.mark.parametrize("ending", ["", ".hdr"])
@pytest.mark.parametrize("status", [403, 404])
def test_an_optional_product_that_is_refused_is_left_out_and_noted(
    tmp_path, method, ending, status
):
    with faulty_server() as (url, faults), open_portal(url, V1, "v1", HttpOptions()) as portal:
        served(faults, RADIANCE, OBS)
        faults.refused = {(method, f"v1/20220224/L1/{OBS}{ending}"): status}
        with Downloader(check=lambda _: None) as downloader:
            found = portal.find(LINE, [Product.RADIANCE, Product.OBS])
            come = downloader.download(found, tmp_path)
        assert [pair.product for pair in come.products] == [Product.RADIANCE]
        (note,) = come.notes
        assert "observation geometry (OBS)" in note
        faults.refused = {(method, f"v1/20220224/L1/{RADIANCE}{ending}"): status}
        with pytest.raises((PortalError, TransferError)), Downloader() as downloader:
            downloader.download(portal.find(LINE, [Product.RADIANCE]), tmp_path / "other")
