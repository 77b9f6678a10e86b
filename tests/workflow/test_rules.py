"""The rules as text: one name a step, and everything that a job needs said in each."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

TEXT = "".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
RULES = {
    found[1]: found[0]
    for found in re.finditer(r"^(?:rule|checkpoint) (\w+):\n(?:(?:    .*)?\n)+", TEXT, re.MULTILINE)
    if "script:" in found[0]
}


def test_every_script_has_its_rule():
    assert set(RULES) == {path.stem for path in (ROOT / "scripts").glob("*.py")}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_what_its_job_needs(name):
    """Its log and its benchmark lie in folders of its name, so that the report's times are those of all steps."""
    rule = RULES[name]
    assert re.search(rf'"results/logs/{name}[./]', rule)
    # with a benchmark it would run only once, as it has no output
    assert bool(re.search(rf'"results/benchmarks/{name}/', rule)) == (name != "verify_checklist")
    assert f'"../../scripts/{name}.py"' in rule
    for word in ("conda:", "threads:", "mem_mb=", "runtime="):
        assert word in rule


def test_a_rule_that_does_a_step_for_another_cohort_keeps_the_name_of_the_step():
    """Its log and its benchmark lie beside those of the rule that it takes over."""
    taken = re.findall(r"^use rule (\w+) as (\w+) with:\n((?:(?:    .*)?\n)+)", TEXT, re.MULTILINE)
    assert taken and {step for step, _, _ in taken} <= set(RULES)
    for step, _, body in taken:
        assert f'"results/logs/{step}/cohort-' in body and f'"results/benchmarks/{step}/cohort-' in body


def test_every_caption_is_there_and_used():
    captions = set(re.findall(r'caption="\.\./report/(\w+)\.rst"', TEXT))
    assert captions | {"workflow"} == {path.stem for path in (ROOT / "workflow/report").glob("*.rst")}


def test_rule_files_stay_short():
    """What a rule asks of the config and the cohort is a tested function of the library, not a program here."""
    lengths = {path.name: len(path.read_text().splitlines()) for path in (ROOT / "workflow/rules").glob("*.smk")}
    assert max(lengths.values()) <= 200 and lengths["common.smk"] <= 60
