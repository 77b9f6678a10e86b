"""The pages of the 3-D viewer: they open from a folder, and say so where a browser cannot show them."""

import base64
import gzip
import json

import numpy as np
import pytest

from helpers.browser import CHROMIUM, dump
from helpers.fake_run import make_run
from helpers.pages import Page
from neurograft.imaging import nifti
from neurograft.report import viewer
from neurograft.report.pages import write_report
from neurograft.report.results import Results

MODULE = """var It = class { draw() {} }, Nv = class extends EventTarget {
  async attachToCanvas(canvas) { return new URL("a.js", import.meta.url); }
};
class App extends Nv {}
//# sourceMappingURL=index.js.map
"""
# the graphics card is computed, so the page is small
SOFTWARE = (
    *("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--window-size=400,400", "--virtual-time-budget=2000"),
)


def volumes(tmp_path):
    """Write the script of a small volume with one overlay."""
    data = np.zeros((12, 12, 12), np.uint8)
    data[3:9, 3:9, 3:9] = 200
    files = [
        base64.b64encode(gzip.compress(nifti.image(each, np.eye(4)).to_bytes())).decode()
        for each in (data, (data > 0).astype(np.uint8))
    ]
    parts = [{"name": "<b>oedema</b>", "colour": "#56B4E9"}]
    shown = {
        "title": "sub-X", "simulated": False, "start": [5, 5, 5], "first": 0,
        "images": [{"name": name, "file": files[0]} for name in ("T1", "FLAIR")],
        "overlays": [{"name": "delivered", "look": "area", "shown": True, "parts": parts, "file": files[1]}],
    }  # fmt: skip
    (tmp_path / "volumes.js").write_text(f"window.subject = {json.dumps(shown)};\n")
    (tmp_path / "empty.js").touch()
    return tmp_path / "volumes.js", tmp_path / "empty.js"


@pytest.fixture
def report(tmp_path):
    """Write a report with a viewer for one subject."""
    run = make_run(patients=3, excluded=0, compared=False)
    some, none = volumes(tmp_path)
    run["volumes"] = {"TCIA000": some, "CBICA001": none}
    write_report(tmp_path / "report", Results(**run))
    return tmp_path / "report"


def test_the_class_that_draws_is_found_in_the_module():
    script = viewer.wrap_module(MODULE, "Copyright */ alert(1)")
    assert "window.Niivue = Nv;" in script and "import.meta" not in script and "sourceMapping" not in script
    assert script.startswith("/*! NiiVue\nCopyright * / alert(1)\n*/\n")


@pytest.mark.parametrize("module", ["", MODULE.replace("attachToCanvas", "other"), 'import a from "b";\n' + MODULE])
def test_another_module_is_refused(module):
    with pytest.raises(viewer.MissingViewerError, match="requirements.lock"):
        viewer.wrap_module(module, "")


def test_niivue_comes_with_its_licence_from_the_installed_package():
    script = viewer.read_niivue()
    assert "Redistribution and use in source and binary forms" in script[:2000] and len(script) < 4e6


def test_a_subject_leads_to_its_viewer_and_back(report):
    page = Page(report / "sub-TCIA000.html")
    assert "viewer/sub-TCIA000.html" in [attrs["href"] for tag, attrs in page.tags if tag == "a"]
    # one click from the list of all subjects too
    index = Page(report / "index.html")
    assert "viewer/sub-TCIA000.html" in [attrs.get("href") for tag, attrs in index.tags if tag == "a"]
    page = Page(report / "viewer/sub-TCIA000.html")
    for tag, attrs in page.tags:
        wanted = attrs.get("src") if tag == "script" else attrs.get("href") if tag == "a" else None
        if wanted:
            assert (report / "viewer" / wanted.split("#")[0]).is_file()
    policy = next(attrs["content"] for tag, attrs in page.tags if "http-equiv" in attrs)
    assert "default-src 'none'" in policy and "unsafe-eval" not in policy and "http" not in policy
    assert (report / "viewer/sub-TCIA000.js").read_text().startswith("window.subject = ")
    assert sorted(path.name for path in (report / "viewer").iterdir()) == [
        *("niivue.js", "sub-TCIA000.html", "sub-TCIA000.js", "viewer.js")
    ]
    assert "In 3-D" not in Page(report / "sub-CBICA001.html").text


def test_without_the_package_the_report_is_whole_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(viewer, "find_spec", lambda name: None)
    run = make_run(patients=3, compared=False)
    run["volumes"] = {"TCIA000": volumes(tmp_path)[0]}
    write_report(tmp_path / "report", Results(**run))
    words = Page(tmp_path / "report/sub-TCIA000.html").plain()
    assert "Not shown: the package jupyterlab_niivue is not installed; install" in words
    assert not (tmp_path / "report/viewer").exists()


@pytest.mark.long
@pytest.mark.ci
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_shows_the_volumes(report, tmp_path):
    shown = dump(report / "viewer/sub-TCIA000.html", tmp_path / "profile", SOFTWARE)
    assert 'id="message" role="status" hidden=""' in shown and '<div id="controls">' in shown
    assert '<option value="1">FLAIR</option>' in shown and "&lt;b&gt;oedema&lt;/b&gt;" in shown


def message_of(report, profile, options):
    """Return what a page says instead of the viewer."""
    shown = dump(report / "viewer/sub-TCIA000.html", profile, options)
    assert 'id="stage" hidden' in shown
    return shown.split('id="message"')[1].split("</p>")[0]


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_without_3d_says_so(report, tmp_path):
    said = message_of(report, tmp_path / "profile", ("--disable-3d-apis",))
    assert "WebGL 2 is missing" in said and "figures" in said


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
@pytest.mark.parametrize(
    ("missing", "words"), [("niivue.js", "niivue.js is missing"), ("sub-TCIA000.js", "did not start")]
)
def test_a_page_without_its_files_says_so(report, tmp_path, missing, words):
    (report / "viewer" / missing).unlink()
    assert words in message_of(report, tmp_path / "profile", SOFTWARE)
