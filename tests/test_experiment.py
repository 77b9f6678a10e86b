"""The arms of an experiment, and a line for every part of it that does not fit."""

from pathlib import Path

import pytest
import yaml

from neurograft import experiment, settings

ROOT = Path(__file__).parents[1]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())


def test_unfit_experiments_are_refused():
    asked = settings.resolve_config({"dataset": {"layout": "phantom"}}, SCHEMA)["experiment"]
    known = {"efficientnet-lite0": {}}
    experiment.check_experiment(asked, "lp-ft", known)
    with pytest.raises(settings.SettingsError, match="add it there"):
        experiment.check_experiment(asked, "frozen", known)
    with pytest.raises(settings.SettingsError, match="sources.tsv has: other"):
        experiment.check_experiment(asked, "lp-ft", {"other": {}})
    with pytest.raises(settings.SettingsError, match="'dann', whose networks were adapted to images of test patients"):
        experiment.check_experiment(asked, "dann", known)
    asked["segmentation"]["n"] = [2]
    with pytest.raises(settings.SettingsError, match="needs 'all'"):
        experiment.check_experiment(asked, "lp-ft", known)


def test_an_unknown_target_is_named_with_the_columns_there_are():
    found = {"X": {"columns": {"diagnosis": "glioma", "age": "50"}}}
    for fine in ("tumour-slice", "diagnosis", "site"):
        experiment.check_target(fine, found)
    with pytest.raises(settings.SettingsError, match="site, diagnosis, age"):
        experiment.check_target("diagnossis", found)
    experiment.check_target("diagnosis", {"phantom001": {"columns": {}}})


def test_a_variant_may_stand_where_a_strategy_stands():
    config = {"dataset": {"layout": "phantom"}, "variants": {"last-layers-2": {"method": "last-layers", "k": 2}}}
    config["experiment"] = {"segmentation": {"strategies": ["scratch", "last-layers-2"]}}
    config["deliver"] = {"strategy": "last-layers-2"}
    found = settings.resolve_config(config, SCHEMA)
    experiment.check_variants(found["variants"])
    experiment.check_experiment(found["experiment"], "last-layers-2", {"efficientnet-lite0": {}})
    with pytest.raises(settings.SettingsError, match="choose one of: .*last-layers-2"):
        settings.resolve_config(config | {"deliver": {"strategy": "last-layers-3"}}, SCHEMA)


@pytest.mark.parametrize(
    ("variants", "says"),
    [
        ({"mine": {"method": "lora"}}, "name it lora-SOMETHING"),
        ({"lp-ft": {"method": "lp-ft"}}, "name it lp-ft-SOMETHING"),
        ({"frozen-random-2": {"method": "frozen"}}, "name it frozen-SOMETHING"),
        ({"fine-tune-2": {"method": "fine-tune", "k": 2}}, "has no parameter 'k'; it has encoder, top"),
        ({"lora-odd": {"method": "lora", "rank": 2.5}}, "rank is 2.5; it takes a whole number"),
    ],
)
def test_a_mistaken_variant_is_one_line(variants, says):
    with pytest.raises(settings.SettingsError) as caught:
        experiment.check_variants(variants)
    assert says in str(caught.value) and "\n" not in str(caught.value)


def test_further_arms_get_defaults_and_are_checked():
    also = [{"strategies": ["scratch"], "seeds": [1]}, {"strategies": ["scratch", "lp-ft"], "spaces": ["native"]}]
    wanted = {"strategies": ["scratch", "lp-ft"], "also": also}
    config = {"dataset": {"layout": "phantom"}, "experiment": {"segmentation": wanted}}
    asked = settings.resolve_config(config, SCHEMA)["experiment"]
    arms = experiment.list_arms(asked["segmentation"])
    common = {"source": "efficientnet-lite0", "split": "folds", "n": "all"}
    assert arms == [
        common | {"strategy": "scratch", "space": "template", "seed": 0},
        common | {"strategy": "lp-ft", "space": "template", "seed": 0},
        common | {"strategy": "scratch", "space": "template", "seed": 1},
        common | {"strategy": "scratch", "space": "native", "seed": 0},
        common | {"strategy": "lp-ft", "space": "native", "seed": 0},
    ]
    assert [list(arm) for arm in arms] == [list(experiment.SPANS)] * 5
    asked["segmentation"]["also"][0]["sources"] = ["photos"]
    assert experiment.list_sources(asked["segmentation"]) == ["efficientnet-lite0", "photos"]
    with pytest.raises(settings.SettingsError, match="names 'photos'; sources.tsv has: efficientnet-lite0"):
        experiment.check_experiment(asked, "lp-ft", {"efficientnet-lite0": {}})
    wanted["also"] = [{"strategy": ["scratch"]}]
    with pytest.raises(settings.SettingsError, match="did you mean 'strategies'"):
        settings.resolve_config(config, SCHEMA)


def test_no_arm_is_listed_twice():
    span = {"sources": ["a"], "strategies": ["scratch"], "spaces": ["template"], "splits": ["folds"], "n": ["all"]}
    span["seeds"] = [0]
    assert len(experiment.list_arms(span | {"also": [span, span | {"n": ["all", 2]}]})) == 2


def ensembles(*strategies, task="segmentation"):
    """An experiment of one source of slices, its ensemble among the strategies."""
    asked = settings.resolve_config({"dataset": {"layout": "phantom"}}, SCHEMA)["experiment"]
    asked[task]["strategies"] = ["lp-ft", *strategies, "ensemble"]
    return asked


def test_an_ensemble_has_the_strategies_beside_it_but_controls_and_what_sees_test_images():
    others = ["scratch", "frozen-random", "supervoxels-plain", "supervoxels-random", "dann", "dann-soft", "lora-2"]
    arms = experiment.list_arms(ensembles(*others)["segmentation"])
    arm = {"source": "efficientnet-lite0", "space": "template", "split": "folds", "n": "all", "seed": "0"}
    assert experiment.list_members(arms, arm) == ["lp-ft", "supervoxels-plain", "lora-2"]
    assert experiment.list_members(arms, arm | {"n": "2"}) == []


def test_an_ensemble_of_one_or_of_classes_is_refused():
    known = {"efficientnet-lite0": {"dimensions": "2"}}
    experiment.check_experiment(ensembles("supervoxels-plain"), "ensemble", known)
    with pytest.raises(settings.SettingsError, match="at least two others beside it"):
        experiment.check_experiment(ensembles("scratch", "supervoxels-random"), "lp-ft", known)
    with pytest.raises(settings.SettingsError, match="leave it out here"):
        experiment.check_experiment(ensembles(task="classification"), "lp-ft", known)
