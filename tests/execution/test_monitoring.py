"""What a failed run ends with."""

import logging

import pytest

from neurograft.execution import monitoring


def fail(log, rule="strip_skull", **wildcards):
    return {"rule": rule, "wildcards": wildcards, "logs": [str(log)]}


def test_a_failure_names_rule_subject_the_end_of_its_log_and_what_to_try(tmp_path):
    log = tmp_path / "a é.log"
    lines = [f"line {number}" for number in range(40)] + ["", "OSError: [Errno 28] No space left on device", ""]
    log.write_text("\n".join(lines), encoding="utf-8")
    said = monitoring.describe_failures([fail(log, subject="P7", space="MNI152")])
    assert said.startswith("FAILED: strip_skull, subject P7, space MNI152") and str(log) in said
    assert "line 39" in said and "line 20" not in said and "free space on the disk" in said


def test_many_failures_are_named_and_the_first_ones_told(tmp_path):
    said = monitoring.describe_failures([fail(tmp_path / "none.log", subject=f"P{number}") for number in range(8)])
    assert said.count("FAILED:") == monitoring.MOST and "and 3 more: strip_skull, subject P5; " in said
    assert monitoring.describe_failures([]) == ""


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
    assert word in monitoring.advise(end.splitlines())


def test_a_log_that_is_no_text_is_read_all_the_same(tmp_path):
    (tmp_path / "log").write_bytes(b"\xff\xfe broken\nValueError: x\n")
    assert monitoring.read_end(tmp_path / "log")[-1] == "ValueError: x"


def tell(watch, when, event, **facts):
    """Hand a message to the watch, as Snakemake's logger does."""
    record = logging.makeLogRecord({"event": event, **facts})
    record.created = when
    watch.emit(record)


def start(watch, when, number, rule, **wildcards):
    tell(watch, when, "job_info", jobid=number, rule_name=rule, wildcards=wildcards)


def test_the_time_left_goes_by_the_work_of_each_rule():
    """Two cores, 10 s of work done in 5 s; 60 s of work are left, of which one rule was timed in an earlier run."""
    left = [("strip_skull", "A"), ("strip_skull", "B"), ("train_network", None)]
    line = monitoring.describe_progress(left, 3, {"strip_skull": (1, 10.0)}, {"train_network": 40.0}, 5.0)
    assert "1 of 3 subjects preprocessed; 1 finished; 1 jobs done, 3 left; about 30 s left" in line
    assert "not counting" not in line


def test_what_was_never_timed_is_said_and_a_delivered_subject_is_not_a_preprocessed_one():
    left = [("train_network", None), ("deliver_segmentation", "A"), ("all", None)]
    line = monitoring.describe_progress(left, 4, {"strip_skull": (2, 8.0)}, {}, 8.0)
    assert "4 of 4 subjects preprocessed; 3 finished" in line
    assert line.endswith("not counting 2 jobs of steps that were never timed here")


def test_before_the_cohort_is_gathered_the_rest_is_not_known():
    line = monitoring.describe_progress(
        [("import_scans", "A"), ("gather_cohort", None)], 9, {"import_scans": (8, 8.0)}, {}, 8
    )
    assert "8 of 9 subjects imported" in line and "finished" not in line and "planned when it is done" in line


def test_nobody_is_counted_where_jobs_have_no_subjects():
    assert "subjects" not in monitoring.describe_progress(
        [("train_network", None)], 20000, {"train_network": (1, 60.0)}, {}, 60
    )


def test_a_run_is_followed_and_lines_keep_their_distance(capsys, tmp_path):
    left = [(1, "strip_skull", "A"), (2, "strip_skull", "B"), (3, "strip_skull", "C")]
    watch = monitoring.Watch(lambda: left, 3, tmp_path)
    watch.begun = 100.0
    for number, begin, end in ((1, 100, 104), (2, 104, 110), (3, 110, 126)):
        start(watch, begin, number, "strip_skull", subject="ABC"[number - 1])
        tell(watch, end, "job_finished", job_id=number)
        tell(watch, end, "progress", done=number, total=3)
    lines = capsys.readouterr().err.splitlines()
    # the second comes 6 s after the first
    assert len(lines) == 2 and "2 left; about 8 s left" in lines[0] and "3 jobs done, 0 left" in lines[1]
    assert watch.spent == {"strip_skull": (3, pytest.approx(26))}


def test_a_failure_is_kept_with_its_subject(tmp_path):
    watch = monitoring.Watch(list, 1, tmp_path)
    start(watch, 1.0, 7, "strip_skull", subject="P7")
    tell(watch, 2.0, "job_error", jobid=7, rule_name="strip_skull", log=["results/logs/x.log"])
    tell(watch, 2.0, None, msg="anything else")
    assert watch.failed == [{"rule": "strip_skull", "wildcards": {"subject": "P7"}, "logs": ["results/logs/x.log"]}]


def test_seconds_of_earlier_runs(tmp_path):
    (tmp_path / "strip_skull").mkdir()
    for name, seconds in (("a", 2.0), ("b", 4.0)):
        (tmp_path / "strip_skull" / f"{name}.tsv").write_text(f"s\th:m:s\n{seconds}\t0:00:02\n")
    (tmp_path / "strip_skull/c.tsv").write_text("")
    assert monitoring.read_seconds(tmp_path, {"strip_skull", "never"}) == {"strip_skull": 3.0}


@pytest.mark.parametrize(
    ("seconds", "words"), [(0, "1 s"), (89, "89 s"), (120, "2 min"), (5400, "1.5 h"), (90000, "25.0 h")]
)
def test_times_in_words(seconds, words):
    assert monitoring._in_words(seconds) == words
