"""Site effects on features: a planted one is found and taken out, patients stay patients."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from neurograft.experiment import harmonisation


def make_tables(seed=0, patients=12, features=20, shift=2.0, stretch=1.5, agree=0.1):
    """Give patients' features and sites; those of site B are shifted and stretched, each feature about alike."""
    generator = np.random.default_rng(seed)
    sites = ["A" if k < patients // 2 else "B" for k in range(patients)]
    tables = []
    for site in sites:
        own = generator.normal(agree * generator.normal(size=features), 1, (300, features))
        tables.append(own * stretch + shift if site == "B" else own)
    return tables, sites


def distance(tables, sites):
    """Mean difference between the sites' patients, in mean and in standard deviation."""
    known = np.array(sites) == "B"
    return [
        float(np.abs(value[known].mean(0) - value[~known].mean(0)).mean())
        for value in (np.array([table.mean(0) for table in tables]), np.array([table.std(0) for table in tables]))
    ]


def test_a_planted_effect_is_taken_out_of_unseen_patients():
    model = harmonisation.fit_sites(*make_tables())
    tables, sites = make_tables(seed=1)
    before = distance(tables, sites)
    after = distance([harmonisation.harmonise(model, *one) for one in zip(tables, sites, strict=True)], sites)
    assert before[0] > 1.8 and before[1] > 0.4
    assert after[0] < 0.2 * before[0] and after[1] < 0.2 * before[1]


def test_what_no_site_did_is_hardly_touched():
    """Patients who differ by themselves: the fewer there are, the less of it is called a site's."""
    tables, sites = make_tables(shift=0.0, stretch=1.0, agree=1.0)
    model = harmonisation.fit_sites(tables, sites)
    raw = np.mean(tables[:6], axis=(0, 1)) - np.mean(tables[6:], axis=(0, 1))
    taken = model["sites"]["A"]["shift"] - model["sites"]["B"]["shift"]
    assert np.abs(taken).mean() < 0.8 * np.abs(raw).mean()


@given(st.floats(0.1, 10), st.floats(-5, 5))
def test_order_within_a_patient_stays(scale, offset):
    tables, sites = make_tables(patients=6, features=3)
    model = harmonisation.fit_sites([scale * table + offset for table in tables], sites)
    own = harmonisation.harmonise(model, scale * tables[0] + offset, "A")
    assert (np.diff(own[np.argsort(tables[0][:, 0]), 0]) >= 0).all()


def test_unknown_sites_and_small_ones_stay_as_they_are():
    tables, sites = make_tables()
    model = harmonisation.fit_sites(tables, [*sites[:-2], "C", ""])
    assert sorted(model["sites"]) == ["A", "B"]
    for site in ("C", "", "D"):
        np.testing.assert_array_equal(harmonisation.harmonise(model, tables[0], site), np.float32(tables[0]))
    assert harmonisation.fit_sites(tables, ["A"] * 10 + ["B"] * 2)["sites"] == {}


def test_a_feature_that_patients_lack_spoils_no_other():
    tables, sites = make_tables()
    whole = harmonisation.fit_sites(tables, sites)
    lacking = [table.copy() for table in tables]
    for table in lacking[6:]:
        table[:, 0] = np.nan
    model = harmonisation.fit_sites(lacking, sites)
    made = harmonisation.harmonise(model, tables[0], "A")
    assert np.isfinite(made).all()
    # the prior is over one feature fewer
    np.testing.assert_allclose(made[:, 1:], harmonisation.harmonise(whole, tables[0], "A")[:, 1:], atol=0.2)
    assert model["sites"]["B"]["shift"][0] == 0


def test_places_are_nobodys_scanner_and_encoders_features_are_somebodys():
    tables, sites = make_tables(features=3)
    names = ["z_flair", "y_mm", "prior_white"]
    patients = [{"names": names, "described": np.float32(table), "pooled": np.float16(table)} for table in tables]
    short = {"names": names[::-1][:2], "described": patients[-1]["described"][:, :2], "pooled": patients[-1]["pooled"]}
    effects = harmonisation.fit_patients([*patients[:-1], short], sites)
    made = harmonisation.harmonise_patient(effects, patients[-1], "B")
    np.testing.assert_array_equal(made["described"][:, 1:], patients[-1]["described"][:, 1:])
    other = harmonisation.harmonise_patient(effects, patients[0], "A")
    for name in ("described", "pooled"):
        raw = patients[-1][name][:, 0].mean() - patients[0][name][:, 0].mean()
        assert np.abs(made[name][:, 0].mean() - other[name][:, 0].mean()) < 0.3 * raw
    lacking = harmonisation.harmonise_patient(effects, short, "B")
    np.testing.assert_array_equal(lacking["described"], short["described"])
