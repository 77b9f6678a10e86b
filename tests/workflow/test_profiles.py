"""The profiles speak of rules that there are, and a retried job asks for more."""

import re
from collections import Counter
from types import SimpleNamespace

import pytest
import yaml
from snakemake_executor_plugin_slurm.utils import set_gres_string
from snakemake_executor_plugin_slurm_jobstep import get_cpu_setting

from helpers.running import ROOT, snakemake


class Resources(dict):
    """A job's resources, as Snakemake hands them to an executor."""

    __getattr__ = dict.__getitem__


RULES = "\n".join(path.read_text() for path in sorted((ROOT / "workflow/rules").glob("*.smk")))
PROFILES = sorted(path.parent.name for path in ROOT.glob("config/profiles/*/config.yaml"))


def test_every_rule_asks_for_more_when_it_is_tried_again(tmp_path):
    asked = re.findall(r"(mem_mb|runtime)=(\w+)", RULES)
    assert len(asked) > 40 and {by for _, by in asked} == {"grow"}
    target, config = "results/simulated/sub-phantom001", ROOT / "config/tiny.yaml"
    plan = snakemake(tmp_path, "-n", "--cores", 1, "--attempt", 3, "--configfile", config, targets=[target])
    assert "mem_mb=4500," in plan and "runtime=15" in plan


@pytest.mark.parametrize("profile", PROFILES)
def test_profiles_name_rules_that_exist_and_nothing_of_the_science(profile):
    settings = yaml.safe_load((ROOT / f"config/profiles/{profile}/config.yaml").read_text())
    rules = set(re.findall(r"^(?:rule|checkpoint|use rule \w+ as) (\w+)(?: with)?:", RULES, re.MULTILINE))
    assert {*settings.get("groups", {}), *settings.get("set-resources", {})} <= rules
    assert set(settings.get("group-components", {})) <= set(settings.get("groups", {}).values())
    assert not {"config", "configfile", "configfiles"} & set(settings)


@pytest.mark.parametrize("profile", PROFILES)
def test_steps_that_share_a_cluster_job_need_nothing_that_waits_for_it(profile, finished, tmp_path):
    """Snakemake refuses such a group before it plans a job: from the first import on, and when networks train again."""
    config = ("-n", "--profile", ROOT / "config/profiles" / profile, "--configfile", ROOT / "config/tiny.yaml")
    for folder, more in ((tmp_path, ()), (finished, ("--forcerun", "train_network"))):
        assert re.search(r"^write_report +1$", snakemake(folder, *config, *more), re.MULTILINE)


def test_steps_that_share_a_cluster_job_fit_into_a_short_partition():
    """They run one after the other, and the job asks for the sum of their minutes; many queues allow two hours."""
    settings = yaml.safe_load((ROOT / "config/profiles/slurm/config.yaml").read_text())
    minutes = dict(re.findall(r"^(?:rule|checkpoint) (\w+):.*?runtime=grow\((\d+)\)", RULES, re.MULTILINE | re.DOTALL))
    asked = Counter()
    for rule, group in settings["groups"].items():
        # those of subjects are summed up for as many as share a job
        asked[group] += int(minutes.get(rule, 0)) * (group not in settings["group-components"])
    assert max(asked.values()) <= 120, asked


def test_only_what_trains_asks_slurm_for_a_gpu():
    settings = yaml.safe_load((ROOT / "config/profiles/slurm/config.yaml").read_text())
    with_gpu = {rule for rule, asked in settings["set-resources"].items() if asked.get("gpu")}
    pretraining = {"pretrain_simulated", "pretrain_masked", "pretrain_cohort"}
    assert with_gpu == {"train_network", "plan_experiment"} | pretraining
    assert not with_gpu & set(settings["groups"])


def test_a_job_that_trains_asks_slurm_for_one_gpu_and_a_core_that_draws_ahead():
    """In the words of the executor itself."""
    settings = yaml.safe_load((ROOT / "config/profiles/slurm/config.yaml").read_text())
    for rule, asked in settings["set-resources"].items():
        job = SimpleNamespace(resources=Resources(asked), threads=1)
        said = f"{set_gres_string(job)} {get_cpu_setting(job, gpu=True)}"
        assert said.split() == ["--gpus=1", "--cpus-per-gpu=2"], rule
