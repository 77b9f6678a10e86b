"""Every choice that the schema offers is a row of a registry, and the other way round."""

from pathlib import Path

import yaml

from neurograft.candidates import supervoxels
from neurograft.cohort import layouts
from neurograft.core import config, labels
from neurograft.core.strategies import CONTROLS, METHODS, ORDER, TRANSDUCTIVE, UNTRAINED
from neurograft.networks import encoders_2d, encoders_3d
from neurograft.preprocessing import extraction_engines, intensity, registration
from neurograft.report import references
from neurograft.report.chapters.methods import FEATURES, STRATEGIES
from neurograft.sources import table
from neurograft.training import strategies
from neurograft.transferability import scores

ROOT = Path(__file__).parents[2]

SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())["properties"]


def enum(block, key):
    """The allowed values of a key."""
    return set(SCHEMA[block]["properties"][key]["enum"])


def test_enums_equal_registries():
    assert enum("dataset", "layout") == set(layouts.DATASETS)
    assert enum("import_scans", "labels") == {"auto", *labels.LABEL_SCHEMES}
    assert enum("strip_skull", "engine") == set(extraction_engines.BRAIN_EXTRACTION_ENGINES)
    assert enum("strip_skull", "second") == {"none", *extraction_engines.BRAIN_EXTRACTION_ENGINES}
    assert set(extraction_engines.EXTRAS) < set(extraction_engines.BRAIN_EXTRACTION_ENGINES)
    assert enum("register_scans", "engine") == set(registration.REGISTRATION_ENGINES)
    assert enum("normalize_intensity", "method") == set(intensity.INTENSITY_METHODS)
    assert enum("propose_candidates", "engine") == set(supervoxels.SUPERVOXEL_ENGINES)
    assert enum("deliver", "strategy") == {*strategies.STRATEGIES, *UNTRAINED}
    for task in SCHEMA["experiment"]["properties"].values():
        assert set(task["properties"]["strategies"]["items"]["enum"]) == {*strategies.STRATEGIES, *UNTRAINED}


def test_every_strategy_has_its_rates_order_and_words():
    names = list(strategies.STRATEGIES)
    assert names == list(strategies.RATES) == list(STRATEGIES)
    assert list(ORDER) == [*names, *UNTRAINED] and list(METHODS) == list(FEATURES)
    assert set(TRANSDUCTIVE) < set(names)
    assert {*CONTROLS, *config.PARAMETERS} == set(names)
    methods = SCHEMA["variants"]["additionalProperties"]["properties"]["method"]["enum"]
    assert methods == list(config.PARAMETERS)


def test_every_parameter_that_a_variant_may_set_is_one_of_its_strategy():
    for name, known in config.PARAMETERS.items():
        code = strategies.STRATEGIES[name].__code__
        assert set(known) == set(code.co_varnames[1 : code.co_argcount]), name


def test_every_score_is_cited():
    assert set(references.read_references().scores) == set(scores.SCORES)


def test_every_source_has_a_backbone_of_its_dimensions():
    known = {"2": encoders_2d.BACKBONES, "3": encoders_3d.BACKBONES_3D}
    for name, row in table.read_sources(ROOT / "config/sources.tsv").items():
        assert row["backbone"] in known[row["dimensions"]], name
        assert len(row["sha256"]) == 64 or table.is_made(row), name
