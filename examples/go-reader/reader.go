package main

import (
	"crypto/ed25519"
	"crypto/hmac"
	"encoding/hex"
	"errors"
	"unicode/utf8"
)

// Opens one event, refusing in the order of docs/wire-format.md, "What a reader must refuse"; the numbers are its steps.

const (
	deepestEvent  = 65
	deepestValue  = 64
	overhead      = 2 + nonceBytes + 16
	sessionsKept  = 1024
	typeString    = 's'
	typeJSON      = 'j'
	fieldMembers  = 6
	signatureSize = ed25519.SignatureSize
)

// refusal is a rule that an event broke, and where. It never holds a value.
type refusal struct {
	Reason string `json:"reason"`
	Path   string `json:"path"`
}

func (r *refusal) Error() string { return r.Reason + " at " + r.Path }

func refuse(reason, path string) error { return &refusal{reason, path} }

type head struct{ dek, id, kem, set, src, by, sig string }

type field struct {
	target
	path       string
	version    string
	at         string
	kind       byte
	nonce      []byte
	body       []byte
	commitment []byte
}

// reader opens events with the keys of a keyring, and keeps what it derived from sessions.
type reader struct {
	keys     *keyring
	sessions map[[4]string]*sessionKeys
}

func newReader(keys *keyring) *reader {
	return &reader{keys: keys, sessions: map[[4]string]*sessionKeys{}}
}

// opened is an event as its producer wrote it, the DEK version it was encrypted under, and "topic/partition/offset" of
// the raw record, empty where no enricher wrote it. A consumer drops what lies at or below the highest offset it has
// seen of a partition of the raw topic: an enricher that was restarted may repeat its last events.
type opened struct {
	event       *node
	dek, source string
}

// open judges one event. The error is a *refusal where the event broke a rule; any other says
// that a key could not be had.
func (r *reader) open(raw []byte) (*opened, error) {
	event, err := document(raw) // 1
	if err != nil {
		return nil, err
	}
	aegis, err := aegisOf(event) // 2
	if err != nil {
		return nil, err
	}
	key, err := r.keys.dek(aegis.dek) // 3
	if err != nil {
		return nil, err
	}
	fields, err := fieldsOf(event, key.policy) // 4
	if err != nil {
		return nil, err
	}
	for _, one := range fields { // 5
		if one.version != aegis.dek || one.at != fields[0].at {
			return nil, refuse("mixed", one.path)
		}
	}
	session, err := r.session(aegis, key) // 6, and the first half of 7
	if err != nil {
		return nil, err
	}
	bound, ok := binding(event, aegis.id, aegis.src)
	if !ok {
		return nil, refuse("too-long", "/event_id")
	}
	values, err := valuesOf(fields, session, aegis.dek, bound) // the rest of 7, and 8
	if err != nil {
		return nil, err
	}
	want, err := hex.DecodeString(aegis.set)
	if err != nil || !hmac.Equal(want, setTag(session.set, aegis.dek, bound, fields)) { // 9
		return nil, refuse("set", "")
	}
	for at, one := range fields {
		*one.slot = values[at]
	}
	return &opened{event.without("_aegis"), aegis.dek, aegis.src}, nil
}

func document(raw []byte) (*node, error) {
	event, err := parse(raw)
	switch {
	case err != nil || event.kind != object:
		return nil, refuse("not-json", "")
	case depth(event) > deepestEvent:
		return nil, refuse("too-deep", "")
	case badNumber(event):
		return nil, refuse("number", "")
	}
	return event, nil
}

func aegisOf(event *node) (*head, error) {
	found := event.member("_aegis")
	if found == nil {
		return nil, refuse("not-protected", "")
	}
	if found.kind != object {
		return nil, refuse("malformed", "/_aegis")
	}
	if v := found.member("v"); v == nil || v.kind != number || v.text != "1" {
		return nil, refuse("version", "/_aegis")
	}
	out := &head{}
	wanted := map[string]*string{
		"dek": &out.dek, "id": &out.id, "kem": &out.kem, "set": &out.set, "src": &out.src, "by": &out.by, "sig": &out.sig,
	}
	present := map[string]bool{}
	for at, name := range found.names {
		slot, value := wanted[name], found.children[at]
		if name == "v" {
			continue
		}
		if slot == nil || value.kind != str {
			return nil, refuse("malformed", "/_aegis")
		}
		*slot, present[name] = value.text, true
	}
	kem, kemOK := unb64(out.kem)
	sig, sigOK := unb64(out.sig)
	right := present["dek"] && present["id"] && present["kem"] && present["set"] &&
		isDEKVersion(out.dek) && isHex(out.id, 16) && kemOK && len(kem) == encapsulationBytes && isHex(out.set, 32) &&
		(!present["src"] || isSource(out.src)) && present["by"] == present["sig"] &&
		(!present["by"] || isHex(out.by, 8) && sigOK && len(sig) == signatureSize)
	if !right {
		return nil, refuse("malformed", "/_aegis")
	}
	return out, nil
}

func fieldsOf(event *node, rules *policy) ([]field, error) {
	var fields []field
	for _, found := range rules.outermost(event) {
		path := found.where.pointer()
		if !marked(*found.slot) {
			return nil, refuse("plaintext", path)
		}
		one, ok := shape(*found.slot)
		if !ok {
			return nil, refuse("malformed", path)
		}
		one.target, one.path = found, path
		fields = append(fields, one)
	}
	return fields, nil
}

func shape(value *node) (field, bool) {
	flag := value.member("_encrypted")
	blob, blobOK := unb64(text(value, "_ciphertext"))
	version, at, hash := text(value, "_dek_version"), text(value, "_encrypted_at"), text(value, "_plaintext_hash")
	right := len(value.names) == fieldMembers && flag != nil && flag.kind == scalar && flag.text == "true" &&
		text(value, "_algorithm") == alg && isDEKVersion(version) && isTime(at) && isHex(hash, 32) &&
		blobOK && len(blob) >= overhead && blob[0] == firstByte && (blob[1] == typeString || blob[1] == typeJSON)
	if !right {
		return field{}, false
	}
	commitment, err := hex.DecodeString(hash)
	body := 2 + nonceBytes
	return field{
		version: version, at: at, kind: blob[1], nonce: blob[2:body], body: blob[body:], commitment: commitment,
	}, err == nil
}

// session returns the keys of the event's session: judged once, and known by the four texts that make it.
func (r *reader) session(aegis *head, key *readingKey) (*sessionKeys, error) {
	name := [4]string{aegis.dek, aegis.kem, aegis.by, aegis.sig}
	if known := r.sessions[name]; known != nil {
		return known, nil
	}
	kem, _ := unb64(aegis.kem) // judged before
	if err := r.keys.judgeSignature(aegis, key, kem); err != nil {
		return nil, err
	}
	shared, err := key.private.decapsulate(kem)
	if err != nil {
		return nil, refuse("encapsulation", "")
	}
	session, err := derive(shared, aegis.dek, key.private.public, aegis.by)
	if err != nil {
		return nil, err
	}
	if len(r.sessions) >= sessionsKept {
		clear(r.sessions)
	}
	r.sessions[name] = session
	return session, nil
}

func valuesOf(fields []field, session *sessionKeys, version, bound string) ([]*node, error) {
	aads := make([]string, len(fields))
	for at, one := range fields {
		aad, ok := fieldAAD(version, bound, one.at, one.where, one.kind)
		if !ok {
			return nil, refuse("too-long", one.path)
		}
		aads[at] = aad
	}
	values := make([]*node, len(fields))
	for at, one := range fields {
		plaintext, err := session.field.Open(nil, one.nonce, one.body, []byte(aads[at]))
		if err != nil {
			return nil, refuse("tag", one.path)
		}
		if !hmac.Equal(one.commitment, mac(session.commitment, aads[at], string(plaintext))) {
			return nil, refuse("commitment", one.path)
		}
		if values[at], err = valueOf(one.kind, plaintext); err != nil {
			return nil, refuse("value", one.path)
		}
	}
	return values, nil
}

var errValue = errors.New("no value of its type")

func valueOf(kind byte, plaintext []byte) (*node, error) {
	if kind == typeString {
		if !utf8.Valid(plaintext) {
			return nil, errValue
		}
		return &node{kind: str, text: string(plaintext)}, nil
	}
	value, err := parse(plaintext)
	if err != nil || value.kind == str || depth(value) > deepestValue || badNumber(value) {
		return nil, errValue
	}
	return value, nil
}
