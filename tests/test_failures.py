"""What a failed run ends with."""

import pytest

from neurograft import failures


def fail(log, rule="strip_skull", **wildcards):
    return {"rule": rule, "wildcards": wildcards, "logs": [str(log)]}


def test_a_failure_names_rule_subject_the_end_of_its_log_and_what_to_try(tmp_path):
    log = tmp_path / "a é.log"
    lines = [f"line {number}" for number in range(40)] + ["", "OSError: [Errno 28] No space left on device", ""]
    log.write_text("\n".join(lines), encoding="utf-8")
    said = failures.describe_failures([fail(log, subject="P7", space="MNI152")])
    assert said.startswith("FAILED: strip_skull, subject P7, space MNI152") and str(log) in said
    assert "line 39" in said and "line 20" not in said and "free space on the disk" in said


def test_many_failures_are_named_and_the_first_ones_told(tmp_path):
    said = failures.describe_failures([fail(tmp_path / "none.log", subject=f"P{number}") for number in range(8)])
    assert said.count("FAILED:") == failures.MOST and "and 3 more: strip_skull, subject P5; " in said
    assert failures.describe_failures([]) == ""


@pytest.mark.parametrize(
    ("end", "word"),
    [
        ("numpy._core._exceptions._ArrayMemoryError: Unable to allocate", "more memory"),
        ("torch.OutOfMemoryError: CUDA out of memory", "more memory"),
        ("PermissionError: [Errno 13] Permission denied: '/x'", "writable"),
        ("urllib.error.URLError: <urlopen error [Errno -3]>", "network"),
        ("step 20/400, loss 0.512, 8 s", "killed from outside"),
        ("", "killed from outside"),
        ("Traceback\nValueError: no such thing", "report it"),
    ],
)
def test_advice(end, word):
    assert word in failures.advise(end.splitlines())


def test_a_log_that_is_no_text_is_read_all_the_same(tmp_path):
    (tmp_path / "log").write_bytes(b"\xff\xfe broken\nValueError: x\n")
    assert failures.read_end(tmp_path / "log")[-1] == "ValueError: x"
