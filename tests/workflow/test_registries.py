"""Every choice that the schema offers is a row of a registry, and the other way round."""

from pathlib import Path

import pytest
import yaml

from neurograft.candidates import supervoxels
from neurograft.cohort import layouts
from neurograft.core import labels
from neurograft.core.strategies import METHODS, STRATEGIES, TRAINED, TRANSDUCTIVE, UNTRAINED
from neurograft.execution import code_digest
from neurograft.networks import encoders_2d, encoders_3d
from neurograft.preprocessing import extraction_engines, intensity, registration
from neurograft.report import references
from neurograft.report.strategy_words import WORDS
from neurograft.sources import table
from neurograft.training import strategy_plans
from neurograft.transferability import scores

ROOT = Path(__file__).parents[2]

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())["properties"]


def enum(block, key):
    """The allowed values of a key."""
    return set(SCHEMA[block]["properties"][key]["enum"])


def test_enums_equal_registries():
    # recordings have a way of their own (`neurograft.eeg.setup`)
    assert enum("dataset", "layout") == {*layouts.DATASETS, "eeg"}
    assert enum("import_scans", "labels") == {"auto", *labels.LABEL_SCHEMES}
    assert enum("strip_skull", "engine") == set(extraction_engines.BRAIN_EXTRACTION_ENGINES)
    assert enum("strip_skull", "second") == {"none", *extraction_engines.BRAIN_EXTRACTION_ENGINES}
    assert set(extraction_engines.EXTRAS) < set(extraction_engines.BRAIN_EXTRACTION_ENGINES)
    assert enum("register_scans", "engine") == set(registration.REGISTRATION_ENGINES)
    assert enum("normalize_intensity", "method") == set(intensity.INTENSITY_METHODS)
    assert enum("propose_candidates", "engine") == set(supervoxels.SUPERVOXEL_ENGINES)
    assert enum("deliver", "strategy") == set(STRATEGIES)
    for task in SCHEMA["experiment"]["properties"].values():
        assert set(task["properties"]["strategies"]["items"]["enum"]) == set(STRATEGIES)


def test_the_schema_lists_strategies_and_those_that_have_variants():
    for task in SCHEMA["experiment"]["properties"].values():
        assert task["properties"]["strategies"]["items"]["enum"] == list(STRATEGIES)
    methods = SCHEMA["variants"]["additionalProperties"]["properties"]["method"]["enum"]
    assert methods == [name for name, row in STRATEGIES.items() if row.parameters]


def test_every_strategy_has_its_plan_and_its_words():
    assert list(strategy_plans.PLANS) == list(TRAINED)
    assert list(WORDS) == list(STRATEGIES) == [*TRAINED, *UNTRAINED]
    assert set(TRANSDUCTIVE) < set(TRAINED) and set(METHODS) < set(UNTRAINED)
    for name, row in STRATEGIES.items():
        words = WORDS[name]
        assert words.sentence.endswith(".") and (words.mark is not None) == row.control
        assert (words.methods == "") == row.averages
        assert set(words.references) <= set(references.read_references().works)


def test_every_parameter_of_a_strategy_is_one_of_its_plan():
    for name, plan in strategy_plans.PLANS.items():
        code = plan.__code__
        row = STRATEGIES[name]
        assert (*row.rates, *row.options) == code.co_varnames[1 : code.co_argcount], name


def read_modules(script):
    """The modules of the library that a step's digest reaches."""
    read = {}
    code_digest.code_digest(ROOT / f"scripts/{script}.py", read)
    return {Path(path).relative_to(ROOT / "scripts").as_posix() for path in read}


@pytest.mark.parametrize("script", ["train_network", "classify_supervoxels", "average_predictions", "pool_features"])
def test_no_cell_is_made_again_for_words_and_no_supervoxels_classified_for_a_learning_rate(script):
    modules = read_modules(script)
    assert "neurograft/report/strategy_words.py" not in modules
    assert ("neurograft/core/strategies.py" in modules) == (script == "train_network")


def test_every_score_is_cited():
    assert set(references.read_references().scores) == set(scores.SCORES)


def test_every_source_has_a_backbone_of_its_dimensions():
    known = {"2": encoders_2d.BACKBONES, "3": encoders_3d.BACKBONES_3D}
    for name, row in table.read_sources(ROOT / "config/sources.tsv").items():
        assert row["backbone"] in known[row["dimensions"]], name
        # of one file only the first digits are published, in its name
        published = row["sha256"] in row["location"]
        named = table.is_made(row) or row["sha256"] == table.UNPUBLISHED
        assert len(row["sha256"]) == 64 or published or named, name
