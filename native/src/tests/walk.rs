use super::policy;
use crate::json::Scanner;
use crate::policy::Policy;
use crate::room::Places;
use crate::walk::Walk;

/// (path, kinds, value, label) of each sensitive value; None where the text is handed back.
fn found(text: &str, policy: &Policy) -> Option<Vec<(String, String, String, u32)>> {
    let mut walk = Walk::new(Scanner::checked(text.as_bytes()).ok()?, policy, Places::default());
    walk.run(4).ok()?;
    let shown = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    Some(
        walk.places
            .targets
            .iter()
            .map(|one| {
                let value = &text[one.span.clone()];
                (shown(walk.path_of(one)), shown(walk.kinds_of(one)), value.to_owned(), one.label)
            })
            .collect(),
    )
}

fn one(path: &str, kinds: &str, value: &str, label: u32) -> (String, String, String, u32) {
    (path.into(), kinds.into(), value.into(), label)
}

#[test]
fn sensitive_values_in_document_order() {
    let text = r#" { "a/b" : [ 1 , { "~actor" : 2 , "Actor-Id" : [ "x" , "y" ] } ] , "actor_id":null}"#;
    assert_eq!(
        found(text, &policy(&[], &[], true)),
        Some(vec![one("/a~1b/1/Actor-Id", "mim", r#"[ "x" , "y" ]"#, 0), one("/actor_id", "m", "null", 0),])
    );
}

#[test]
fn pointers_tell_members_from_elements_by_their_kinds() {
    let pointed = policy(&[("/x/0", false), ("/x/*/1", false)], &[], true);
    assert_eq!(found(r#"{"x":["a","b"]}"#, &pointed), Some(vec![one("/x/0", "mi", "\"a\"", 1)]));
    assert_eq!(found(r#"{"x":{"0":"a"}}"#, &pointed), Some(vec![one("/x/0", "mm", "\"a\"", 1)]));
    assert_eq!(found(r#"{"x":[[],[1,2]]}"#, &pointed).unwrap()[1], one("/x/1/1", "mii", "2", 1));
}

#[test]
fn the_outermost_sensitive_value_is_taken_whole() {
    let plain = policy(&[], &[], true);
    let nested = r#"{"actor_id":{"actor_id":1}}"#;
    assert_eq!(found(nested, &plain), Some(vec![one("/actor_id", "m", r#"{"actor_id":1}"#, 0)]));
    let imitation = r#"{"x":{"actor_id":1,"y":{"actor_id":2},"_ciphertext":3}}"#;
    assert_eq!(
        found(imitation, &plain),
        Some(vec![one("/x", "m", r#"{"actor_id":1,"y":{"actor_id":2},"_ciphertext":3}"#, 2)])
    );
    // The event's own object is no field.
    assert_eq!(found(r#"{"_encrypted":true,"x":1}"#, &plain), Some(vec![]));
}

#[test]
fn what_is_no_event_is_handed_back() {
    let plain = policy(&[], &[], true);
    for text in [
        "",
        "[]",
        "1",
        "{}x",
        "{} {}",
        r#"{"a":1,"a":1}"#,
        r#"{"x":[[[[1]]]]}"#,
        r#"{"act\u006fr_id":1}"#,
        r#"{"a":1e999}"#,
        r#"{"_a\u0065gis":1}"#,
        r#"{"event_id":1,"event_id":1}"#,
        r#"{"_aegis":1,"_aegis":1}"#,
        r#"{"actor_id":[[[[1]]]]}"#,
    ] {
        assert_eq!(found(text, &plain), None, "{text}");
    }
    assert!(found(r#"{"x":[[[1]]]}"#, &plain).is_some());
    assert!(found(r#"{"actor_id":[[[1]]]}"#, &plain).is_some());
}

/// The event without `_aegis`, and how many sensitive values stood before it.
fn without(text: &str) -> (String, usize) {
    let plain = policy(&[], &[], true);
    let mut walk = Walk::new(Scanner::checked(text.as_bytes()).unwrap(), &plain, Places::default());
    walk.run(4).unwrap();
    assert_eq!(&text[walk.top.aegis.clone().unwrap()], "[1]");
    let cut = walk.top.aegis_cut.clone();
    (text[walk.top.object.start..cut.start].to_owned() + &text[cut.end..=walk.top.object.end], walk.top.aegis_after)
}

#[test]
fn aegis_is_cut_with_one_comma_wherever_it_stands() {
    for (text, rest, before) in [
        (r#"{"_aegis":[1]}"#, "{}", 0),
        (r#" { "_aegis" : [1] } "#, "{  }", 0),
        (r#"{"_aegis":[1],"a":2}"#, r#"{"a":2}"#, 0),
        (r#"{ "_aegis":[1] , "a":2 , "actor_id":3}"#, r#"{ "a":2 , "actor_id":3}"#, 0),
        (r#"{"actor_id":2,"_aegis":[1],"b":3}"#, r#"{"actor_id":2,"b":3}"#, 1),
        (r#"{"a":2 , "_aegis" : [1] , "b":3}"#, r#"{"a":2 , "b":3}"#, 0),
        (r#"{"actor_id":2,"a":{"actor_id":4},"_aegis":[1]}"#, r#"{"actor_id":2,"a":{"actor_id":4}}"#, 2),
        (r#"{"a":2 , "_aegis" : [1] }"#, r#"{"a":2 }"#, 0),
    ] {
        assert_eq!(without(text), (rest.to_owned(), before), "{text}");
    }
}
