use super::policy;

fn label(name: &str) -> Option<u32> {
    policy(&[], &[], true).member(name.as_bytes(), &[])
}

#[test]
fn names_are_compared_without_case_and_separators() {
    for name in ["actor_id", "actorId", "ACTOR-ID", "a.c t_o-r_id", "__actorid__", "ActorId"] {
        assert_eq!(label(name), Some(0), "{name}");
    }
    for name in ["", "actor", "actor_ids", "actor/id", "actor\tid", "actor\u{a0}id", "àctorid", "actor\u{131}d"] {
        assert_eq!(label(name), None, "{name}");
    }
}

#[test]
fn a_long_name_is_compared_too() {
    for separators in [50, 56, 57, 58, 200] {
        let name = format!("actor{}id", "_".repeat(separators));
        assert_eq!(label(&name), Some(0), "{separators}");
        assert_eq!(label(&(name + "x")), None);
    }
}

#[test]
fn an_exclusion_wins_over_names_and_pointers() {
    let excluded = policy(&[("/actor_id", false), ("/x", false), ("/x", true)], &["actorid"], true);
    let root = excluded.root();
    for name in ["actor_id", "x"] {
        let after = excluded.advance(&root, name.as_bytes());
        assert_eq!(excluded.member(name.as_bytes(), &after), None, "{name}");
    }
}

#[test]
fn pointers_step_by_step() {
    let pointed = policy(&[("/a/*/b", false), ("/a/0", false), ("/*", true)], &[], true);
    let walked =
        |steps: &[&str]| steps.iter().fold(pointed.root(), |nodes, step| pointed.advance(&nodes, step.as_bytes()));
    assert_eq!(pointed.element(&walked(&["a", "0"])), Some(1));
    assert_eq!(pointed.element(&walked(&["a", "1"])), None);
    assert_eq!(pointed.member(b"b", &walked(&["a", "0", "b"])), Some(1));
    assert_eq!(pointed.member(b"b", &walked(&["a", "zzz", "b"])), Some(1));
    assert_eq!(pointed.member(b"b", &walked(&["b", "0", "b"])), None);
    assert_eq!(pointed.member(b"actor_id", &walked(&["actor_id"])), None, "excluded by the star");
    assert!(policy(&[], &[], true).root().is_empty());
}

#[test]
fn a_member_named_star_is_matched_by_a_star_alone() {
    let pointed = policy(&[("/*/x", false), ("/a", false)], &[], true);
    let star = pointed.advance(&pointed.root(), b"*");
    assert_eq!(star.len(), 1);
    assert_eq!(pointed.element(&pointed.advance(&star, b"x")), Some(1));
}
