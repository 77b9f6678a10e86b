"""MONAI comes without what it is not asked for."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_a_training_imports_nothing_that_it_has_no_use_for():
    code = (
        "import sys; from neurograft.experiment import network_cells; "
        "sys.exit(' '.join({'matplotlib', 'pandas', 'skimage', 'sklearn', 'scipy.stats'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=SCRIPTS)
    assert done.stderr.strip() == ""


def test_what_was_hidden_can_be_imported_afterwards():
    code = "from neurograft.networks import monai_parts; import pandas, sklearn.metrics, scipy.stats, matplotlib.pyplot"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=SCRIPTS)
