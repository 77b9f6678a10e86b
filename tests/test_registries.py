"""Every choice that the schema offers is a row of a registry, and the other way round."""

from pathlib import Path

import yaml

from neurograft import (
    citing,
    cohort,
    encoders,
    extraction_engines,
    intensity,
    making,
    networks3d,
    regions,
    registration,
    score_citations,
    settings,
    sources,
    strategies,
    summaries,
    supervoxels,
    transferability,
)

ROOT = Path(__file__).parents[1]
SCHEMA = yaml.safe_load((ROOT / "workflow/schemas/config.schema.yaml").read_text())["properties"]


def enum(block, key):
    """The allowed values of a key."""
    return set(SCHEMA[block]["properties"][key]["enum"])


def test_enums_equal_registries():
    assert enum("dataset", "layout") == set(cohort.DATASETS)
    assert enum("import_scans", "labels") == {"auto", *regions.LABEL_SCHEMES}
    assert enum("strip_skull", "engine") == set(extraction_engines.BRAIN_EXTRACTION_ENGINES)
    assert enum("strip_skull", "second") == {"none", *extraction_engines.BRAIN_EXTRACTION_ENGINES}
    assert set(extraction_engines.EXTRAS) < set(extraction_engines.BRAIN_EXTRACTION_ENGINES)
    assert enum("register_scans", "engine") == set(registration.REGISTRATION_ENGINES)
    assert enum("normalize_intensity", "method") == set(intensity.INTENSITY_METHODS)
    assert enum("propose_candidates", "engine") == set(supervoxels.SUPERVOXEL_ENGINES)
    assert enum("deliver", "strategy") == {*strategies.STRATEGIES, *settings.UNTRAINED}
    for task in SCHEMA["experiment"]["properties"].values():
        assert set(task["properties"]["strategies"]["items"]["enum"]) == {*strategies.STRATEGIES, *settings.UNTRAINED}


def test_every_strategy_has_its_rates_order_and_words():
    names = list(strategies.STRATEGIES)
    assert names == list(strategies.RATES) == list(citing.STRATEGIES)
    assert list(summaries.ORDER) == [*names, *settings.UNTRAINED] and list(settings.METHODS) == list(citing.FEATURES)
    assert set(settings.TRANSDUCTIVE) < set(names)
    assert {*settings.CONTROLS, *settings.PARAMETERS} == set(names)
    methods = SCHEMA["variants"]["additionalProperties"]["properties"]["method"]["enum"]
    assert methods == list(settings.PARAMETERS)


def test_every_parameter_that_a_variant_may_set_is_one_of_its_strategy():
    for name, known in settings.PARAMETERS.items():
        code = strategies.STRATEGIES[name].__code__
        assert set(known) == set(code.co_varnames[1 : code.co_argcount]), name


def test_every_score_is_cited():
    assert set(score_citations.SCORE_CITATIONS) == set(transferability.SCORES)


def test_every_source_has_a_backbone_of_its_dimensions():
    known = {"2": encoders.BACKBONES, "3": networks3d.BACKBONES_3D}
    for name, row in sources.read_sources(ROOT / "config/sources.tsv").items():
        assert row["backbone"] in known[row["dimensions"]], name
        assert len(row["sha256"]) == 64 or making.is_made(row), name
