//! Protects one event: its text in, the text of the encrypted event out.

use crate::crypto::{self, binding, hex, hex_of, lp, EventId, Keys, HASH, JSON, LAYOUT, NONCE, STRING};
use crate::json::{compact, unescape, Scanner};
use crate::policy::Policy;
use crate::room::Room;
use crate::usual::field_up_to_ciphertext;
use crate::walk::{Target, Walk};
use crate::{guarded, HandedBack, Outcome};
use ring::hmac;
use zeroize::Zeroizing;

/// Levels of objects and arrays in an event, itself included.
pub const LEVELS: usize = 64;
pub const ID: usize = 16;
const BLOCK: usize = 16;

/// What is alike in all events of a session and a second.
pub struct Session {
    pub keys: Keys,
    /// `{"v":1,"dek":…,"kem":…,"by":…,"sig":…,"id":"`
    pub head: Vec<u8>,
    pub dek_version: String,
    /// An encrypted field up to its ciphertext.
    before: Vec<u8>,
}

impl Session {
    #[must_use]
    pub fn new(keys: Keys, head: Vec<u8>, dek_version: String) -> Self {
        let before = field_up_to_ciphertext(&dek_version);
        Session { keys, head, dek_version, before }
    }
}

/// What one call may still use; beyond it the engine in Python opens another session.
#[derive(Clone, Copy)]
pub struct Limits {
    pub output_bytes: usize,
    pub fields: u64,
    pub plaintext_bytes: u64,
}

/// What one call has made: encrypted events one behind the other, and how often each label was met.
#[derive(Default)]
pub struct Made {
    pub text: Vec<u8>,
    pub by_label: Vec<u64>,
    pub room: Room,
}

/// Protect one event: append it to `made`, take what it used from `limits`, and return where it ends.
///
/// random: gives fresh random bytes.  at: `_encrypted_at`.  src: "topic/partition/offset", or empty.
///
/// # Errors
/// Whatever is unusual, a panic of ours included; then nothing was appended and nothing taken.
#[allow(clippy::too_many_arguments)]
pub fn protect(
    raw: &[u8],
    policy: &Policy,
    session: &Session,
    src: &[u8],
    at: &[u8],
    limits: &mut Limits,
    made: &mut Made,
    random: &mut dyn FnMut(&mut [u8]) -> Outcome<()>,
) -> Outcome<usize> {
    let before = made.text.len();
    let done = guarded(|| append(raw, policy, session, src, at, limits, made, random));
    if done.is_err() {
        made.text.truncate(before);
    }
    done
}

#[allow(clippy::too_many_arguments)]
fn append(
    raw: &[u8],
    policy: &Policy,
    session: &Session,
    src: &[u8],
    at: &[u8],
    limits: &mut Limits,
    made: &mut Made,
    random: &mut dyn FnMut(&mut [u8]) -> Outcome<()>,
) -> Outcome<usize> {
    let Room { places, mut bound, mut aad, mut drawn, mut commitments, mut order } =
        std::mem::take(&mut made.room).emptied();
    let mut walk = Walk::new(Scanner::checked(raw)?, policy, places);
    walk.run(LEVELS)?;
    if walk.top.aegis.is_some() {
        return Err(HandedBack);
    }
    let count = walk.places.targets.len();
    let size: usize = walk.places.targets.iter().map(|target| target.span.len() + BLOCK).sum();
    if count as u64 > limits.fields || size as u64 > limits.plaintext_bytes {
        return Err(HandedBack);
    }
    drawn.resize(ID + NONCE * count, 0);
    random(&mut drawn)?;
    let (id, nonces) = drawn.split_at(ID);
    let mut identity = [0; 2 * ID];
    hex(&mut identity, id);

    let mut own_id = Vec::new();
    binding(&mut bound, &identity, src, &event_id(&walk, raw, policy, &mut own_id))?;
    lp(&mut aad, b"aegis-stream/v1/field")?;
    lp(&mut aad, session.dek_version.as_bytes())?;
    aad.extend_from_slice(&bound);
    lp(&mut aad, at)?;
    let prefix = aad.len();
    let mut ours = hmac::Context::with_key(&session.keys.commitment);
    ours.update(&aad);

    let out = &mut made.text;
    let begin = out.len();
    // Large enough for any value, so that it never moves and leaves a copy behind.
    let largest = walk.places.targets.iter().map(|target| target.span.len()).max().unwrap_or(0);
    let mut blob = Zeroizing::new(Vec::with_capacity(largest + BLOCK + crypto::HEAD + crypto::TAG));
    let mut copied = walk.top.object.start;
    for (target, nonce) in walk.places.targets.iter().zip(nonces.chunks_exact(NONCE)) {
        blob.clear();
        plaintext(&mut blob, &raw[target.span.clone()], nonce);
        aad.truncate(prefix);
        place(&mut aad, &walk, target, blob[1])?;
        let mut mac = ours.clone();
        mac.update(&aad[prefix..]);
        mac.update(&blob[crypto::HEAD..]);
        let commitment = mac.sign().as_ref().try_into().map_err(|_| HandedBack)?;
        session.keys.seal(&mut blob, &aad)?;
        out.extend_from_slice(&raw[copied..target.span.start]);
        copied = target.span.end;
        out.extend_from_slice(&session.before);
        base64_simd::STANDARD.encode_append(&blob, out);
        out.extend_from_slice(b"\",\"_plaintext_hash\":\"");
        out.extend_from_slice(&hex_of(&commitment));
        commitments.push(commitment);
        out.extend_from_slice(b"\",\"_encrypted_at\":\"");
        out.extend_from_slice(at);
        out.extend_from_slice(b"\"}");
    }
    out.extend_from_slice(&raw[copied..walk.top.object.end]);
    if walk.top.members > 0 {
        out.push(b',');
    }
    out.extend_from_slice(b"\"_aegis\":");
    out.extend_from_slice(&session.head);
    out.extend_from_slice(&identity);
    out.extend_from_slice(b"\",\"set\":\"");
    let tag = set_tag(&session.keys, session.dek_version.as_bytes(), &bound, &walk, &commitments, &mut order)?;
    out.extend_from_slice(&hex_of(&tag));
    if !src.is_empty() {
        out.extend_from_slice(b"\",\"src\":\"");
        out.extend_from_slice(src);
    }
    out.extend_from_slice(b"\"}}");
    if out.len() - begin > limits.output_bytes {
        return Err(HandedBack);
    }
    limits.fields -= count as u64;
    limits.plaintext_bytes -= size as u64;
    for target in &walk.places.targets {
        let label = target.label as usize;
        if made.by_label.len() <= label {
            made.by_label.resize(label + 1, 0);
        }
        made.by_label[label] += 1;
    }
    made.room = Room { places: walk.places, bound, aad, drawn, commitments, order };
    Ok(made.text.len())
}

/// The member `event_id` as it is published; its text goes to `room`.
pub fn event_id<'r>(walk: &Walk, raw: &[u8], policy: &Policy, room: &'r mut Vec<u8>) -> EventId<'r> {
    match &walk.top.event_id {
        None => EventId::Absent,
        Some(span) if policy.id_is_public && raw[span.start] == b'"' => {
            unescape(&raw[span.start + 1..span.end - 1], room);
            EventId::Public(room)
        }
        Some(_) => EventId::Hidden,
    }
}

/// Append LP(path) ‖ LP(kinds) ‖ u8(first byte) ‖ u8(type).
///
/// # Errors
/// The path is too long.
pub fn place(aad: &mut Vec<u8>, walk: &Walk, target: &Target, kind: u8) -> Outcome<()> {
    lp(aad, walk.path_of(target))?;
    lp(aad, walk.kinds_of(target))?;
    aad.extend_from_slice(&[LAYOUT, kind]);
    Ok(())
}

/// Write layout, type, nonce and plaintext of a value.
fn plaintext(blob: &mut Vec<u8>, value: &[u8], nonce: &[u8]) {
    let is_string = value[0] == b'"';
    blob.extend_from_slice(&[LAYOUT, if is_string { STRING } else { JSON }]);
    blob.extend_from_slice(nonce);
    if is_string {
        unescape(&value[1..value.len() - 1], blob);
    } else {
        compact(value, blob);
        let length = blob.len() - crypto::HEAD;
        blob.resize(crypto::HEAD + length.next_multiple_of(BLOCK), b' ');
    }
}

/// The set tag: over the commitments in the order of their paths' bytes.  order: empty.
///
/// # Errors
/// There are more fields than 2^32.
pub fn set_tag(
    keys: &Keys,
    dek_version: &[u8],
    bound: &[u8],
    walk: &Walk,
    commitments: &[[u8; HASH]],
    order: &mut Vec<usize>,
) -> Outcome<[u8; HASH]> {
    order.extend(0..commitments.len());
    order.sort_unstable_by_key(|index| walk.path_of(&walk.places.targets[*index]));
    let mut mac = hmac::Context::with_key(&keys.set);
    for part in [&b"aegis-stream/v1/set"[..], dek_version] {
        mac.update(&u16::try_from(part.len()).map_err(|_| HandedBack)?.to_be_bytes());
        mac.update(part);
    }
    mac.update(bound);
    mac.update(&u32::try_from(commitments.len()).map_err(|_| HandedBack)?.to_be_bytes());
    for index in order {
        mac.update(&commitments[*index]);
    }
    mac.sign().as_ref().try_into().map_err(|_| HandedBack)
}
