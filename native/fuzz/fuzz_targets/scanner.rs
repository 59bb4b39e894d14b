//! What the scanner accepts is JSON to another parser too, stays so without its blanks, and its strings go round.

#![no_main]

use aegis_stream_native::json::{compact, quote, unescape, Scanner};
use libfuzzer_sys::fuzz_target;

fn accepts(text: &[u8]) -> bool {
    Scanner::checked(text).is_ok_and(|mut scanner| {
        scanner.blank();
        scanner.value(64).and_then(|()| scanner.end()).is_ok()
    })
}

fuzz_target!(|text: &[u8]| {
    if !accepts(text) {
        return;
    }
    let value: serde_json::Value = serde_json::from_slice(text).expect("another parser accepts it");
    let mut dense = Vec::new();
    compact(text, &mut dense);
    assert!(accepts(&dense));
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&dense).expect("it is still JSON"), value);
    if let serde_json::Value::String(content) = value {
        let mut resolved = Vec::new();
        unescape(&dense[1..dense.len() - 1], &mut resolved);
        assert_eq!(resolved, content.as_bytes());
        let mut quoted = Vec::new();
        quote(&resolved, &mut quoted);
        assert!(accepts(&quoted));
        assert_eq!(serde_json::from_slice::<String>(&quoted).expect("it is a string"), content);
    }
});
