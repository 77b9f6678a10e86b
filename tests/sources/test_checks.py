"""Sources that an experiment names: what they can do, and whether their licences allow what is wanted."""

from pathlib import Path

import pytest

from neurograft.core import config
from neurograft.sources import checks
from neurograft.sources.table import read_sources


def table(**changes):
    """Two sources of slices and one of volumes."""
    rows = {"photos": {"dimensions": "2", "licence": "MIT"}, "heads": {"dimensions": "3", "licence": "MIT"}}
    rows["mine"] = {"dimensions": "2", "licence": "Apache-2.0"} | changes
    return rows


@pytest.mark.parametrize("publish", [False, True])
def test_a_source_of_volumes_segments_and_does_not_classify(publish):
    both = {"sources": ["photos", "heads"], "also": []}
    checks.check_sources({"segmentation": both}, table(), publish)
    with pytest.raises(config.SettingsError, match="is a 3-D source; .*choose from photos, mine$") as caught:
        checks.check_sources({"classification": both}, table(), publish)
    assert "experiment.classification.sources names 'heads'" in str(caught.value)


@pytest.mark.parametrize(
    ("licence", "says"),
    [
        ("CC-BY-ND-4.0", "derived"),
        ("CC-BY-NC-ND-4.0", "derived"),
        ("Creative Commons, no derivatives", "derived"),
        ("CC-BY-NC-SA-4.0", "commercial"),
        ("cc by-nc 4.0", "commercial"),
        ("non-commercial use", "commercial"),
        ("for research only", "beyond research"),
        ("not stated in the authors' repository", "nothing permits sharing"),
    ],
)
def test_a_licence_that_forbids_sharing_bars_publishing_only(licence, says):
    asked = {"segmentation": {"sources": ["photos", "mine"], "also": []}}
    checks.check_sources(asked, table(licence=licence), publish=False)
    with pytest.raises(config.SettingsError, match=says) as caught:
        checks.check_sources(asked, table(licence=licence), publish=True)
    assert f"'mine', whose licence {licence}" in str(caught.value) and "\n" not in str(caught.value)


def test_a_source_made_from_another_inherits_what_its_licence_forbids():
    made = {"dimensions": "2", "licence": "mine", "location": "rule:masked/mine", "sha256": "made-here"}
    rows = table(name="mine", licence="CC-BY-NC-4.0") | {"made": made}
    checks.check_sources({"segmentation": {"sources": ["made"]}}, rows, publish=False)
    with pytest.raises(config.SettingsError, match="names 'made', made from mine, whose licence CC-BY-NC-4.0"):
        checks.check_sources({"segmentation": {"sources": ["made"]}}, rows, publish=True)


@pytest.mark.parametrize("licence", ["Apache-2.0", "MIT", "BSD-3-Clause", "CC-BY-4.0", "CC0-1.0", "NCSA", "Android"])
def test_a_free_licence_may_be_published(licence):
    asked = {"segmentation": {"sources": ["mine"], "also": []}}
    checks.check_sources(asked, table(licence=licence), publish=True)


def test_sources_to_be_ranked_are_in_the_table():
    checks.check_recommended(["photos", "heads"], table())
    with pytest.raises(config.SettingsError, match="names 'fotos'; sources.tsv has: photos, heads, mine"):
        checks.check_recommended(["fotos"], table())


def test_of_the_sources_of_brain_scans_the_one_without_a_licence_is_not_published():
    rows = read_sources(Path(__file__).parents[2] / "config/sources.tsv")
    for name in ("openmind-mae", "brainsegfounder", "brain-id", "amaes-unet-b"):
        asked = {"segmentation": {"sources": [name]}}
        checks.check_sources(asked, rows, publish=False)
        if name != "amaes-unet-b":
            checks.check_sources(asked, rows, publish=True)
    with pytest.raises(config.SettingsError, match="'amaes-unet-b', whose licence not stated"):
        checks.check_sources(asked, rows, publish=True)
