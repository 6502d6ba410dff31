"""The label table, against what the official one says."""

from collections import Counter

from gateway.imaging.maisi.labels import BY_INDEX, CONTROLLABLE, HOSTS, LABELS, TUMOURS

DUMMIES = {2, 16, 18, 20, 21, 129, 130, 131}


def test_has_the_124_names_without_the_dummies():
    assert [label.index for label in LABELS.values()] == sorted(set(range(1, 133)) - DUMMIES)
    assert all(name == label.name for name, label in LABELS.items())
    assert BY_INDEX[200].name == "body"


def test_orders_controllable_organs_as_the_size_vector_does():
    assert CONTROLLABLE == (
        "gallbladder",
        "liver",
        "stomach",
        "pancreas",
        "colon",
        "lung tumor",
        "pancreatic tumor",
        "hepatic tumor",
        "colon cancer primaries",
        "bone lesion",
    )


def test_knows_the_tumours_and_where_they_grow():
    assert {name: LABELS[name].index for name in TUMOURS} == {
        "lung tumor": 23,
        "pancreatic tumor": 24,
        "hepatic tumor": 26,
        "colon cancer primaries": 27,
        "bone lesion": 128,
    }
    assert set(HOSTS) == set(TUMOURS)
    assert all(host in LABELS for hosts in HOSTS.values() for host in hosts)


def test_mask_channels_are_those_of_the_generator():
    made = [label.mask_channel for label in BY_INDEX.values() if label.mask_channel is not None]
    assert sorted(made) == sorted(set(range(1, 125)) - {122})  # 122 is a kidney mass, a dummy of ours
    assert LABELS["left kidney cyst"].mask_channel is None


def test_codes_and_colours_tell_labels_apart():
    coded = Counter(
        (each.category, each.type, each.modifier, each.anatomic_region) for each in BY_INDEX.values()
    )
    assert max(coded.values()) == 1
    assert max(Counter(each.rgb for each in BY_INDEX.values()).values()) == 1
    for label in LABELS.values():
        side = label.name.split()[0].title()
        if side in ("Left", "Right") and label.modifier is not None:
            assert label.modifier.meaning == side
