"""A module is one unit of rerun: what changes for another reason than a step's result does not rerun the step."""

import shutil
from pathlib import Path

import pytest

from neurograft.execution import code_digest

SCRIPTS = Path(__file__).parents[2] / "scripts"
# the steps that take long, and that no change of words or of a table may run again
LONG = ("strip_skull", "register_scans", "normalize_intensity", "train_network", "pretrain_masked")


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """A copy of the scripts and the library, what was read of it, and each script's digest."""
    folder = tmp_path_factory.mktemp("copy") / "scripts"
    shutil.copytree(SCRIPTS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(code_digest, "PACKAGE", folder / "neurograft")
        seen = {}
        yield folder, seen, digest_all(folder, seen)


def digest_all(folder, seen):
    """Digest every script; `seen` keeps what was read of modules that did not change."""
    return {path.stem: code_digest.code_digest(path, seen) for path in folder.glob("*.py")}


@pytest.fixture
def change(copied):
    """A function that replaces a piece of a module, and gives the names of the scripts that would run again."""
    folder, seen, digests = copied
    changed = {}

    def replace(module, before, after):
        path = folder / "neurograft" / module
        changed[path] = path.read_text(encoding="utf-8")
        assert before in changed[path]
        path.write_text(changed[path].replace(before, after), encoding="utf-8")
        return {name for name, digest in digest_all(folder, seen).items() if digest != digests[name]}

    yield replace
    for path, text in changed.items():
        path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize(
    ("module", "before", "after"),
    [
        ("core/config.py", "choose one of: ", "it takes one of: "),
        ("core/design.py", "is a method of segmentation; leave it out here", "segments; leave it out here"),
        ("preprocessing/quality_table.py", '"signal_to_noise"', '"signal_over_noise"'),
        ("report/sentences.py", ' more"', ' others"'),
        ("evaluation/metrics.py", "masks of different shapes", "masks of unlike shapes"),
    ],
)
def test_words_and_tables_rerun_no_long_step(change, module, before, after):
    assert change(module, before, after).isdisjoint(LONG)


@pytest.mark.parametrize(
    ("module", "before", "after", "rerun"),
    [
        (
            "preprocessing/brain_extraction.py",
            "SMALLEST_ML, LARGEST_ML = 600, 2200",
            "SMALLEST_ML, LARGEST_ML = 700, 2200",
            {"strip_skull"},
        ),
        ("stats/multiplicity.py", "ALPHA = 0.05", "ALPHA = 0.01", {"compare_strategies", "assess_transfer"}),
        ("evaluation/metrics.py", "np.percentile(forth, 95)", "np.percentile(forth, 90)", {"score_predictions"}),
        (
            "core/labels.py",
            '"TC": ("necrosis", "nonenhancing", "cyst", "enhancing")',
            '"TC": ("enhancing",)',
            {"train_network", "split_cohort"},
        ),
    ],
)
def test_what_a_step_computes_with_reruns_it(change, module, before, after, rerun):
    assert change(module, before, after) >= rerun


def test_a_column_of_the_quality_table_reruns_the_step_that_writes_it(change):
    rerun = change("preprocessing/quality_table.py", '"signal_to_noise"', '"signal_over_noise"')
    assert "gather_quality" in rerun
