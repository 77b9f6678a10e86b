"""The control of an arm is that of its own network, or of its own kind."""

from neurograft.core import cells

KIN = cells.find_kin(
    {"name": name, "dimensions": dimensions, "backbone": backbone}
    for name, dimensions, backbone in (
        ("photos", "2", "lite"),
        ("mine", "2", "lite"),
        ("large", "2", "vgg"),
        ("heads", "3", "resnet"),
        ("organs", "3", "x"),
    )
)


def test_a_control_has_the_same_network_or_at_least_its_dimensions():
    choose = cells.control_sources
    assert choose("photos", ["photos", "mine"], KIN) == ["photos"]
    assert choose("mine", ["large", "photos", "heads"], KIN) == ["photos"]
    assert choose("large", ["photos", "mine", "heads"], KIN) == ["photos", "mine"]
    assert choose("organs", ["photos", "heads"], KIN) == ["heads"]
    assert choose("organs", ["photos"], KIN) == []
    assert choose("photos", ["mine", "large"]) == ["mine", "large"]


def test_masks_of_other_programs_are_compared_with_one_network():
    assert cells.control_sources("external", ["photos", "heads"], KIN) == ["photos"]
    assert cells.control_sources("external", ["heads", "photos"]) == ["heads"]
    assert cells.control_sources("external", [], KIN) == []
