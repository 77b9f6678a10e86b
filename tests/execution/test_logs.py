"""What a job prints, from Python or from C, is in its log."""

import subprocess
import sys
from pathlib import Path

SCRIPTS = Path(__file__).parents[2] / "scripts"


def test_python_c_and_tracebacks_reach_the_log(tmp_path):
    log = tmp_path / "logs" / "job.log"
    program = (
        f"import sys, os; sys.path.insert(0, {str(SCRIPTS)!r})\n"
        "from neurograft.execution import logs\n"
        f"logs.send_to_log({str(log)!r})\n"
        "print('from python', flush=True); os.write(1, b'from C\\n')\n"
        "raise RuntimeError('the end')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stdout == done.stderr == ""
    text = log.read_text()
    assert "from python" in text
    assert "from C" in text
    assert "RuntimeError: the end" in text
