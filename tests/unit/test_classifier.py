"""What is sensitive: names in any spelling, pointers, exclusions, imitations."""

from __future__ import annotations

from typing import Any

import pytest

from aegis_stream.errors import PolicyError
from aegis_stream.pii import PII_FIELDS, Classifier, Policy, Priority, normalise


def found(event: dict[str, Any], policy: Policy | None = None) -> list[tuple[str, str, str]]:
    """Return (path, kinds, label) of each target."""
    targets = Classifier(policy or Policy.default()).survey(event, 64).targets
    return [(target[3].path, target[3].kinds, target[3].label) for target in targets]


def paths(event: dict[str, Any], policy: Policy | None = None) -> list[str]:
    """Return the paths of the targets."""
    return [path for path, _, _ in found(event, policy)]


def test_the_guide_names_twelve_fields() -> None:
    """Six critical, four high, two medium."""
    counts = {priority: list(PII_FIELDS.values()).count(priority) for priority in Priority}
    assert counts == {Priority.CRITICAL: 6, Priority.HIGH: 4, Priority.MEDIUM: 2, Priority.CUSTOM: 0}


@pytest.mark.parametrize(
    "spelling", ["actor_id", "actorId", "ACTOR_ID", "actor.id", "Actor-Id", "actor id", "__actorid"]
)
def test_a_name_is_found_in_any_of_its_spellings(spelling: str) -> None:
    """Producers do not agree on one, and a missed spelling is a leak."""
    assert normalise(spelling) == "actorid"
    assert found({spelling: "x"}) == [(f"/{spelling}", "m", "actor_id")]


@pytest.mark.parametrize("name", ["actor_ids", "factor_id", "ACTÖR_ID", "actor\u00a0id", "\u0430ctor_id"])
def test_another_name_is_not_found(name: str) -> None:
    """Nothing but ASCII case and four separators is folded."""
    assert found({name: "x"}) == []


def test_names_are_found_at_any_depth_and_in_arrays() -> None:
    """Events nest; the path and its kinds are what the field is bound to."""
    event = {"a": {"b": [{"signer_id": 1}, [{"actor_id": None}]]}, "actor_id": {"actor_id": "inner"}}
    assert found(event) == [
        ("/a/b/0/signer_id", "mmim", "signer_id"),
        ("/a/b/1/0/actor_id", "mmiim", "actor_id"),
        ("/actor_id", "m", "actor_id"),
    ]


def test_steps_of_a_path_are_escaped() -> None:
    """A path must lead back to one member."""
    policy = Policy(names=("a/b", "c~d"))
    assert paths({"x/y": {"a/b": 1}, "c~d": 2}, policy) == ["/x~1y/a~1b", "/c~0d"]


def test_a_pointer_matches_members_and_elements() -> None:
    """`*` is one whole step, whichever."""
    policy = Policy(pointers=("/people/*/email", "/tags/1", "/a~1b"))
    event = {"people": [{"email": 1, "age": 2}, {"email": 3}], "tags": ["x", "y"], "a/b": 5, "email": 6}
    assert paths(event, policy) == ["/people/0/email", "/people/1/email", "/tags/1", "/a~1b"]


def test_a_member_named_star_is_matched_only_by_star() -> None:
    """In a pointer `*` is never a name."""
    policy = Policy(pointers=("/*/x",))
    assert paths({"*": {"x": 1}, "a": {"x": 2}}, policy) == ["/*/x", "/a/x"]


def test_an_exclusion_concerns_that_member_alone() -> None:
    """What is inside an excluded member is judged as ever."""
    policy = Policy(exclude=("workflow_id", "/trusted/actor_id"))
    event = {"workflowId": {"actor_id": 1}, "trusted": {"actor_id": [{"signer_id": 2}]}, "actor_id": 3}
    assert paths(event, policy) == ["/workflowId/actor_id", "/trusted/actor_id/0/signer_id", "/actor_id"]


def test_an_exclusion_wins_over_a_pointer() -> None:
    """Both speak of one member; leaving it in the clear was asked for by name."""
    policy = Policy(pointers=("/a",), exclude=("/a", "b"))
    assert paths({"a": 1, "b": 2}, policy) == []


@pytest.mark.parametrize("marker", ["_encrypted", "_ciphertext"])
def test_an_imitation_is_sensitive_wherever_it_stands(marker: str) -> None:
    """A reader takes every such object for an encrypted field, so a writer leaves none in the clear."""
    policy = Policy(exclude=("note", "/list/0"))
    event = {"note": {marker: True}, "list": [{marker: 1}, {"x": {marker: 2}}], marker: "at the top it is a name"}
    expected = [("/note", "m", "_encrypted"), ("/list/0", "mi", "_encrypted"), ("/list/1/x", "mim", "_encrypted")]
    assert found(event, policy) == expected
    assert found(event) == expected


def test_the_twelve_are_always_included() -> None:
    """A policy adds; it takes away by exclusion only, where tools show it."""
    assert paths({"actor_id": 1, "email": 2}, Policy(names=("email",))) == ["/actor_id", "/email"]
    assert Policy(exclude=("actorId", "/x/signer_id")).warnings() == (
        'the field "actor_id" is excluded everywhere',
        'the field "signer_id" is excluded at /x/signer_id',
    )


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {"id": ""},
        {"id": 1},
        {"id": "p", "names": "actor_id"},
        {"id": "p", "names": [1]},
        {"id": "p", "names": ["_ -."]},
        {"id": "p", "pointers": [""]},
        {"id": "p", "pointers": ["a/b"]},
        {"id": "p", "pointers": ["/a~2"]},
        {"id": "p", "pointers": ["/a~"]},
        {"id": "p", "exclude": [""]},
        {"id": "p", "exclude": ["/~"]},
        {"id": "p", "extra": []},
    ],
    ids=str,
)
def test_a_malformed_policy_is_refused(value: object) -> None:
    """A policy that is half understood leaves something in the clear."""
    with pytest.raises(PolicyError):
        Policy.from_json(value)


def test_a_policy_goes_round() -> None:
    """It travels in the manifest."""
    policy = Policy(id="p2", names=("email",), pointers=("/a/*",), exclude=("actor_id",))
    assert Policy.from_json(policy.to_json()) == policy


@pytest.mark.parametrize("policy", [Policy(), Policy(pointers=("/never",))], ids=["names", "pointers"])
def test_depth_and_large_floats_are_seen(policy: Policy) -> None:
    """The walk that finds names is the one that sees both."""
    nested: Any = "x"
    for _ in range(63):
        nested = {"a": nested}
    classifier = Classifier(policy)
    assert not classifier.survey({"a": nested}, 64).too_deep
    assert classifier.survey({"a": [nested]}, 64).too_deep
    assert classifier.survey({"a": {"b": [2.0**64]}}, 64).big_float
    assert classifier.survey({"a": 1e19}, 64).big_float
    assert not classifier.survey({"a": 1.5, "b": [2.5]}, 64).big_float


@pytest.mark.parametrize("policy", [Policy(), Policy(pointers=("/never",))], ids=["names", "pointers"])
def test_caches_of_names_and_places_stay_bounded(policy: Policy) -> None:
    """An attacker chooses the names."""
    classifier = Classifier(policy)
    for number in range(20_000):
        classifier.survey({f"n{number}": {"actor_id": 1}, "list": [0] * (number % 3)}, 64)
    assert max(len(classifier._names), len(classifier._top), len(classifier._places)) <= 8192


@pytest.mark.parametrize("policy", [Policy(), Policy(pointers=("/never",))], ids=["names", "pointers"])
def test_long_names_are_judged_and_not_kept(policy: Policy) -> None:
    """8,192 names of megabytes would fill the memory of whoever reads them."""
    classifier = Classifier(policy)
    long = "n" * 300
    found = classifier.survey({long: {"actor_id": 1}, f"{'_' * 300}actor_id": 2}, 64).targets
    assert [place.path for *_, place in found] == [f"/{long}/actor_id", f"/{'_' * 300}actor_id"]
    kept = (*classifier._names, *classifier._top, *(path for path, *_ in classifier._places))
    assert max(map(len, kept), default=0) <= 256
